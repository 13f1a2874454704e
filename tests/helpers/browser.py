"""A headless Chromium for tests of the page, or the reason why there is none."""

import io
import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from selenium import webdriver

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


def requests(driver):
    """The addresses that were requested since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


def screenshot(page, path, width, height, script):
    """Write a picture of a page in a window of this size, after a script has run in it, as a PNG of few colors."""
    with started() as driver:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True},
        )
        driver.get(page.as_uri())
        driver.execute_async_script(f"{script}; setTimeout(arguments[0], 500);")
        image = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    image.quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":  # docs/figures/page.png, after `make repro`
    digit = json.dumps(strokes.strokes("5", "slanted to the right"))
    root = Path(__file__).parents[2]
    draw = f"pad.strokes = {digit}; pad.update()"
    screenshot(root / "reports/index.html", root / "docs/figures/page.png", 1180, 1060, draw)
