"""What one does with the page in a real browser: draw, see the network think, look at mistakes and curves."""

import itertools
import re

import numpy as np
import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By

from stages.dataset import idx
from stages.learning.model import load
from stages.page import page as make_page
from stages.pipeline import files
from tests.helpers import browser
from tests.helpers.browser import draw, each, opened, press, rest, settle, shown, text
from tests.helpers.project import write_results
from tests.helpers.strokes import DIGITS, NO_DIGITS, WAYS, strokes

pytestmark = [browser.needs_chromium, pytest.mark.xdist_group("one browser for all")]
INDEX, PICTURES, MODEL = "reports/index.html", "data/raw/t10k-images-idx3-ubyte", "models/network.npz"
SIZES = {"phone": (390, 844, True), "tablet": (820, 1180, True), "desk": (1280, 900, False)}
FOUR = strokes("4", "in the middle")  # of two strokes


def numbers(line):
    """The numbers in a text, with the signs and spaces of the page."""
    plain = re.sub(r"([-+]) (?=\d)", r"\1", line.replace("\N{MINUS SIGN}", "-"))
    return [float(number) for number in re.findall(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]\d+)?", plain)]


# Draw


@pytest.mark.parametrize(("kind", "size"), [("mouse", "desk"), ("touch", "phone"), ("pen", "tablet")])
def test_a_pointer_draws_and_the_page_does_not_scroll(driver, finished, kind, size):
    page = opened(driver, finished / INDEX, *SIZES[size])
    page.execute_script("pad.canvas.scrollIntoView({ block: 'center', behavior: 'instant' });")
    before = page.execute_script("return scrollY;")
    draw(page, FOUR, kind)
    assert page.execute_script("return scrollY;") == before
    for points, own in zip(FOUR, page.execute_script("return pad.strokes;"), strict=True):
        np.testing.assert_allclose([own[0], own[-1]], [points[0], points[-1]], atol=0.005)
    pixels = "return pad.canvas.getContext('2d').getImageData(...arguments).data[3];"
    x, y = (round(560 * value) for value in FOUR[1][0])
    assert [page.execute_script(pixels, *at, 1, 1) for at in ((x, y + 20), (5, 5))] == [255, 0]


def test_what_is_on_the_canvas_is_answered_at_once(page):
    assert (text(page, "verdict"), text(page, "answer")) == ("Draw a digit, and the answer follows.", "")
    draw(page, [[(0.5, 0.5)]])
    assert (text(page, "verdict"), shown(page, "image")) == ("Too small to be a digit.", None)
    press(page, Keys.BACKSPACE)
    draw(page, FOUR)
    both = shown(page, "x")
    page.find_element(By.ID, "undo").click()
    settle(page)
    assert len(page.execute_script("return pad.strokes;")) == 1
    assert both != shown(page, "x") is not None
    page.find_element(By.ID, "clear").click()
    settle(page)
    assert shown(page, "x") is None
    assert page.find_element(By.ID, "undo").get_attribute("disabled")
    for side, way in ((1, "right"), (-1, "left")):
        line = [[0.5 + 0.2 * side, 0.1], [0.5 - 0.2 * side, 0.9]]
        page.execute_script("pad.strokes = [arguments[0]]; update();", line)
        degrees, direction = re.search(r"it leaned ([\d.]+)\S to the (\w+)", text(page, "steps")).groups()
        assert (float(degrees), direction) == (pytest.approx(np.degrees(np.arctan(0.5)), abs=1), way)


def test_digits_of_mnist_are_recognized_and_what_is_no_digit_gets_no_sure_answer(driver, mnist):
    page = opened(driver, mnist / INDEX)
    page.execute_script("pad.clear();")
    for way, digit in itertools.product([way for way in WAYS if way != "narrow"], DIGITS):
        page.execute_script("pad.strokes = arguments[0]; update();", strokes(digit, way))
        assert text(page, "answer") == digit, way
    for name, shapes in NO_DIGITS.items():
        page.execute_script("pad.strokes = arguments[0]; update();", shapes)
        assert text(page, "answer") == "?", name
        assert text(page, "verdict").startswith("I don\N{RIGHT SINGLE QUOTATION MARK}t know")
    wrong = sum(row["actual"] != row["predicted"] for row in files.read_rows(mnist / "reports/predictions.csv"))
    held = f"2000 of the 10000 test images: all {wrong} mistakes and the first {2000 - wrong}"
    assert held in text(page, "found")
    assert (mnist / INDEX).stat().st_size < 4_000_000


# See the network think


def test_a_class_and_a_neuron_show_how_their_numbers_add_up(page, finished):
    press(page, "8")
    network, logits = load(finished / MODEL).network, shown(page, "result.logits")
    for k, tile in enumerate(each(page, "#classes button")):
        ActionChains(page, duration=0).move_to_element(tile).perform()
        *terms, total = [numbers(value.text)[0] for value in each(page, ".votes .value, .votes .total b")]
        assert total == pytest.approx(logits[k], abs=6e-4)
        assert sum(terms) == pytest.approx(logits[k], abs=6e-4 * len(terms))
        pixels = page.execute_script("return network.pixels(shown.result, last, arguments[0]);", k)
        assert sum(pixels["products"]) + pixels["constant"] == pytest.approx(logits[k], abs=1e-4)
        assert numbers(text(page, "inspector").splitlines()[-1])[2] == pytest.approx(logits[k], abs=1e-3)
    h = network.dense[0].forward(np.array([shown(page, "x")]))[0]
    for j, tile in enumerate(each(page, "#neurons button")):
        ActionChains(page, duration=0).move_to_element(tile).perform()
        sums, outputs = [line.text for line in each(page, ".formula")]
        weighted, bias, total = numbers(sums.partition("b =")[2])
        assert [total, bias] == pytest.approx([h[j], network.dense[0].b[j]], abs=6e-4)
        assert weighted + bias == pytest.approx(h[j], abs=2e-3)
        assert numbers(outputs)[-1] == pytest.approx(max(0, h[j]), abs=6e-4)
        assert tile.get_attribute("aria-label") == f"Neuron {j + 1}: activation {max(0, h[j]):.2f}"
    assert j == 15
    tile.click()
    draw(page, FOUR)
    assert text(page, "inspector").startswith("Neuron 16\n")  # a chosen one stays


@pytest.mark.parametrize(("hidden", "activation"), [([], "relu"), ([12, 8], "tanh"), ([6], "leaky_relu")])
def test_the_page_shows_any_network(driver, tmp_path, monkeypatch, hidden, activation):
    """And class names are text."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (6, 12, 9), dtype=np.uint8)
    write_results(images, [0, 1, 2] * 2, [0, 1, 1] * 2, ["c", "<b>&amp;", "</script>"], hidden, activation)
    make_page(test_images=2, train_images=9, validation_images=3, seed=0)
    page = opened(driver, tmp_path / INDEX)
    press(page, "2")
    assert "</script>" in text(page, "origin")
    for unit in each(page, "#classes button, #neurons button"):
        page.execute_script("arguments[0].focus();", unit)
        result = page.execute_script("return shown.result.trace[inspected().layer].z[inspected().k];")
        assert numbers(each(page, ".formula")[0].text)[-1] == pytest.approx(result, abs=6e-4)
    assert ("neuron" in text(page, "think")) == bool(hidden)
    assert "Every image gets an answer" in text(page, "threshold")
    assert text(page, "digest") == files.digest(MODEL)
    assert browser.errors(page) == []


# Look at the mistakes and the curves


def labels(page, group):
    return [button.get_attribute("aria-label") for button in each(page, f"#{group} button")]


def test_a_cell_of_the_confusion_matrix_shows_its_images_and_an_image_goes_through_the_network(page, finished):
    rows = files.read_rows(finished / "reports/predictions.csv")
    cells = each(page, "#confusion button")
    counts = np.zeros((10, 10), int)
    for row in rows:
        counts[int(row["actual"]), int(row["predicted"])] += 1
    assert [int(cell.text.replace("\N{MIDDLE DOT}", "0")) for cell in cells] == counts.ravel().tolist()
    actual, predicted = np.unravel_index(np.argmax(counts - np.diag(counts.diagonal())), counts.shape)
    cells[10 * actual + predicted].click()
    found = [int(numbers(label)[0]) for label in labels(page, "gallery")]
    assert len(found) == counts[actual, predicted] > 0
    assert {(rows[n]["actual"], rows[n]["predicted"]) for n in found} == {(str(actual), str(predicted))}
    each(page, "#gallery button")[0].click()
    rest(page)
    images, model = idx.read(finished / PICTURES), load(finished / MODEL)
    assert shown(page, "image") == images[found[0]].ravel().tolist()
    assert text(page, "origin") == labels(page, "gallery")[0].partition(",")[0]

    wrong = [n for n, row in enumerate(rows) if row["actual"] != row["predicted"]]
    similar = model.unit_vectors(model.prepare(images[wrong])) @ model.unit_vectors(np.array([shown(page, "x")]))[0]
    others = [wrong[i] for i in np.argsort(-similar) if wrong[i] != found[0]]
    assert [int(numbers(label)[0]) for label in labels(page, "nearest")] == others[:8]


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
    found = search(predicted="", order="low", **{"from": 0, "to": 100})
    ranked = [round(float(rows[n]["confidence"]), 4) for n in found]
    assert ranked == sorted(ranked)
    assert len(labels(page, "gallery")) == 48
    page.find_element(By.ID, "more").click()
    assert len(labels(page, "gallery")) == 96


def test_a_curve_shows_the_numbers_of_the_epoch_under_the_pointer_and_of_the_arrow_keys(page, finished):
    history = files.read_rows(finished / "reports/history.csv")
    loss, error = each(page, "#curves svg")
    ActionChains(page).move_to_element_with_offset(loss, 10 - loss.size["width"] // 2, 0).perform()
    assert loss.get_attribute("aria-valuetext").startswith("epoch 1: ")
    expected = [1, float(history[0]["train_loss"]), float(history[0]["validation_loss"])]
    assert numbers(loss.get_attribute("aria-valuetext")) == pytest.approx(expected, rel=1e-3)
    page.execute_script("arguments[0].focus();", error)
    press(page, Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    expected = [3, *(100 * (1 - float(history[2][f"{part}_accuracy"])) for part in ("train", "validation"))]
    assert numbers(error.get_attribute("aria-valuetext")) == pytest.approx(expected, rel=1e-3)


# For everyone, anywhere


def test_everything_is_reached_by_keyboard_and_the_answer_is_announced(page):
    for digit in "0379":
        page.execute_script("pad.canvas.focus();")
        press(page, digit)
        rest(page)
        assert text(page, "origin").endswith(f": {digit}")
        announced = page.find_element(By.ID, "announcement").get_attribute("textContent")
        assert announced.startswith(f"{text(page, 'origin')}. {digit}, with ")
    press(page, Keys.DELETE)
    assert shown(page, "x") is None
    press(page, "5")
    page.execute_script("document.activeElement.blur();")
    reached = set()
    for _ in range(100):
        ActionChains(page).send_keys(Keys.TAB).perform()
        names = "const e = document.activeElement; return [e.id, e.closest('[id]')?.id, e.name];"
        reached.update(page.execute_script(names))
    wanted = (
        "pad undo clear samples classes neurons nearest confusion gallery curves actual predicted which from to order"
    )
    assert {*wanted.split()} <= reached
    cells = each(page, "#confusion button")
    page.execute_script("arguments[0].focus();", cells[0])
    for key, at in ((Keys.ARROW_RIGHT, 1), (Keys.END, -1), (Keys.ARROW_UP, -11)):
        ActionChains(page).send_keys(key).perform()
        assert page.switch_to.active_element == cells[at]


@pytest.mark.parametrize(
    ("size", "scheme", "name"), [("phone", "dark", "finished"), ("tablet", "light", "mnist"), ("desk", "dark", "mnist")]
)
def test_no_request_no_error_no_sideways_scrolling_and_the_colors_of_the_scheme(driver, request, size, scheme, name):
    index = request.getfixturevalue(name) / INDEX
    page = opened(driver, index, *SIZES[size])
    scheme_of_user = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme_of_user)  # pictures that are there follow it
    draw(page, FOUR, "mouse" if size == "desk" else "touch")
    each(page, "#neurons button")[3].click()
    each(page, "#confusion button")[12].click()
    page.execute_script("showTest(0);")
    rest(page)
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth;")
    assert browser.errors(page) == []
    assert browser.requests(page) == [index.as_uri()]
    corner = "const canvas = document.querySelector('#steps canvas').getContext('2d');"
    corner += "return Array.from(canvas.getImageData(0, 0, 1, 1).data).slice(0, 3);"
    assert page.execute_script(corner) == {"light": [255, 255, 255], "dark": [0x19, 0x1C, 0x22]}[scheme]
    page.execute_script("const i = new Image(); i.src = 'http://127.0.0.1:9/a.png'; document.body.append(i);")
    settle(page)
    assert any("Content Security Policy" in message for message in browser.errors(page))  # it is noticed
