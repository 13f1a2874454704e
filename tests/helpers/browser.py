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
    """The addresses that were requested since the last call, but for workers that the page made of itself."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return [url for url in urls if not url.startswith("blob:")]


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


def animation(page, path, steps, width=1180, height=640):
    """Write an animated GIF of the section Train: a picture after each of these numbers of steps."""
    frames = []
    with started() as driver:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True},
        )
        driver.get(page.as_uri())
        for step in steps:
            script = (
                "const done = arguments[1]; const there = () => theta && run.step === arguments[0] && !waiting"
                "  ? setTimeout(done, 100) : setTimeout(there, 20);"
                "document.querySelector('.train').scrollIntoView({ behavior: 'instant' });"
                "if (theta) goTo(arguments[0]); there();"
            )
            driver.execute_async_script(script, step)
            frames.append(Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB"))
    palette = frames[-1].quantize(96, dither=Image.Dither.NONE)
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [600] + [150] * (len(others) - 1) + [3000]
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, optimize=True)


if __name__ == "__main__":  # docs/figures/page.png and train.gif, after `make repro`
    digit = json.dumps(strokes.strokes("5", "slanted to the right"))
    root = Path(__file__).parents[2]
    draw = f"pad.strokes = {digit}; pad.image = null; pad.update()"
    screenshot(root / "reports/index.html", root / "docs/figures/page.png", 1180, 1060, draw)
    steps = [0, 5, 10, 20, 40, 80, 157, 314, 471, 785, 1256, 1884, 2512]
    animation(root / "reports/index.html", root / "docs/figures/train.gif", steps)
