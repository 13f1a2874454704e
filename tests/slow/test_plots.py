"""DVC's own plots: a browser draws them without a network."""

import json
import re

import pytest

from tests.helpers import browser
from tests.helpers.project import must

PLOTS = {
    *("Loss", "Accuracy", "Learning rate at the end of each epoch"),
    *("Mistakes on the test images", "Wrong answers by class on the test images"),
}
# Five seconds at most until all diagrams are there.
WAIT = """
const done = arguments[0], start = Date.now();
const drawn = () => document.querySelectorAll("canvas.marks").length === 5 || Date.now() - start > 5000;
const wait = () => drawn() ? requestAnimationFrame(done) : setTimeout(wait, 50);
wait();
"""
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


def plotted(root):
    """The page that `dvc plots show` writes."""
    assert must(root, "dvc", "plots", "show", "--out", "plots").endswith("/index.html\n")
    return root / "plots/index.html"


@browser.needs_chromium
@pytest.mark.xdist_group("one browser for all")
def test_the_diagrams_are_drawn_and_no_request_leaves(copy, driver):
    must(copy, "python", "-m", "tools.plots")
    path = plotted(copy)
    plots = [json.loads(text) for text in re.findall(r"var spec = (\{\"\$schema\".*\});", path.read_text("utf-8"))]
    assert sorted(plot["title"]["text"] for plot in plots) == sorted(PLOTS)
    page = browser.opened(driver, path)
    page.execute_async_script(WAIT)
    requested, colored, wide = browser.requests(page), page.execute_script(COLORED), page.execute_script(WIDE)
    assert requested[0] == path.as_uri()
    assert {address.split(":")[0] for address in requested} <= {"file", "data"}, requested
    assert len(colored) == len(PLOTS)
    assert min(colored) > 200, colored
    assert len(wide) == 6
    assert max(wide) <= 0, "a figure is cut"
    assert [entry["message"] for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_the_page_replaces_the_network_once_and_leaves_other_settings_alone(copy):
    """And if it is removed, or the project is moved, the tool makes it again."""
    assert "<script src=" in plotted(copy).read_text(encoding="utf-8")
    must(copy, "dvc", "config", "--local", "core.autostage", "true")
    for _ in range(2):
        must(copy, "python", "-m", "tools.plots")
        config = (copy / ".dvc/config.local").read_text().split()
        assert config == ["[core]", "autostage", "=", "true", "[plots]", "html_template", "=", "plots.html"]
    (copy / ".dvc/plots.html").unlink()
    must(copy, "python", "-m", "tools.plots")
    moved = copy.rename(copy.with_name("moved, with spaces"))
    page = plotted(moved).read_text(encoding="utf-8")
    assert "<script src=" not in page
    assert page.index('<meta charset="utf-8">') < 1024  # so that a browser sees it in time
    assert "{" + "plot_divs}" not in page
    assert must(moved, "git", "check-ignore", ".dvc/plots.html", ".dvc/config.local").count("\n") == 2


def test_a_page_of_your_own_stays_in_use(copy):
    (copy / "mine.html").write_text("<p>mine</p>{plot_divs}")
    must(copy, "dvc", "config", "plots.html_template", "../mine.html")
    must(copy, "python", "-m", "tools.plots")
    assert plotted(copy).read_text(encoding="utf-8").startswith("<p>mine</p>")
    assert not (copy / ".dvc/config.local").exists()
