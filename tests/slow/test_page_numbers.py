"""The page's numbers are those of NumPy, bit for bit. Both sides print a double so that reading it gives the same."""

import itertools

import numpy as np
import pytest

from stages.dataset import idx
from stages.learning.model import load
from stages.nn.exact import exp
from stages.nn.layers import ACTIVATIONS
from stages.nn.losses import softmax
from stages.nn.network import multilayer_perceptron
from stages.photos.center import center
from tests.helpers import browser, strokes

pytestmark = [browser.needs_chromium, pytest.mark.xdist_group("one browser for all")]


@pytest.mark.parametrize("name", ["finished", "mnist"])
def test_answers_are_those_of_the_model_and_none_is_given_below_a_threshold(driver, request, name):
    root = request.getfixturevalue(name)
    page, model = browser.opened(driver, root / "reports/index.html"), load(root / "models/network.npz")
    index, seen = page.execute_script("""
        const index = tests.index.slice(0, 100);
        return [index, index.map((_, n) => {
          showTest(n);
          update();
          const { result: { logits, probabilities, confidence }, similarity, x } = shown;
          const arrays = [logits, probabilities, unitVector(x)].map((values) => Array.from(values));
          return [arrays, confidence, similarity, byId("answer").textContent, byId("verdict").textContent];
        })];
    """)
    reasons = set()
    images = idx.read(root / "data/raw/t10k-images-idx3-ubyte")[index]
    for image, (arrays, confidence, similarity, answer, verdict) in zip(images, seen, strict=True):
        x = model.prepare(image[None])
        logits = model.network.predict(x)
        assert arrays == [array[0].tolist() for array in (logits, softmax(logits), model.unit_vectors(x))]
        assert model.classify(image)[0][1:3] == (confidence, similarity)
        low = confidence < model.confidence, similarity < model.similarity
        assert (answer == "?") == any(low)
        assert ("with only" in verdict) == low[0]
        assert ("like no digit" in verdict) == (low == (False, True))
        reasons.add(low)
    assert {(False, False), (True, False), (False, True)} <= reasons


def test_any_network_computes_what_numpy_computes(page):
    script = """
    const [layers, activation, x] = arguments;
    const own = layers.map(([W, b]) => ({ W: Float32Array.from(W), b: Float32Array.from(b) }));
    const result = new TracedNetwork(own, activation).forward(Float32Array.from(x));
    return [result.logits, result.probabilities].map((values) => Array.from(values));
    """
    rng = np.random.default_rng(0)
    for activation, sizes in itertools.product(ACTIVATIONS, [(12, 3), (12, 7, 5, 3), (3000, 3)]):
        low = -1 if sizes[0] < 3000 else 0.99  # so large that a sum of 3000 products must be cut into pieces
        network = multilayer_perceptron(sizes, activation)
        network.theta[:] = rng.uniform(low, 1, network.theta.size)
        x = rng.uniform(low, 1, (1, sizes[0])).astype(np.float32)
        x[:, 3:5] = 0, -0.0
        layers = [(layer.W.ravel().tolist(), layer.b.tolist()) for layer in network.dense]
        logits = network.predict(x)
        expected = [logits[0].tolist(), softmax(logits)[0].tolist()]
        assert page.execute_script(script, layers, activation, x[0].tolist()) == expected, (activation, sizes)
    x = np.concatenate([np.linspace(-760, 0, 3001), np.linspace(-1, 0, 501)])
    assert page.execute_script("return arguments[0].map(exp);", x.tolist()) == exp(x).tolist()


def test_a_box_is_centered_as_the_box_of_a_photograph_is(page):
    rng = np.random.default_rng(0)
    boxes = [(rng.integers(0, 256, (20, 20)) * (rng.random((20, 20)) < p)).astype(np.uint8) for p in rng.random(40) / 2]
    boxes += [box | box[:, ::-1] for box in boxes[:10]]  # with the center of mass between two pixels
    seen = page.execute_script(
        "return arguments[0].map((box) => Array.from(center(box.map((v) => v / 255), 20, model)));",
        [box.ravel().tolist() for box in boxes],
    )
    assert np.array_equal(seen, [center(box, (28, 28)).ravel() for box in boxes])


def test_a_drawing_is_prepared_as_mnist_was(page, finished):
    model = load(finished / "models/network.npz")
    for way, digit in itertools.product(strokes.WAYS, strokes.DIGITS):
        page.execute_script("pad.strokes = arguments[0]; update();", strokes.strokes(digit, way))
        image = np.array(browser.shown(page, "image"), np.uint8).reshape(28, 28)
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
        ink = image / image.sum()
        np.testing.assert_allclose([ink.sum(axis=1) @ range(28), ink.sum(axis=0) @ range(28)], 14, atol=0.5)
        assert browser.shown(page, "x") == model.prepare(image[None])[0].tolist()
