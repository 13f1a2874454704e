"""DVC's own plots: a browser draws them without a network."""

import json
import re

import pytest

from tests.helpers import browser
from tests.helpers.project import must

PLOTS = {
    *("Loss", "Accuracy", "Learning rate at the end of each epoch"),
    *("Mistakes on the test images", "F1 score of each class on the test images"),
}
# How many pixels of each diagram have a color: lines and cells have one, paper, axes and text are gray.
COLORED = """
return Array.from(document.querySelectorAll("canvas.marks"), (canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) {
    const rgb = data.slice(i, i + 3);
    count += Math.max(...rgb) - Math.min(...rgb) > 60;
  }
  return count;
});
"""
# How many pixels of each figure are beyond the right edge of a small window.
WIDE = """
document.body.style.width = "400px";
return Array.from(document.images, (image) => image.getBoundingClientRect().width - 400);
"""


@pytest.fixture
def offline(copy):
    """A run whose results are committed and whose history then changed, with the page that holds Vega."""
    identity = {f"GIT_{who}_{what}": "you@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    must(copy, "git", "add", "--all")
    must(copy, "git", "commit", "--quiet", "--message", "All", **identity)
    history = copy / "reports/history.csv"
    history.write_text("".join(history.read_text().splitlines(keepends=True)[:-1]))
    must(copy, "python", "-m", "tools.plots")
    return copy


def plotted(root, *command):
    """The page that a command of `dvc plots` writes."""
    out = f"plots of {command[0]}"
    assert must(root, "dvc", "plots", *command, "--out", out).endswith("/index.html\n")
    return root / out / "index.html"


def opened(driver, page):
    """The addresses that a page requests until its diagrams are drawn, or five seconds have passed."""
    driver.get_log("browser")
    driver.get_log("performance")
    driver.get(page.as_uri())
    driver.execute_async_script("""
      const done = arguments[0], start = Date.now();
      const drawn = () => document.querySelectorAll("canvas.marks").length === 5 || Date.now() - start > 5000;
      const wait = () => drawn() ? requestAnimationFrame(done) : setTimeout(wait, 50);
      wait();
    """)
    return browser.requests(driver)


@browser.needs_chromium
@pytest.mark.xdist_group("one browser for all")
def test_the_diagrams_are_drawn_and_no_request_leaves(offline):
    page = plotted(offline, "diff")
    plots = [json.loads(text) for text in re.findall(r"var spec = (\{\"\$schema\".*\});", page.read_text("utf-8"))]
    assert sorted(plot["title"]["text"] for plot in plots) == sorted(PLOTS)
    assert all({row["rev"] for row in plot["data"]["values"]} == {"HEAD", "workspace"} for plot in plots)
    with browser.started() as driver:
        requested = opened(driver, page)
        colored = driver.execute_script(COLORED)
        wide = driver.execute_script(WIDE)
        errors = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert requested[0] == page.as_uri()
    assert {address.split(":")[0] for address in requested} <= {"file", "data"}, requested
    assert len(colored) == len(PLOTS)
    assert min(colored) > 200, colored
    assert errors == []
    assert len(wide) == 2 * 6
    assert max(wide) <= 0, "a figure is cut"


def test_the_page_replaces_the_network_once_and_leaves_other_settings_alone(copy):
    """And if it is removed, the tool makes it again."""
    assert "<script src=" in plotted(copy, "show").read_text(encoding="utf-8")
    must(copy, "dvc", "config", "--local", "core.autostage", "true")
    for _ in range(2):
        must(copy, "python", "-m", "tools.plots")
        page = plotted(copy, "show").read_text(encoding="utf-8")
        assert "<script src=" not in page
        assert page.index('<meta charset="utf-8">') < 1024  # so that a browser sees it in time
        assert "{" + "plot_divs}" not in page
        config = (copy / ".dvc/config.local").read_text().split()
        assert config == ["[core]", "autostage", "=", "true", "[plots]", "html_template", "=", "plots.html"]
        (copy / ".dvc/plots.html").unlink()
    moved = copy.with_name("moved, with spaces")
    must(copy, "python", "-m", "tools.plots")
    copy.rename(moved)
    assert "<script src=" not in plotted(moved, "show").read_text(encoding="utf-8")
    assert must(moved, "git", "check-ignore", ".dvc/plots.html", ".dvc/config.local").count("\n") == 2


def test_a_page_of_your_own_stays_in_use(copy):
    (copy / "mine.html").write_text("<p>mine</p>{plot_divs}")
    must(copy, "dvc", "config", "plots.html_template", "../mine.html")
    must(copy, "python", "-m", "tools.plots")
    assert plotted(copy, "show").read_text(encoding="utf-8").startswith("<p>mine</p>")
    assert not (copy / ".dvc/config.local").exists()
