"""Where the project can be: in a directory of another repository, in a Git submodule, without Git, on Windows."""

import shutil

from tests.helpers import project
from tests.helpers.project import must


def commit(root):
    must(root, "git", "add", "--all")
    must(root, "git", "commit", "--quiet", "--message", "All")


def started(root):
    """A Git repository at `root`."""
    root.mkdir(exist_ok=True)
    must(root, "git", "init", "--quiet", "--initial-branch", "main")
    for name, value in (("user.name", "Test"), ("user.email", "test@example.org")):
        must(root, "git", "config", name, value)
    return root


def test_in_a_subdirectory_the_pipeline_the_tools_and_an_experiment_work(tmp_path):
    top = started(tmp_path / "mono")
    must(top, "dvc", "init", "--quiet")
    must(top, "dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    project.make(top / "digits")
    shutil.rmtree(top / "digits/.dvc")
    commit(top)

    def run(command):
        return must(top, "sh", "-c", f"cd digits && {command}")

    assert run("dvc repro").count("Running stage") == len(project.STAGES)
    run("git add --all && git commit --quiet --message Results")
    assert run("python -m tools.verify") == "Every output is the recorded one, bit for bit.\n"
    run("python -m tools.plots && dvc plots show")
    assert "<script src=" in (top / "digits/dvc_plots/index.html").read_text(encoding="utf-8")  # from the network
    run("dvc push")
    pushed, cached = (
        {path.name for path in directory.rglob("*") if path.is_file()}
        for directory in (tmp_path / "store", top / ".dvc/cache/files")
    )
    assert set() != pushed < cached  # the cache also has what is in Git, for the run cache
    assert must(top, "dvc", "status") == "Data and pipelines are up to date.\n"
    assert "Running stage 'predict'" in run("dvc exp run --temp -S predict.dpi=60")
    assert not (top / "digits/.dvc").exists()


def test_in_a_submodule_it_uses_a_dvc_of_its_own(tmp_path):
    project.make(started(tmp_path / "origin"))
    commit(tmp_path / "origin")
    top = started(tmp_path / "top")
    must(top, "git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../origin", "digits")
    assert project.repro(top / "digits", "preprocess") == project.STAGES[:3]
    assert (must(top / "digits", "dvc", "root"), project.repro(top / "digits", "preprocess")) == (".\n", [])
    commit(started(top / "digits"))
    must(top / "digits", "python", "-m", "tools.verify")


def test_git_on_windows_changes_no_line_end(copy, tmp_path):
    """A clone whose Git is set up as on Windows has the same bytes, so nothing runs again and no digest changes."""
    commit(started(copy))
    clone = tmp_path / "clone"
    windows = ("--config", "core.autocrlf=true", "--config", "core.eol=crlf")
    must(tmp_path, "git", "clone", "--quiet", *windows, str(copy), "clone")
    (clone / ".dvc/cache").symlink_to(copy / ".dvc/cache")
    must(clone, "dvc", "checkout")
    assert project.repro(clone) == []
    assert must(clone, "git", "status", "--short", "--untracked-files=no") == ""
    names = must(copy, "git", "ls-files").splitlines()
    assert {".gitattributes", "dvc.lock", "params.yaml", "reports/history.csv", "stages/train.py"} <= set(names)
    assert [name for name in names if (clone / name).read_bytes() != (copy / name).read_bytes()] == []


def test_without_git_the_pipeline_works_and_what_needs_git_is_named(tmp_path):
    """As after "Download ZIP"; then with a repository, and with a commit."""
    root = tmp_path / "download"
    project.make(root)
    configure = must(root, "make", "--dry-run", "--old-file=.venv/installed", "git")
    assert "is not a git repository" in project.run(root, "dvc", "repro").stderr
    for _ in range(2):
        said = must(root, "sh", "-c", configure)
        assert said.startswith("Without a Git repository, dvc exp, dvc ... diff, make verify and make test refuse")
    assert project.repro(root, "preprocess") == project.STAGES[:3]
    for command in ("exp run", "metrics diff"):  # what the message names
        assert project.run(root, "dvc", *command.split()).returncode != 0
    verified = project.run(root, "python", "-m", "tools.verify")
    assert (verified.returncode, verified.stderr.count("\n")) == (1, 1)
    assert verified.stderr.startswith("verify: fatal: not a git repository")

    started(root)
    assert must(root, "sh", "-c", configure) == ""
    assert project.repro(root, "preprocess") == []
    commit(root)
    must(root, "python", "-m", "tools.verify")
