"""The page in a real browser: that of the fixture's digits, and that of MNIST where the pipeline has run."""

import contextlib
import itertools
import re
import shutil

import numpy as np
import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By

from stages.dataset import idx
from stages.learning.model import load
from stages.nn.exact import exp
from stages.nn.losses import softmax
from stages.nn.network import multilayer_perceptron
from stages.page import page as make_page
from stages.photos.center import center
from stages.pipeline import files
from tests.helpers import browser, project, strokes
from tests.helpers.project import write_results

pytestmark = [browser.needs_chromium, pytest.mark.xdist_group("one browser for all")]
SIZES = {"phone": (390, 844), "tablet": (820, 1180), "desk": (1280, 900)}
PICTURES, MODEL = "data/raw/t10k-images-idx3-ubyte", "models/network.npz"


@pytest.fixture(scope="module")
def driver():
    with browser.started() as driver:
        yield driver


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    """A directory like the project's, with the results of `make repro` and the page that these sources make of them."""
    if not all((project.ROOT / name).exists() for name in (PICTURES, MODEL, "reports/predictions.csv")):
        pytest.skip("needs the results of `make repro`")
    root = tmp_path_factory.mktemp("mnist")
    for name in ("data", "models"):
        (root / name).symlink_to(project.ROOT / name)
    (root / "reports").mkdir()
    for name in ("history.csv", "predictions.csv"):
        shutil.copy(project.ROOT / "reports" / name, root / "reports")
    with contextlib.chdir(root):
        make_page(test_images=2000, train_images=20000, validation_images=5000, seed=0)
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
    driver.execute_script("pad.clear();")  # of the test image with which it opens
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


# The same numbers as NumPy. Both sides print a double so that reading it gives the same double.


@pytest.mark.parametrize("name", ["finished", "mnist"])
def test_logits_probabilities_and_unit_vectors_are_those_of_numpy_bit_for_bit(driver, request, name):
    root = request.getfixturevalue(name)
    page, model = opened(driver, root), load(root / MODEL)
    index, seen = page.execute_script("""
        return [tests.index.slice(0, 60), images.slice(0, 60).map((image) => {
          const { x } = prepare(image, model);
          const { logits, probabilities } = network.forward(x);
          return [logits, probabilities, unitVector(x)].map((values) => Array.from(values));
        })];
    """)
    assert len({*index}) == 60
    for image, numbers in zip(idx.read(root / PICTURES)[index], seen, strict=True):
        x = model.prepare(image[None])
        logits = model.network.predict(x)
        for expected, own in zip((logits, softmax(logits), model.unit_vectors(x)), numbers, strict=True):
            assert np.array_equal(expected[0], own)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("sizes", [(12, 3), (12, 7, 5, 3), (3000, 3)])
def test_any_network_computes_what_numpy_computes_bit_for_bit(page, activation, sizes):
    rng = np.random.default_rng(len(sizes))
    low = -1 if sizes[0] < 3000 else 0.99  # so large that a sum of 3000 products must be cut into pieces
    network = multilayer_perceptron(sizes, activation)
    network.theta[:] = rng.uniform(low, 1, network.theta.size)
    x = rng.uniform(low, 1, (1, sizes[0])).astype(np.float32)
    x[:, 3:5] = 0, -0.0
    script = """
    const [layers, activation, x] = arguments;
    const own = layers.map(([W, b]) => ({ W: Float32Array.from(W), b: Float32Array.from(b) }));
    const result = new TracedNetwork(own, activation).forward(Float32Array.from(x));
    return [result.logits, result.probabilities].map((values) => Array.from(values));
    """
    layers = [(layer.W.ravel().tolist(), layer.b.tolist()) for layer in network.dense]
    logits = network.predict(x)
    expected = [logits[0].tolist(), softmax(logits)[0].tolist()]
    assert page.execute_script(script, layers, activation, x[0].tolist()) == expected


def test_exponentials_are_those_of_numpy_bit_for_bit(page):
    x = np.concatenate([np.linspace(-760, 0, 3001), np.linspace(-1, 0, 501)])
    assert page.execute_script("return arguments[0].map(exp);", x.tolist()) == exp(x).tolist()


def test_answers_are_those_of_the_model_and_none_is_given_below_a_threshold(page, finished):
    model = load(finished / MODEL)
    index, seen = page.execute_script("""
        return [tests.index, tests.index.map((_, n) => {
          showTest(n);
          update();
          const words = ["answer", "verdict"].map((id) => byId(id).textContent);
          return [shown.result.confidence, shown.similarity, ...words];
        })];
    """)
    for image, (confidence, similarity, *_) in zip(idx.read(finished / PICTURES)[index[:20]], seen, strict=False):
        assert model.classify(image)[0][1:3] == (confidence, similarity)
    reasons = set()
    for confidence, similarity, name, verdict in seen:
        low = confidence < model.confidence, similarity < model.similarity
        assert (name == "?") == any(low)
        assert ("with only" in verdict) == low[0]
        assert ("like no digit" in verdict) == (low == (False, True))
        reasons.add(low)
    assert {(False, False), (True, False), (False, True)} <= reasons


# Draw


@pytest.mark.parametrize(("kind", "size"), [("mouse", "desk"), ("touch", "phone"), ("pen", "tablet")])
def test_a_pointer_draws_and_the_page_does_not_scroll(driver, finished, kind, size):
    page = opened(driver, finished, size)
    page.execute_script("pad.canvas.scrollIntoView({ block: 'center', behavior: 'instant' });")
    before = page.execute_script("return scrollY;")
    drawn = strokes.strokes("4", "in the middle")
    draw(page, drawn, kind)
    assert page.execute_script("return scrollY;") == before
    for points, own in zip(drawn, page.execute_script("return pad.strokes;"), strict=True):
        np.testing.assert_allclose([own[0], own[-1]], [points[0], points[-1]], atol=0.005)
    pixels = "return pad.canvas.getContext('2d').getImageData(...arguments).data[3];"
    x, y = (round(560 * value) for value in drawn[1][0])
    assert [page.execute_script(pixels, *at, 1, 1) for at in ((x, y + 20), (5, 5))] == [255, 0]


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
    model = load(finished / MODEL)
    for way, digit in itertools.product(strokes.WAYS, strokes.DIGITS):
        page.execute_script("pad.strokes = arguments[0]; update();", strokes.strokes(digit, way))
        image = np.array(shown(page, "image"), np.uint8).reshape(28, 28)
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
        ink = image / image.sum()
        np.testing.assert_allclose([ink.sum(axis=1) @ range(28), ink.sum(axis=0) @ range(28)], 14, atol=0.5)
        x = model.prepare(image[None])
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


def test_digits_are_recognized_however_they_are_drawn(mnist_page):
    for way, digit in itertools.product([way for way in strokes.WAYS if way != "narrow"], strokes.DIGITS):
        mnist_page.execute_script("pad.strokes = arguments[0]; update();", strokes.strokes(digit, way))
        assert text(mnist_page, "answer") == digit, way


def test_what_is_no_digit_gets_no_sure_answer(mnist_page):
    for name, shapes in strokes.NO_DIGITS.items():
        mnist_page.execute_script("pad.strokes = arguments[0]; update();", shapes)
        assert text(mnist_page, "answer") == "?", name
        assert text(mnist_page, "verdict").startswith("I don\N{RIGHT SINGLE QUOTATION MARK}t know")


@pytest.mark.parametrize(("side", "way"), [(1, "right"), (-1, "left")])
def test_the_slant_is_shown_in_degrees(page, side, way):
    line = [[0.5 + 0.2 * side, 0.1], [0.5 - 0.2 * side, 0.9]]
    page.execute_script("pad.strokes = [arguments[0]]; update();", line)
    words = page.find_elements(By.CSS_SELECTOR, "#steps figcaption")[2].text
    degrees, direction = re.search(r"it leaned ([\d.]+)\S to the (\w+)", words).groups()
    assert (float(degrees), direction) == (pytest.approx(np.degrees(np.arctan(0.5)), abs=1), way)


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
        bars = page.find_elements(By.CSS_SELECTOR, ".votes .value, .votes .total b")
        *terms, total = [numbers(value.text)[0] for value in bars]
        assert total == pytest.approx(logits[k], abs=6e-4)
        assert sum(terms) == pytest.approx(logits[k], abs=6e-4 * len(terms))
        pixels = page.execute_script("return network.pixels(shown.result, last, arguments[0]);", k)
        assert sum(pixels["products"]) + pixels["constant"] == pytest.approx(logits[k], abs=1e-4)
        assert numbers(text(page, "inspector").splitlines()[-1])[2] == pytest.approx(logits[k], abs=1e-3)


def test_a_neuron_shows_its_formula_with_its_numbers(page, finished):
    press(page, "8")
    network = load(finished / MODEL).network
    z = network.dense[0].forward(np.array([shown(page, "x")]))[0]
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
    tiles[4].click()
    draw(page, strokes.strokes("3", "in the middle"))
    assert text(page, "inspector").startswith("Neuron 5\n")  # a chosen one stays


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

    def search(**values):
        script = "for (const [name, value] of Object.entries(arguments[0])) search[name].value = value; find();"
        page.execute_script(script, values)
        return page.execute_script("return results.map((n) => tests.index[n]);")

    def expected(fits):
        return [n for n, row in enumerate(rows) if fits(row["actual"], row["predicted"], float(row["confidence"]))]

    assert sorted(search()) == expected(lambda actual, predicted, _: actual != predicted)
    assert sorted(search(which="right")) == expected(lambda actual, predicted, _: actual == predicted)
    assert sorted(search(which="all", actual="4")) == expected(lambda actual, *_: actual == "4")
    seven = {"actual": "", "predicted": "7", "from": 30, "to": 90}
    middle = expected(lambda _, predicted, confidence: predicted == "7" and 0.3 <= round(confidence, 4) <= 0.9)
    assert sorted(search(**seven)) == middle != []
    ranked = [
        round(float(rows[n]["confidence"]), 4) for n in search(predicted="", order="low", **{"from": 0, "to": 100})
    ]
    assert ranked == sorted(ranked)
    assert len(found(page)) == 48
    page.find_element(By.ID, "more").click()
    assert len(found(page)) == 96


def test_the_nearest_mistakes_are_those_of_the_test_set(page, finished):
    press(page, "6")
    rest(page)
    rows = files.read_rows(finished / "reports/predictions.csv")
    wrong = [n for n, row in enumerate(rows) if row["actual"] != row["predicted"]]
    model = load(finished / MODEL)
    known = model.unit_vectors(model.prepare(idx.read(finished / PICTURES)[wrong]))
    own = model.unit_vectors(np.array([shown(page, "x")], np.float32))
    labels = [item.get_attribute("aria-label") for item in page.find_elements(By.CSS_SELECTOR, "#nearest button")]
    assert [int(numbers(label)[0]) for label in labels] == [wrong[i] for i in np.argsort(-known @ own[0])[:8]]


# Any network and data set


@pytest.mark.parametrize(("hidden", "activation"), [([], "relu"), ([12, 8], "tanh"), ([6], "leaky_relu")])
def test_the_page_shows_any_network(driver, tmp_path, monkeypatch, hidden, activation):
    """And class names are text."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (6, 12, 9), dtype=np.uint8)
    write_results(images, [0, 1, 2] * 2, [0, 1, 1] * 2, ["c", "<b>&amp;", "</script>"], hidden, activation)
    make_page(test_images=2, train_images=9, validation_images=3, seed=0)
    page = opened(driver, tmp_path)
    press(page, "2")
    assert "</script>" in text(page, "origin")
    for unit in page.find_elements(By.CSS_SELECTOR, "#classes button, #neurons button"):
        page.execute_script("arguments[0].focus();", unit)
        result = page.execute_script("return shown.result.trace[inspected().layer].z[inspected().k];")
        first = page.find_element(By.CSS_SELECTOR, ".formula").text
        assert numbers(first)[-1] == pytest.approx(result, abs=6e-4)
    assert ("neuron" in text(page, "think")) == bool(hidden)
    assert "Every image gets an answer" in text(page, "threshold")
    assert text(page, "digest") == files.digest(MODEL)
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
    page.execute_script("document.activeElement.blur();")
    reached = set()
    for _ in range(100):
        ActionChains(page).send_keys(Keys.TAB).perform()
        reached |= {
            *page.execute_script("const e = document.activeElement; return [e.id, e.closest('[id]')?.id, e.name];")
        }
    wanted = (
        "pad undo clear samples classes neurons nearest confusion gallery curves actual predicted which from to order"
    )
    assert {*wanted.split()} <= reached
    for group, columns in (("neurons", 0), ("confusion", 10)):
        items = page.find_elements(By.CSS_SELECTOR, f"#{group} button")
        page.execute_script("arguments[0].focus();", items[0])
        for key, at in ((Keys.ARROW_RIGHT, 1), (Keys.END, -1), (Keys.ARROW_UP, -1 - columns)):
            if columns or key != Keys.ARROW_UP:
                ActionChains(page).send_keys(key).perform()
                assert page.switch_to.active_element == items[at]


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


@pytest.mark.parametrize(
    ("size", "scheme", "name"), [("phone", "dark", "finished"), ("tablet", "light", "mnist"), ("desk", "dark", "mnist")]
)
def test_no_request_no_error_no_sideways_scrolling_and_the_colors_of_the_scheme(driver, request, size, scheme, name):
    root = request.getfixturevalue(name)
    page = opened(driver, root, size)
    scheme_of_user = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme_of_user)  # pictures that are there follow it
    draw(page, strokes.strokes("7", "in the middle"), "mouse" if size == "desk" else "touch")
    page.find_elements(By.CSS_SELECTOR, "#neurons button")[3].click()
    page.find_elements(By.CSS_SELECTOR, "#confusion button")[12].click()
    page.execute_script("showTest(0);")
    rest(page)
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth;")
    assert page.get_log("browser") == []
    assert browser.requests(page) == [(root / "reports/index.html").as_uri()]
    corner = "const canvas = document.querySelector('#steps canvas').getContext('2d');"
    corner += "return Array.from(canvas.getImageData(0, 0, 1, 1).data).slice(0, 3);"
    assert page.execute_script(corner) == {"light": [255, 255, 255], "dark": [0x19, 0x1C, 0x22]}[scheme]
    page.execute_script("const i = new Image(); i.src = 'http://127.0.0.1:9/a.png'; document.body.append(i);")
    settle(page)
    assert any("Content Security Policy" in entry["message"] for entry in page.get_log("browser"))  # it is noticed


def test_the_page_says_what_it_holds(mnist_page, mnist):
    rows = files.read_rows(mnist / "reports/predictions.csv")
    wrong = sum(row["actual"] != row["predicted"] for row in rows)
    held = f"2000 of the 10000 test images: all {wrong} mistakes and the first {2000 - wrong}"
    assert held in text(mnist_page, "found")
    assert (mnist / "reports/index.html").stat().st_size < 4_000_000
