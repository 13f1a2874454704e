"""Training in the page, in a real browser: the bytes of NumPy, and what a learner can do with it."""

import contextlib
import hashlib
import shutil
import subprocess

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from stages.dataset.records import TrainingInputs
from stages.learning import lesson
from stages.learning.data import read_split
from stages.pipeline import files, paths
from tests.helpers import browser, project

pytestmark = [browser.needs_chromium, pytest.mark.xdist_group("one browser for all")]
QUICK = {"hidden": 20, "epochs": 2, "batch_size": 32}


@pytest.fixture(scope="module")
def digest_of(finished):
    """A function that trains in NumPy on the page's images, and returns the SHA-256 of the weights."""
    with contextlib.chdir(finished):
        inputs = files.read_json(paths.INPUTS, TrainingInputs)
        splits = read_split("train", inputs), read_split("validation", inputs)
        chosen = lesson.choose(*splits, (200, 60), inputs.image_shape, 0)

    def digest(settings):
        *_, network = lesson.learn(chosen, lesson.RECIPE | settings)
        return hashlib.sha256(network.theta.tobytes()).hexdigest()

    return digest


def opened(driver, root, settings="", width=1280):
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    driver.get("about:blank")
    driver.get_log("browser")
    driver.get((root / "reports/index.html").as_uri() + settings)
    until(driver, "return theta !== null;")
    return driver


def until(page, condition):
    WebDriverWait(page, 60, 0.05).until(lambda page: page.execute_script(condition), condition)


def text(page, name):
    return page.find_element(By.ID, name).get_attribute("textContent")


def click(page, *names):
    for name in names:
        page.execute_script("byId(arguments[0]).click();", name)


def train(page, **settings):
    """Train with these settings to the end, in the page."""
    page.execute_script("choose({ ...recipe, ...arguments[0] }); startAgain();", settings)
    click(page, "play")
    until(page, "return run.done && run.step === run.last;")
    until(page, "return byId('train-digest').textContent !== '';")


@pytest.mark.parametrize("optimizer", ["momentum", "nesterov", "adam"])
def test_the_page_trains_to_the_bytes_of_numpy(driver, finished, digest_of, optimizer):
    page = opened(driver, finished)
    rate = 0.003 if optimizer == "adam" else 0.1
    train(page, **QUICK, optimizer=optimizer, learning_rate=rate)
    assert text(page, "train-digest").endswith(digest_of({**QUICK, "optimizer": optimizer, "learning_rate": rate}))
    assert page.get_log("browser") == []


def test_the_proof_and_a_browser_without_workers(driver, finished, digest_of):
    page = opened(driver, finished)
    page.execute_script("window.Worker = undefined; trainer = null; startAgain();")
    click(page, "prove")
    until(page, "return byId('verdict-of-proof').textContent !== '';")
    assert text(page, "verdict-of-proof").startswith("The same, after ")
    assert text(page, "own-digest") == text(page, "numpy-digest") == digest_of({})
    train(page, **QUICK)
    assert text(page, "train-digest").endswith(digest_of(QUICK))


def test_a_link_carries_settings_and_runs_are_compared(driver, finished):
    page = opened(driver, finished, "#train?learning_rate=1000&hidden=7&optimizer=unknown&epochs=-3&seed=12")
    settings = page.execute_script("return run.settings;")
    assert settings == lesson.RECIPE | {"learning_rate": 1000, "hidden": 7, "seed": 12}
    assert page.execute_script("return byId('train-link').hash;") == "#train?hidden=7&learning_rate=1000&seed=12"
    assert page.execute_script("return document.querySelectorAll('#settings option:checked')[1].textContent;") == "1000"
    click(page, "play")
    until(page, "return run.done;")
    until(page, "return byId('train-state').textContent.startsWith('Diverged at step ');")
    train(page, **QUICK)
    click(page, "keep")
    page.execute_script("choose({ ...recipe, ...arguments[0] }); startAgain();", QUICK | {"momentum": 0})
    until(page, "return theta && byId('compared').textContent.includes('momentum');")
    assert text(page, "compared").startswith("This run has momentum 0 instead of 0.9. This one: ")
    for name, steps in (("step", 1), ("step", 2), ("epoch", 7), ("epoch", 14)):
        click(page, name)
        until(page, f"return run.step === {steps};")
    assert page.execute_script("return run.done && !playing;")


def test_a_trained_network_can_be_used_and_put_back(driver, finished):
    page = opened(driver, finished)
    before = page.execute_script("return Array.from(shown.result.logits);")
    train(page, **QUICK)
    click(page, "take")
    until(page, "return network.layers[0].outputs === 20;")
    live, used = page.execute_script("""
        const own = parametersOf(theta, 20);
        return [answerOf(own, waves(shown.x)), shown.result.probabilities].map((p) => Array.from(p));
    """)
    np.testing.assert_allclose(used, live, atol=0.05)  # waves are rounded, pixels are not
    assert len(page.find_elements(By.CSS_SELECTOR, "#neurons button")) == 20
    click(page, "put-back")
    assert page.execute_script("return Array.from(shown.result.logits);") == before


def test_the_page_opens_alive(driver, finished):
    page = opened(driver, finished)
    assert page.execute_script("return shown.result.answer === tests.actual[chosen];")
    assert text(page, "origin").startswith("Test image ")


def test_one_step_shows_the_gradient(driver, finished):
    page = opened(driver, finished)
    until(page, "return one !== null;")
    checked = page.execute_script("""
        const own = parametersOf(theta, run.settings.hidden);
        const [x, truth] = [waves(shown.x), Number(byId("truth").value)];
        return ["W1", "b1", "W2"].map((name) => {
          const gradient = { W1: one.dW1, b1: one.dh, W2: one.dW2 }[name];
          const at = gradient.reduce((best, v, i) => (Math.abs(v) > Math.abs(gradient[best]) ? i : best), 0);
          const [was, h] = [own[name][at], 2 ** -8];
          const loss = (w) => { own[name][at] = w; return passes(own, x, truth).loss; };
          const slope = (loss(was + h) - loss(was - h)) / (2 * h);
          own[name][at] = was;
          return [gradient[at], slope];
        });
    """)
    for gradient, slope in checked:
        assert gradient == pytest.approx(slope, rel=0.02, abs=1e-4)
    loss = page.execute_script("return one.loss;")
    page.execute_script("byId('nudge').value = 0; byId('one-rate').value = '0.01'; showWeight();")
    assert text(page, "nudged") == f"by 0.00: loss {loss:.4f}, the line says {loss:.4f}"
    click(page, "one-take")
    assert page.execute_script("return one.loss;") < loss
    targets = page.execute_script(
        "return [...document.querySelectorAll('.flow a')].map((a) => a.getAttribute('href'));"
    )
    html = (project.ROOT / "docs/mathematics.html").read_text()
    for target in targets:
        path, _, anchor = target.removeprefix("../").partition("#")
        assert (project.ROOT / path).exists()
        assert not anchor or f'id="{anchor}"' in html


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_in_any_state(driver, finished, tmp_path, width, scheme):
    npm = shutil.which("npm")
    packed = npm and subprocess.run([npm, "pack", "axe-core@4.14.1"], cwd=tmp_path, capture_output=True, check=False)
    if not packed or packed.returncode:
        pytest.skip("needs npm and its registry")
    shutil.unpack_archive(tmp_path / "axe-core-4.14.1.tgz", tmp_path)
    page = opened(driver, finished, width=width)
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    page.execute_script((tmp_path / "package/axe.min.js").read_text())
    diverge = "choose({ learning_rate: 1000 }); startAgain(); byId('play').click();"
    for state in ("", "byId('epoch').click();", "byId('keep').click(); byId('take').click();", diverge, "pad.clear();"):
        page.execute_script(state)
        page.execute_async_script("setTimeout(arguments[0], 600);")
        found = page.execute_async_script("""
            const rules = { "label-content-name-mismatch": { enabled: true } };
            axe.run(document, { rules }).then(({ violations }) => arguments[0](
              violations.map(({ id, nodes }) => [id, nodes[0].html, nodes[0].failureSummary])));
        """)
        assert found == [], state
        assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth;")
