"""The stage: what the figures are drawn from, for any dataset."""

import numpy as np
import pytest

import stages.plot as stage
from stages.pipeline import paths
from stages.report import figures
from tests.helpers.project import write_results

SETTINGS = {"seed": 0, "examples": 6, "mistakes": 3, "units": 4, "calibration_bins": 5, "dpi": 50}


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """The arguments with which each figure was drawn, by its name."""
    monkeypatch.chdir(tmp_path)
    calls = {}

    def recorded(name, draw):
        return lambda *args: calls.__setitem__(name, args) or draw(*args)

    for name in ("predictions", "mistakes"):
        monkeypatch.setattr(figures, name, recorded(name, getattr(figures, name)))
    return calls


IMAGES = np.random.default_rng(1).integers(0, 256, (6, 4, 3), dtype=np.uint8)
IMAGES[:, 0, :2] = 0, 255
KANA = ["\N{HIRAGANA LETTER O}", "\N{HIRAGANA LETTER KI}"]


def test_names_with_letters_that_the_font_lacks_are_reported_once(drawn, capsys, recwarn):
    write_results(IMAGES, [0, 1, 2] * 2, [0, 1, 1] * 2, ["dress", *KANA])
    stage.plot(**SETTINGS)
    lines = capsys.readouterr().out.splitlines()
    reported = f"the font has no glyph for {KANA[0]}: the figures show class numbers instead of such names"
    assert lines == [reported, "6 figures in reports/figures"]
    assert not recwarn.list
    assert len(list(paths.FIGURES.iterdir())) == 6


@pytest.mark.parametrize("levels", [1, 16])
def test_pictures_show_the_whole_range_of_the_pixels_and_one_line_says_so(drawn, capsys, levels):
    images = IMAGES % (levels + 1) + 3
    write_results(images.astype(np.uint8), [0, 1] * 3, [0, 0] * 3, ["a", "b"])
    stage.plot(**SETTINGS)
    assert np.array_equal(drawn["mistakes"][0], (images[1::2] - 3) * (255 / levels) // 1)
    assert drawn["predictions"][0].min() == 0
    assert drawn["predictions"][0].max() == 255
    said = f"pixels are 3 to {3 + levels}: the pictures show them as 0 to 255\n6 figures in reports/figures\n"
    assert capsys.readouterr().out == said


def test_transposed_images_are_drawn_upright(drawn):
    write_results(IMAGES.swapaxes(1, 2), [0, 1] * 3, [0, 0] * 3, ["a", "b"], transposed=True)
    stage.plot(**SETTINGS)
    assert np.array_equal(drawn["mistakes"][0], IMAGES[1::2])
    assert len(drawn["predictions"][0]) == 6
    assert {image.tobytes() for image in drawn["predictions"][0]} == {image.tobytes() for image in IMAGES}
