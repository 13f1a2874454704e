"""The page in a real browser, as the pipeline made it."""

import browser
import numpy as np
import pytest

from stages.dataset import arrays, idx
from stages.nn.losses import softmax
from stages.nn.network import from_arrays
from stages.pipeline import files

pytestmark = browser.needs_chromium


@pytest.fixture(scope="module")
def driver():
    with browser.started() as driver:
        yield driver


@pytest.fixture
def page(driver, finished):
    """The browser, with the page newly opened."""
    driver.get((finished / "reports/index.html").as_uri())
    driver.get_log("browser")
    return driver


LOGITS = """
return images.map((image) => {
  const { logits, probabilities } = network.forward(prepare(image, model).x);
  return [logits, probabilities].map((a) => Array.from(new Uint32Array(Float64Array.from(a).buffer)));
});
"""


def test_logits_and_probabilities_are_those_of_numpy_bit_for_bit(page, finished):
    model = files.read_arrays(finished / "models/network.npz")
    network = from_arrays(model)
    images = idx.read(finished / "data/raw/t10k-images-idx3-ubyte")
    deskew, mean, std = (model[name].item() for name in ("deskew", "mean", "std"))
    index = page.execute_script("return tests.index;")
    assert sorted(index) == list(range(200))
    for n, seen in zip(index, page.execute_script(LOGITS), strict=True):
        logits = network.predict(arrays.prepare(images[n : n + 1], deskew, mean, std))
        for ours, its in zip((logits, softmax(logits, network.arithmetic)), seen, strict=True):
            assert np.array(its, np.uint32).tobytes() == ours.astype("<f8").tobytes()
