"""The page in a real browser: that of the fixture's digits, and that of MNIST where the pipeline has run."""

import itertools
import os
import re
import shutil
from pathlib import Path

import browser
import numpy as np
import project
import pytest
import strokes
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By

from stages.dataset import arrays, idx, similarity
from stages.nn.exact import EXACT, FAST
from stages.nn.frequencies import LowFrequencies, choose_inputs
from stages.nn.losses import softmax
from stages.nn.network import from_arrays, multilayer_perceptron
from stages.nn.snapshots import dequantize
from stages.page import page as make_page
from stages.photos.center import center
from stages.pipeline import files

pytestmark = [browser.needs_chromium, pytest.mark.xdist_group("one browser for all")]
SIZES = {"phone": (390, 844), "tablet": (820, 1180), "desk": (1280, 900)}
PICTURES = "data/raw/t10k-images-idx3-ubyte"


@pytest.fixture(scope="module")
def driver():
    with browser.started() as driver:
        yield driver


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    """A directory like the project's, with the results of `make repro` and the page that these sources make of them."""
    made = (
        "data/processed/validation_images.npy",
        "models/network.npz",
        "models/epochs.npz",
        "reports/predictions.csv",
    )
    if not all((project.ROOT / name).exists() for name in (PICTURES, *made)):
        pytest.skip("needs the results of `make repro`")
    root = tmp_path_factory.mktemp("mnist")
    for name in ("data", "models"):
        (root / name).symlink_to(project.ROOT / name)
    (root / "reports").mkdir()
    for name in ("history.csv", "predictions.csv"):
        shutil.copy(project.ROOT / "reports" / name, root / "reports")
    before = Path.cwd()
    os.chdir(root)
    try:
        make_page(withheld=0.02, max_bytes=2_000_000)
    finally:
        os.chdir(before)
    return root


def opened(driver, root, size="desk"):
    """The browser, with a page newly opened in a window of a size."""
    width, height = SIZES[size]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size != "desk"}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": size != "desk"})
    driver.get_log("browser")
    driver.get_log("performance")
    driver.get((root / "reports/index.html").as_uri())
    return driver


@pytest.fixture
def page(driver, finished):
    return opened(driver, finished)


@pytest.fixture
def mnist_page(driver, mnist):
    return opened(driver, mnist)


def settle(page):
    """Wait until what is on the canvas has been answered."""
    page.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done));")


def rest(page):
    """Wait until it has been announced, too, and the nearest mistakes have been found."""
    page.execute_async_script("const done = arguments[0]; setTimeout(done, 400);")


def text(page, name):
    return page.find_element(By.ID, name).text


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


def press(page, *keys):
    ActionChains(page).send_keys(*keys).perform()
    settle(page)


def point_at(page, element):
    ActionChains(page, duration=0).move_to_element(element).perform()


def shown(page, what):
    """A value of what the page shows, such as image or x."""
    return page.execute_script(f"return shown === null ? null : Array.from(shown.{what});")


def prepared(root, images):
    model = files.read_arrays(root / "models/network.npz")
    return arrays.prepare(images, *(model[name].item() for name in ("deskew", "mean", "std")))


# The same numbers as NumPy

BITS = "(a) => Array.from(new Uint32Array(Float64Array.from(a).buffer))"
LOGITS = f"""
return images.slice(0, 1000).map((image) => {{
  const {{ logits, probabilities }} = network.forward(prepare(image, model).x);
  return [logits, probabilities].map({BITS});
}});
"""


def same_bits(array, seen):
    return np.array(seen, np.uint32).tobytes() == array.astype("<f8").tobytes()


@pytest.mark.parametrize(("name", "count"), [("finished", 200), ("mnist", 1000)])
def test_logits_and_probabilities_are_those_of_numpy_bit_for_bit(driver, request, name, count):
    root = request.getfixturevalue(name)
    page = opened(driver, root)
    network = from_arrays(files.read_arrays(root / "models/network.npz"))
    images = idx.read(root / PICTURES)
    index = page.execute_script("return tests.index.slice(0, 1000);")
    assert len({*index}) == count
    for n, (logits, probabilities) in zip(index, page.execute_script(LOGITS), strict=True):
        expected = network.predict(prepared(root, images[n : n + 1]))
        assert same_bits(expected, logits)
        assert same_bits(softmax(expected, network.arithmetic), probabilities)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("sizes", [(12, 3), (12, 7, 3), (2100, 7, 5, 3)])
def test_any_network_computes_what_numpy_computes_bit_for_bit(page, activation, sizes):
    rng = np.random.default_rng(len(sizes))
    network = multilayer_perceptron(sizes, activation, arithmetic=EXACT)
    network.theta[:] = rng.standard_normal(network.theta.size)
    x = rng.standard_normal((1, sizes[0])).astype(np.float32)
    x[:, 3:5] = 0, -0.0
    logits = network.predict(x)
    script = f"""
    const [layers, activation, x] = arguments;
    const own = layers.map(([W, b]) => ({{ W: Float32Array.from(W), b: Float32Array.from(b) }}));
    const result = new Network(own, activation, true).forward(Float32Array.from(x));
    return [result.logits, result.probabilities].map({BITS});
    """
    layers = [(layer.W.ravel().tolist(), layer.b.tolist()) for layer in network.dense]
    seen = page.execute_script(script, layers, activation, x[0].tolist())
    assert same_bits(logits, seen[0])
    assert same_bits(softmax(logits, EXACT), seen[1])


def test_exponentials_are_those_of_numpy_bit_for_bit(page):
    x = np.concatenate([np.linspace(-760, 720, 3001), np.linspace(-1, 1, 501)])
    with np.errstate(over="ignore"):
        expected = EXACT.exp(x)
    assert same_bits(expected, page.execute_script(f"return ({BITS})(arguments[0].map(exp));", x.tolist()))


def test_the_page_names_its_model(page, finished):
    assert text(page, "digest") == files.digest(finished / "models/network.npz")
    assert "bit for bit" in text(page, "exactness")


# Draw


@pytest.mark.parametrize("kind", ["mouse", "touch", "pen"])
@pytest.mark.parametrize("size", ["phone", "desk"])
def test_a_pointer_draws_and_the_page_does_not_scroll(driver, finished, kind, size):
    page = opened(driver, finished, size)
    page.execute_script("pad.canvas.scrollIntoView({ block: 'center', behavior: 'instant' });")
    before = page.execute_script("return scrollY;")
    drawn = strokes.strokes("4", "in the middle")
    draw(page, drawn, kind)
    assert page.execute_script("return scrollY;") == before
    seen = page.execute_script("return pad.strokes;")
    assert len(seen) == 2
    for points, own in zip(drawn, seen, strict=True):
        np.testing.assert_allclose(own[0], points[0], atol=0.005)
        np.testing.assert_allclose(own[-1], points[-1], atol=0.005)
    pixels = "return pad.canvas.getContext('2d').getImageData(...arguments).data[3];"
    x, y = (round(560 * value) for value in drawn[1][0])
    assert page.execute_script(pixels, x, y + 20, 1, 1) == 255
    assert page.execute_script(pixels, 5, 5, 1, 1) == 0


def test_an_empty_canvas_gets_no_answer_and_a_dot_is_too_small(page):
    assert shown(page, "image") is None
    assert text(page, "verdict") == "Draw a digit, and the answer follows."
    assert text(page, "answer") == ""
    draw(page, [[(0.5, 0.5)]])
    assert shown(page, "image") is None
    assert text(page, "verdict") == "Too small to be a digit."


def test_undo_and_clear(page):
    draw(page, strokes.strokes("4", "in the middle"))
    both = shown(page, "x")
    page.find_element(By.ID, "undo").click()
    settle(page)
    assert len(page.execute_script("return pad.strokes;")) == 1
    assert shown(page, "x") != both
    draw(page, strokes.strokes("1", "in the middle"))
    press(page, Keys.BACKSPACE)
    assert len(page.execute_script("return pad.strokes;")) == 1
    page.find_element(By.ID, "clear").click()
    settle(page)
    assert shown(page, "x") is None
    assert page.find_element(By.ID, "undo").get_attribute("disabled")


def test_a_drawing_is_prepared_as_mnist_was(page, finished):
    for way, digit in itertools.product(strokes.WAYS, strokes.DIGITS):
        page.execute_script("pad.strokes = arguments[0]; update();", strokes.strokes(digit, way))
        image = np.array(shown(page, "image"), np.uint8).reshape(28, 28)
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
        ink = image / image.sum()
        np.testing.assert_allclose([ink.sum(axis=1) @ range(28), ink.sum(axis=0) @ range(28)], 14, atol=0.5)
        x = prepared(finished, image[None])
        assert np.array_equal(np.array(shown(page, "x"), np.float32), x[0])


def test_a_box_is_centered_as_the_box_of_a_photograph_is(page):
    rng = np.random.default_rng(0)
    boxes = [(rng.integers(0, 256, (20, 20)) * (rng.random((20, 20)) < p)).astype(np.uint8) for p in rng.random(40) / 2]
    boxes += [box | box[:, ::-1] for box in boxes[:10]]  # with the center of mass between two pixels
    seen = page.execute_script(
        "return arguments[0].map((box) => Array.from(center(box.map((v) => v / 255), 20, model)));",
        [box.ravel().tolist() for box in boxes],
    )
    assert np.array_equal(seen, [center(box, (28, 28)).ravel() for box in boxes])


def test_where_and_how_large_a_drawing_is_does_not_matter(page):
    images = []
    for scale, x, y in ((1, 0, 0), (0.25, 0, 0), (0.25, 0.75, 0.75)):
        shape = [[[x + scale * px, y + scale * py] for px, py in stroke] for stroke in strokes.DIGITS["5"]]
        page.execute_script("pad.strokes = arguments[0]; update();", shape)
        images.append(shown(page, "image"))
    assert images[0] == images[1] == images[2]


def test_drawn_digits_are_recognized(mnist_page):
    for digit in strokes.DIGITS:
        mnist_page.execute_script("pad.clear();")
        draw(mnist_page, strokes.strokes(digit, "in the middle"))
        assert text(mnist_page, "answer") == digit


def test_digits_are_recognized_however_they_are_drawn(mnist_page):
    ways = [way for way in strokes.WAYS if way not in ("in the middle", "narrow")]
    for way, digit in itertools.product(ways, strokes.DIGITS):
        mnist_page.execute_script("pad.strokes = arguments[0]; update();", strokes.strokes(digit, way))
        assert text(mnist_page, "answer") == digit, way


def test_what_is_no_digit_gets_no_sure_answer(mnist_page):
    for name, shapes in strokes.NO_DIGITS.items():
        mnist_page.execute_script("pad.strokes = arguments[0]; update();", shapes)
        assert text(mnist_page, "answer") == "?", name
        assert text(mnist_page, "verdict").startswith("I don\N{RIGHT SINGLE QUOTATION MARK}t know")


def test_below_a_threshold_there_is_no_answer(page):
    script = """
    const answers = tests.index.map((_, n) => {
      showTest(n);
      update();
      const { result, similar } = shown;
      const words = ["answer", "verdict"].map((id) => byId(id).textContent);
      return [result.confidence, similar.likeness, ...words];
    });
    return [data.thresholds, answers];
    """
    thresholds, answers = page.execute_script(script)
    reasons = set()
    for confidence, similar, answer, verdict in answers:
        low = confidence < thresholds["confidence"], similar < thresholds["likeness"]
        reasons.add(low)
        assert (answer == "?") == any(low)
        assert ("with only" in verdict) == low[0]
        assert ("like no digit" in verdict) == (low == (False, True))
    assert {(False, False), (True, False), (False, True)} <= reasons


def test_likeness_is_that_of_the_stage_bit_for_bit(page, finished):
    images = idx.read(finished / PICTURES)
    index = page.execute_script("return tests.index;")
    model = files.read_arrays(finished / "models/network.npz")
    background = -model["mean"].item() / model["std"].item()
    known = similarity.unit_vectors(prepared(finished, images[index]), (28, 28), background)
    draw(page, strokes.strokes("5", "slanted to the right"))
    own = similarity.unit_vectors(np.array([shown(page, "x")], np.float32), (28, 28), background)
    seen = page.execute_script("return likenesses(shown.direction);")
    assert seen == (known @ own[0]).tolist()
    assert page.execute_script("return shown.similar.likeness;") == max(seen)


def test_the_slant_is_shown_in_degrees(page):
    lines = [[[0.5 + 0.2 * side, 0.1], [0.5 - 0.2 * side, 0.9]] for side in (1, -1)]
    for line, way in zip(lines, ("right", "left"), strict=True):
        page.execute_script("pad.strokes = [arguments[0]]; update();", line)
        words = page.find_elements(By.CSS_SELECTOR, "#steps figcaption")[2].text
        degrees, direction = re.search(r"it leaned ([\d.]+)\S to the (\w+)", words).groups()
        assert float(degrees) == pytest.approx(np.degrees(np.arctan(0.4 / 0.8)), abs=1)
        assert direction == way


# See the network think


def numbers(line):
    """The numbers in a text, with the signs and spaces of the page."""
    plain = re.sub(r"([-+]) (?=\d)", r"\1", line.replace("\N{MINUS SIGN}", "-"))
    return [float(number) for number in re.findall(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]\d+)?", plain)]


def test_the_bars_of_a_class_add_up_to_its_logit(page):
    press(page, "3")
    logits = shown(page, "result.logits")
    for k, tile in enumerate(page.find_elements(By.CSS_SELECTOR, "#classes button")):
        point_at(page, tile)
        *terms, total = [
            numbers(value.text)[0] for value in page.find_elements(By.CSS_SELECTOR, ".votes .value, .votes .total b")
        ]
        assert total == pytest.approx(logits[k], abs=6e-4)
        assert sum(terms) == pytest.approx(logits[k], abs=6e-4 * len(terms))
        names = [name.text for name in page.find_elements(By.CSS_SELECTOR, ".votes .name")]
        values = [term for term, name in zip(terms, names, strict=True) if name.startswith("neuron")]
        assert values == sorted(values, reverse=True)
        pixels = page.execute_script("return network.pixels(shown.result, last, arguments[0]);", k)
        explained = sum(pixels["products"]) + pixels["constant"]
        assert explained == pytest.approx(logits[k], abs=1e-4)
        assert numbers(text(page, "inspector").splitlines()[-1])[2] == pytest.approx(logits[k], abs=1e-3)


def test_a_neuron_shows_its_formula_with_its_numbers(page, finished):
    press(page, "8")
    network = from_arrays(files.read_arrays(finished / "models/network.npz"))
    network.predict(np.array([shown(page, "x")], np.float32))
    z = network.dense[0].forward(np.array([shown(page, "x")], np.float32))[0]
    tiles = page.find_elements(By.CSS_SELECTOR, "#neurons button")
    assert len(tiles) == 16
    for j, tile in enumerate(tiles):
        point_at(page, tile)
        sums, outputs = [line.text for line in page.find_elements(By.CSS_SELECTOR, ".formula")]
        weighted, bias, total = numbers(sums.partition("b =")[2])
        assert total == pytest.approx(z[j], abs=6e-4)
        assert weighted + bias == pytest.approx(z[j], abs=2e-3)
        assert bias == pytest.approx(network.dense[0].b[j], abs=6e-4)
        assert numbers(outputs)[-1] == pytest.approx(max(0, z[j]), abs=6e-4)
        assert tile.get_attribute("aria-label") == f"Neuron {j + 1}: activation {max(0, z[j]):.2f}"


def test_a_chosen_neuron_stays_while_one_draws(page):
    press(page, "2")
    page.find_elements(By.CSS_SELECTOR, "#neurons button")[4].click()
    draw(page, strokes.strokes("3", "in the middle"))
    assert text(page, "inspector").startswith("Neuron 5\n")


# Replay the training


def earlier_networks(root):
    """The networks of models/epochs.npz by epoch, on pixels."""
    model, saved = (files.read_arrays(root / f"models/{name}.npz") for name in ("network", "epochs"))
    final = from_arrays(model)
    shape = tuple(model["image_shape"].tolist())
    inputs = choose_inputs(shape, int(saved["frequencies"]) or None, final.arithmetic)
    small = multilayer_perceptron([inputs.F, *(layer.outputs for layer in final.dense)])
    networks = {}
    for epoch, numbers, units in zip(saved["epochs"].tolist(), saved["numbers"], saved["units"], strict=True):
        dequantize(small, numbers, units)
        folded = inputs.fold(small.dense[0].W).astype(np.float32)
        networks[epoch] = from_arrays({**model, **small.parameters(), "W1": folded})
    return networks


@pytest.mark.parametrize("name", ["finished", "mnist"])
def test_earlier_networks_answer_as_in_numpy_bit_for_bit(driver, request, name):
    root = request.getfixturevalue(name)
    page = opened(driver, root)
    images = idx.read(root / PICTURES)
    index = page.execute_script("return tests.index.slice(0, 50);")
    networks = earlier_networks(root)
    assert len(networks) >= 4
    for position, network in enumerate(networks.values()):
        page.execute_script("replay(arguments[0]);", position)
        for n, (logits, probabilities) in zip(index, page.execute_script(LOGITS)[:50], strict=True):
            expected = network.predict(prepared(root, images[n : n + 1]))
            assert same_bits(expected, logits)
            assert same_bits(softmax(expected, network.arithmetic), probabilities)


@pytest.mark.parametrize("shape", [(28, 28), (9, 12), (1, 20), (20, 1)])
@pytest.mark.parametrize("frequencies", [1, 5, 40])
@pytest.mark.parametrize("arithmetic", [EXACT, FAST], ids=["exact", "fast"])
def test_weights_on_low_frequencies_are_folded_as_in_numpy(page, shape, frequencies, arithmetic):
    low = LowFrequencies(shape, frequencies, arithmetic)
    W = np.random.default_rng(0).standard_normal((low.F, 3)).astype(np.float32)
    down, across = (wave.T.ravel().tolist() for wave in low.waves(shape))
    script = f"""
    const [W, [rows, columns], frequencies, down, across, exact] = arguments;
    const waves = {{ rows, columns, frequencies, down: Float64Array.from(down), across: Float64Array.from(across) }};
    return ({BITS})(fold(Float32Array.from(W), waves, exact ? rounded : (a) => Float64Array.from(a)));
    """
    seen = page.execute_script(script, W.ravel().tolist(), shape, frequencies, down, across, arithmetic is EXACT)
    folded = low.fold(W).astype(np.float32)
    if arithmetic is EXACT:
        assert same_bits(folded, seen)
    else:
        np.testing.assert_allclose(np.array(seen, np.uint32).view("<f8"), folded.ravel(), rtol=1e-6, atol=1e-7)


def test_the_slider_replays_the_training_for_what_was_drawn(page, finished):
    draw(page, strokes.strokes("2", "in the middle"))
    x = np.array([shown(page, "x")], np.float32)
    networks = [
        *earlier_networks(finished).items(),
        (8, from_arrays(files.read_arrays(finished / "models/network.npz"))),
    ]
    assert [epoch for epoch, _ in networks] == [0, 1, 2, 3, 5, 8]
    tile = "return document.querySelector('#neurons canvas').toDataURL();"
    drawn, weights = shown(page, "image"), set()
    sliders = page.find_elements(By.CSS_SELECTOR, ".epochs input")
    for slider in sliders:
        page.execute_script("arguments[0].focus();", slider)
        press(page, Keys.HOME)
        for position, (epoch, network) in enumerate(networks):
            assert [int(other.get_property("value")) for other in sliders] == [position, position]
            (p,) = softmax(network.predict(x), network.arithmetic)
            bars = [numbers(value.text)[0] for value in page.find_elements(By.CSS_SELECTOR, "#bars .value")]
            np.testing.assert_allclose(bars, 100 * p, atol=0.06)
            assert shown(page, "result.trace[0].y") == pytest.approx(network.layers[1].y[0].tolist(), abs=1e-6)
            said = slider.get_attribute("aria-valuetext")
            assert said.startswith(f"After {epoch} of 8 epochs, " if epoch else "Before training, ")
            assert ("rounded to 8 bits" in said) == (epoch < 8)
            assert ("the exact network" in said) == (epoch == 8)
            weights.add(page.execute_script(tile))
            press(page, Keys.ARROW_RIGHT)
    assert shown(page, "image") == drawn
    assert len(weights) == len(networks)


def test_an_earlier_network_answers_what_comes_next(page, finished):
    network = earlier_networks(finished)[1]
    page.execute_script("replay(1);")
    page.find_element(By.CSS_SELECTOR, "#gallery button").click()
    settle(page)
    rest(page)
    logits = network.predict(np.array([shown(page, "x")], np.float32))
    assert shown(page, "result.logits") == logits[0].tolist()
    announced = page.find_element(By.ID, "announcement").get_attribute("textContent")
    assert announced.startswith(f"{text(page, 'origin')}. After 1 of 8 epochs. ")
    for unit in page.find_elements(By.CSS_SELECTOR, "#classes button")[:3]:
        page.execute_script("arguments[0].focus();", unit)
        first = page.find_element(By.CSS_SELECTOR, ".formula").text
        assert numbers(first)[-1] == pytest.approx(logits[0, page.execute_script("return inspected().k;")], abs=6e-4)


def test_the_accuracy_of_every_network_is_that_on_the_validation_images(page, finished):
    images, targets = (np.load(finished / f"data/processed/validation_{part}.npy") for part in ("images", "targets"))
    networks = [*earlier_networks(finished).values(), from_arrays(files.read_arrays(finished / "models/network.npz"))]
    for position, network in enumerate(networks):
        accuracy = np.mean(network.predict(images).argmax(axis=1) == targets.argmax(axis=1))
        page.execute_script("replay(arguments[0]);", position)
        for note in page.find_elements(By.CSS_SELECTOR, ".epochs .note"):
            assert note.text.endswith(f"; {100 * accuracy:.1f} % of the validation images right.")


# Look at the mistakes


def found(page):
    return [button.get_attribute("aria-label") for button in page.find_elements(By.CSS_SELECTOR, "#gallery button")]


def test_a_cell_of_the_confusion_matrix_shows_its_images_and_an_image_goes_through_the_network(page, finished):
    rows = files.read_rows(finished / "reports/predictions.csv")
    cells = page.find_elements(By.CSS_SELECTOR, "#confusion button")
    counts = np.zeros((10, 10), int)
    for row in rows:
        counts[int(row["actual"]), int(row["predicted"])] += 1
    assert [int(cell.text.replace("\N{MIDDLE DOT}", "0")) for cell in cells] == counts.ravel().tolist()
    is_, answer = divmod(int(np.argmax((counts * (1 - np.eye(10, dtype=int))).ravel())), 10)
    cells[10 * is_ + answer].click()
    labels = found(page)
    assert len(labels) == counts[is_, answer] > 0
    for label in labels:
        n = int(numbers(label)[0])
        assert (rows[n]["actual"], rows[n]["predicted"]) == (str(is_), str(answer))
    page.find_element(By.CSS_SELECTOR, "#gallery button").click()
    settle(page)
    image = idx.read(finished / PICTURES)[int(numbers(labels[0])[0])]
    assert shown(page, "image") == image.ravel().tolist()
    assert text(page, "origin") == labels[0].partition(",")[0]


def test_search_finds_what_it_is_asked_for(page, finished):
    rows = files.read_rows(finished / "reports/predictions.csv")

    def expected(fits):
        return {n for n, row in enumerate(rows) if fits(row["actual"], row["predicted"], float(row["confidence"]))}

    def search(**values):
        script = "for (const [name, value] of Object.entries(arguments[0])) search[name].value = value; find();"
        page.execute_script(script, values)
        return set(page.execute_script("return results.map((n) => tests.index[n]);"))

    assert search() == expected(lambda actual, predicted, _: actual != predicted)
    assert search(which="right") == expected(lambda actual, predicted, _: actual == predicted)
    assert search(which="all", actual="4") == expected(lambda actual, *_: actual == "4")
    assert search(actual="", predicted="7") == expected(lambda _, predicted, __: predicted == "7")
    middle = expected(lambda _, predicted, confidence: predicted == "7" and 0.3 <= round(confidence, 4) <= 0.6)
    assert search(**{"from": 30, "to": 60}) == middle
    assert middle
    search(predicted="", order="low", **{"from": 0, "to": 100})
    confidence = [numbers(label)[-1] for label in found(page)]
    assert confidence == sorted(confidence)
    assert len(confidence) == 48
    page.find_element(By.ID, "more").click()
    assert len(found(page)) == 96


def test_the_nearest_mistakes_are_those_of_the_test_set(page, finished):
    press(page, "6")
    rest(page)
    rows = files.read_rows(finished / "reports/predictions.csv")
    wrong = [n for n, row in enumerate(rows) if row["actual"] != row["predicted"]]
    x = prepared(finished, idx.read(finished / PICTURES)[wrong])
    own = np.array([shown(page, "x")], np.float32)
    known, own = (similarity.unit_vectors(a, (28, 28), x.min()) for a in (x, own))
    labels = [item.get_attribute("aria-label") for item in page.find_elements(By.CSS_SELECTOR, "#nearest button")]
    assert [int(numbers(label)[0]) for label in labels] == [wrong[i] for i in np.argsort(-known @ own[0])[:8]]


# Any network and data set

VARIANTS = {
    "no hidden layer": {"train": {"hidden": [], "epochs": 1, "frequencies": None, "augmentation": None}},
    "two hidden layers": {
        "preprocess": {"validation_size": 0, "deskew": False},
        "train": {"hidden": [12, 8], "activation": "tanh", "arithmetic": "fast"},
        "page": {"max_bytes": 100_000},
    },
}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_page_shows_any_network(driver, copy, name):
    project.set_params(copy, VARIANTS[name])
    catalog = (copy / "data/catalog.yaml").read_text(encoding="utf-8")
    drawn = catalog[catalog.index("\ndrawn:") :]
    named = drawn.replace("- '7'", "- '</script>'", 1).replace("- '3'", "- '<b>&amp;'", 1)
    assert named != drawn
    (copy / "data/catalog.yaml").write_text(catalog.replace(drawn, named), encoding="utf-8")
    project.repro(copy, "page")
    page = opened(driver, copy)
    press(page, "7")
    assert "</script>" in text(page, "origin")
    for unit in page.find_elements(By.CSS_SELECTOR, "#classes button, #neurons button"):
        page.execute_script("arguments[0].focus();", unit)
        result = page.execute_script("return shown.result.trace[inspected().layer].z[inspected().k];")
        first = page.find_element(By.CSS_SELECTOR, ".formula").text
        assert numbers(first)[-1] == pytest.approx(result, abs=6e-4)
    x = np.array([shown(page, "x")], np.float32)
    for position, network in enumerate(earlier_networks(copy).values()):
        page.execute_script("replay(arguments[0]);", position)
        np.testing.assert_allclose(shown(page, "result.logits"), network.predict(x)[0], rtol=1e-4, atol=1e-5)
    if name == "no hidden layer":
        assert "bit for bit" in text(page, "exactness")
        assert "neuron" not in text(page, "think")
    else:
        assert "last digits here differ" in text(page, "exactness")
        assert "Every image gets an answer" in text(page, "threshold")
        notes = page.find_elements(By.CSS_SELECTOR, ".epochs .note")
        assert [note.text for note in notes] == ["After 5 of 8 epochs, weights rounded to 8 bits."] * 2
    assert page.get_log("browser") == []


# Training curves


def test_a_curve_shows_the_numbers_of_the_epoch_under_the_pointer_and_of_the_arrow_keys(page, finished):
    history = files.read_rows(finished / "reports/history.csv")
    loss, error = page.find_elements(By.CSS_SELECTOR, "#curves svg")
    ActionChains(page).move_to_element_with_offset(loss, 10 - loss.size["width"] // 2, 0).perform()
    assert loss.get_attribute("aria-valuetext").startswith("epoch 1: ")
    seen = numbers(loss.get_attribute("aria-valuetext"))
    expected = [1, float(history[0]["train_loss"]), float(history[0]["validation_loss"])]
    assert seen == pytest.approx(expected, rel=1e-3)
    page.execute_script("arguments[0].focus();", error)
    ActionChains(page).send_keys(Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).perform()
    seen = numbers(error.get_attribute("aria-valuetext"))
    expected = [3, *(100 * (1 - float(history[2][f"{part}_accuracy"])) for part in ("train", "validation"))]
    assert seen == pytest.approx(expected, rel=1e-3)


# For everyone, anywhere


def test_everything_is_reached_by_keyboard(page):
    press(page, "5")
    reached = page.execute_script("document.activeElement.blur(); return [];")
    for _ in range(400):
        ActionChains(page).send_keys(Keys.TAB).perform()
        name = page.execute_script(
            "const e = document.activeElement; if (e === document.body) return null;"
            "return [e.id, e.closest('[id]')?.id ?? '', e.getAttribute('href') ?? '', e.name ?? ''].join(' ');"
        )
        if name is None or (reached and name == reached[0]):
            break
        reached.append(name)
    names = " ".join(reached).split()
    for name in ("pad", "undo", "clear", "samples", "classes", "neurons", "nearest", "confusion", "gallery", "curves"):
        assert name in names, f"Tab does not reach {name}"
    assert names.count("epoch") == 2
    assert {"#draw", "#think", "#mistakes", "#training", "actual", "predicted", "which", "from", "to", "order"} <= {
        *names
    }
    for group, columns in (("neurons", None), ("classes", None), ("confusion", 10)):
        items = page.find_elements(By.CSS_SELECTOR, f"#{group} button")
        page.execute_script("arguments[0].focus();", items[0])
        ActionChains(page).send_keys(Keys.ARROW_RIGHT).perform()
        assert page.switch_to.active_element == items[1]
        ActionChains(page).send_keys(Keys.END).perform()
        assert page.switch_to.active_element == items[-1]
        if columns:
            ActionChains(page).send_keys(Keys.ARROW_UP).perform()
            assert page.switch_to.active_element == items[-1 - columns]


def test_keys_take_samples_and_the_answer_is_announced(page):
    for digit in "0379":
        page.execute_script("pad.canvas.focus();")
        press(page, digit)
        rest(page)
        assert text(page, "origin").endswith(f": {digit}")
        announced = page.find_element(By.ID, "announcement").get_attribute("textContent")
        assert announced.startswith(f"{text(page, 'origin')}. {digit}, with ")
    press(page, Keys.DELETE)
    assert shown(page, "x") is None


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["finished", "mnist"])
def test_no_request_no_error_and_no_sideways_scrolling(driver, request, size, scheme, name):
    root = request.getfixturevalue(name)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    page = opened(driver, root, size)
    draw(page, strokes.strokes("7", "in the middle"), "mouse" if size == "desk" else "touch")
    page.find_elements(By.CSS_SELECTOR, "#neurons button")[3].click()
    page.find_elements(By.CSS_SELECTOR, "#confusion button")[12].click()
    page.execute_script("showTest(0);")
    for position in range(page.execute_script("return earlier.length;")):
        page.execute_script("replay(arguments[0]);", position)
    rest(page)
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth;")
    assert page.get_log("browser") == []
    assert browser.requests(page) == [(root / "reports/index.html").as_uri()]


def test_a_request_would_be_refused_and_noticed(page):
    page.execute_script(
        "const image = new Image(); image.src = 'http://127.0.0.1:9/a.png'; document.body.append(image);"
    )
    settle(page)
    assert any("Content Security Policy" in entry["message"] for entry in page.get_log("browser"))


def test_the_pictures_follow_the_color_scheme(driver, page):
    press(page, "1")
    corner = (
        "return Array.from(document.querySelector('#steps canvas').getContext('2d').getImageData(0, 0, 1, 1).data);"
    )
    colors = []
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        settle(page)
        colors.append(page.execute_script(corner)[:3])
    assert colors == [[255, 255, 255], [0x19, 0x1C, 0x22]]


def test_the_page_is_small_and_says_what_it_holds(mnist_page, mnist):
    assert (mnist / "reports/index.html").stat().st_size <= 2_000_000
    held = mnist_page.execute_script("return tests.index.length;")
    wrong = mnist_page.execute_script("return mistaken.length;")
    rows = files.read_rows(mnist / "reports/predictions.csv")
    assert wrong == sum(row["actual"] != row["predicted"] for row in rows)
    assert f"{held} of the 10000 test images: all {wrong} mistakes and the first {held - wrong}" in text(
        mnist_page, "found"
    )
