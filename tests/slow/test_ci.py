"""The scripts that the workflows run, and what every workflow keeps. `.ci/run` checks their syntax."""

import re

from stages.pipeline.yaml_reader import load
from tests.helpers import page, project
from tests.helpers.unix import unix

WORKFLOWS = sorted((project.ROOT / ".github").rglob("*.yml"))


@unix
def test_a_pull_request_shows_metrics_parameters_and_figures(copy):
    project.must(copy, "git", "add", "--all")
    project.must(copy, "git", "commit", "--quiet", "--message", "All", **page.IDENTITY)
    project.must(copy, "git", "switch", "--quiet", "--create", "change")
    project.set_params(copy, {"plot": {"dpi": 60}})
    assert project.repro(copy) == ["validate", "plot"]
    project.must(copy, "git", "commit", "--all", "--quiet", "--message", "Sharper", **page.IDENTITY)
    hub = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "you/digits"}
    printed = project.must(copy, ".ci/report", "main", **hub)
    base, head = project.must(copy, "git", "rev-parse", "main", "HEAD").split()
    assert "| Path   | Metric   |" in printed  # of which none differs
    assert re.search(r"^\| params.yaml \| plot.dpi \| 50 +\| 60 +\|$", printed, re.MULTILINE)
    for name in project.DIRECTORIES["reports/figures"]:
        before, after = (f"https://github.com/you/digits/raw/{sha}/reports/figures/{name}" for sha in (base, head))
        assert f"![before]({before}) | ![after]({after})" in printed
    assert (copy / "dvc_plots/index.html").is_file()


@unix
def test_the_model_of_a_tag_is_made_where_there_is_no_remote(copy):
    project.must(copy, "git", "add", "--all")
    project.must(copy, "git", "commit", "--quiet", "--message", "All", **page.IDENTITY)
    project.must(copy, "git", "tag", "-a", "-m", "One", "digit-classifier@v1.0.0", **page.IDENTITY)
    printed = project.must(copy, ".ci/model", "digit-classifier@v1.0.0").splitlines()
    answers = (copy / "reports/predictions.csv").read_text().splitlines()
    assert printed[-1].split(",")[0] == answers[1].split(",")[1]


def test_workflows_may_only_read_and_their_actions_are_pinned():
    for path in WORKFLOWS:
        text = path.read_text(encoding="utf-8")
        uses = re.findall(r"uses: (?!\./)(.*)", text)
        assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) for action in uses), uses
        if path.parent.name == "workflows":
            assert load(path)[0]["permissions"] == {"contents": "read"}
            assert text.count("actions/checkout@") == text.count("persist-credentials: false")
