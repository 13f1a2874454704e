"""A headless Chromium for tests of the page, or the reason why there is none."""

import io
import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By

from tests.helpers import strokes

FLAGS = [
    "--headless",
    "--no-sandbox",  # which root needs
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",  # clicks need not wait for scrolling
]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="needs the browser Chromium and its driver: apt-get install chromium chromium-driver",
)


@contextmanager
def started():
    """Start Chromium, end it after the block."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def opened(driver, path, width=1280, height=900, touch=False):
    """The browser, with a file newly opened in a window of a size; what it has logged before is forgotten."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": touch})
    driver.get_log("browser")
    driver.get_log("performance")
    driver.get(path.as_uri())
    return driver


def errors(driver):
    """The messages that the browser has logged since the last call."""
    return [entry["message"] for entry in driver.get_log("browser")]


def requests(driver):
    """The addresses that were requested since the last call, but for workers that the page made of itself."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return [url for url in urls if not url.startswith("blob:")]


def settle(page):
    """Wait until what is on the canvas has been answered."""
    page.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done));")


def rest(page):
    """Wait until it has been announced, too, and the nearest mistakes have been found."""
    page.execute_async_script("const done = arguments[0]; setTimeout(done, 400);")


def each(page, selector):
    """All elements that a CSS selector finds."""
    return page.find_elements(By.CSS_SELECTOR, selector)


def text(page, name):
    """The text of the element with an id."""
    return page.find_element(By.ID, name).text


def shown(page, what):
    """A value of what the page shows, such as image or x."""
    return page.execute_script(f"return shown === null ? null : Array.from(shown.{what});")


def press(page, *keys):
    ActionChains(page).send_keys(*keys).perform()
    settle(page)


def draw(page, shapes, kind="mouse"):
    """Draw strokes on the canvas as a pointer would."""
    box = page.execute_script(
        "pad.canvas.scrollIntoView({ block: 'center', behavior: 'instant' });"
        "return pad.canvas.getBoundingClientRect().toJSON();"
    )
    actions = ActionBuilder(page, mouse=PointerInput(kind, f"a {kind}"), duration=0)
    pointer = actions.pointer_action
    for stroke in shapes:
        points = [(round(box["x"] + x * box["width"]), round(box["y"] + y * box["height"])) for x, y in stroke]
        pointer.move_to_location(*points[0])
        pointer.pointer_down()
        for point in points[1:]:
            pointer.move_to_location(*point)
        pointer.pointer_up()
    actions.perform()
    settle(page)


def animation(page, path, steps):
    """Write an animated GIF of the section Train: a picture after each of these numbers of steps."""
    frames = []
    for step in steps:
        page.execute_async_script(
            "const done = arguments[1]; const there = () => theta && run.step === arguments[0] && !waiting"
            "  ? setTimeout(done, 100) : setTimeout(there, 20);"
            "document.querySelector('.train').scrollIntoView({ behavior: 'instant' });"
            "if (theta) goTo(arguments[0]); there();",
            step,
        )
        frames.append(Image.open(io.BytesIO(page.get_screenshot_as_png())).convert("RGB"))
    palette = frames[-1].quantize(96, dither=Image.Dither.NONE)
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [600] + [150] * (len(others) - 1) + [3000]
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, optimize=True)


if __name__ == "__main__":  # docs/figures/page.png and train.gif, after `make repro`
    root = Path(__file__).parents[2]
    five = strokes.strokes("5", "slanted to the right")
    with started() as driver:
        page = opened(driver, root / "reports/index.html", 1180, 1060, touch=True)
        page.execute_script("pad.strokes = arguments[0]; pad.image = null; pad.update();", five)
        rest(page)
        image = Image.open(io.BytesIO(page.get_screenshot_as_png())).convert("RGB")
        image.quantize(64, dither=Image.Dither.NONE).save(root / "docs/figures/page.png", optimize=True)
        page = opened(driver, root / "reports/index.html", 1180, 640, touch=True)
        steps = [0, 5, 10, 20, 40, 80, 157, 314, 471, 785, 1256, 1884, 2512]
        animation(page, root / "docs/figures/train.gif", steps)
