"""Photographs of digits: found, told from paper, shadow and rules, and made as MNIST's were."""

import gzip
import io
import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageOps
from stages.dataset.likeness import directions

from experiments.photos import CONDITIONS, handwriting, photograph
from stages.dataset import idx, photos
from stages.dataset.arrays import prepare

SHAPE = (28, 28)
FIXTURE = Path(__file__).parents[1] / "fixture"
COUNT = 10  # photographs of each kind


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The test images of the fixture and their labels."""
    path = tmp_path_factory.mktemp("digits")
    arrays = []
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (path / name).write_bytes(gzip.decompress((FIXTURE / f"{name}.gz").read_bytes()))
        arrays.append(idx.read(path / name))
    return arrays


@pytest.fixture(scope="module")
def digits(drawn):
    return drawn[0]


@pytest.fixture(scope="module")
def answer(drawn):
    """The label of the digit that an image is most similar to, each made as MNIST's are from its own pixels."""
    known = like(np.stack([photos.centered(photos.fitted(cropped(digit), 20), SHAPE) for digit in drawn[0]]))
    return lambda images: drawn[1][(like(images) @ known.T).argmax(axis=1)].tolist()


def cropped(digit):
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def like(images):
    """The directions of images, to compare."""
    return directions(prepare(images, True, 33.0, 78.0), SHAPE, -33 / 78)


def recognized(drawn, answer, condition):
    """How many of COUNT photographs, of a digit each, are most similar to a digit of the same class."""
    rng = np.random.default_rng(1)
    right = 0
    for digit, label in zip(*(array[:COUNT] for array in drawn), strict=True):
        picture = photos.read(io.BytesIO(photograph(digit, rng, **CONDITIONS[condition])))
        try:
            right += answer(photos.find(picture, SHAPE).images) == [label]
        except ValueError:
            continue
    return right


@pytest.mark.parametrize(("condition", "bound"), [(condition, COUNT) for condition in CONDITIONS])
def test_a_photograph_gives_the_digit(drawn, answer, condition, bound):
    assert recognized(drawn, answer, condition) >= bound


@pytest.mark.parametrize(
    ("condition", "name", "without", "bound"),
    [
        ("shadow and ruled", "background", lambda light: np.full(light.shape, 255), 6),
        ("plain", "separated", lambda ink: [((0, 0, *ink.shape), ink)], 6),
        ("dark paper", "by_border", lambda picture: photos.Polarity(1, 0, 1), 0),
    ],
)
def test_each_step_is_needed(monkeypatch, drawn, answer, condition, name, without, bound):
    monkeypatch.setattr(photos, name, without)
    assert recognized(drawn, answer, condition) <= bound


def test_the_ten_digits_of_each_font_are_photographed(tmp_path):
    for name in ("DejaVuSans", "STIXGeneral"):
        directory = tmp_path / name.lower() / "files"
        directory.mkdir(parents=True)
        source = Path(matplotlib.get_data_path(), f"fonts/ttf/{name}.ttf")
        shutil.copy(source, directory / f"{name.lower()}-latin-400-normal.woff")
        shutil.copy(source, directory / f"{name.lower()}-latin-700-normal.woff")
    fonts = handwriting(tmp_path)
    assert [*fonts] == ["DejaVu Sans", "STIXGeneral"]
    for pictures in fonts.values():
        found = [photos.find(picture, SHAPE).images for picture in pictures]
        assert {images.shape for images in found} == {(1, *SHAPE)}
        assert len({images.tobytes() for images in found}) == 10
        assert [images[0, 14, 14] > 100 for images in found[:2]] == [False, True]  # 0 is hollow, 1 is not


def test_a_directory_without_fonts_says_so(tmp_path):
    with pytest.raises(ValueError, match="says where to get handwriting fonts"):
        handwriting(tmp_path)


def page_of(images, gap=40, scale=6):
    """Gray paper with a row of digits, dark on light."""
    width = gap + len(images) * (28 * scale + gap)
    paper = np.full((28 * scale + 2 * gap, width), 220, np.uint8)
    for n, image in enumerate(images):
        large = np.asarray(Image.fromarray(image).resize((28 * scale, 28 * scale), Image.Resampling.BICUBIC))
        left = gap + n * (28 * scale + gap)
        paper[gap : gap + 28 * scale, left : left + 28 * scale] -= (large // 4 * 3).astype(np.uint8)
    return paper


def test_a_row_of_digits_from_left_to_right(drawn, answer):
    digits, labels = drawn
    found = photos.find(page_of(digits[:5]), SHAPE)
    assert answer(found.images) == labels[:5].tolist()
    assert found.boxes == sorted(found.boxes, key=lambda box: box[1])
    assert found.polarity.dark_on_light


def test_specks_dashes_and_what_is_cut_off_are_dropped(digits):
    paper = page_of(digits[:2])
    boxes = photos.find(paper, SHAPE).boxes
    paper[10:16, 10:16] = paper[20:24, 200:260] = 20
    paper[100:160, -20:] = 20
    np.testing.assert_allclose(photos.find(paper, SHAPE).boxes, boxes, atol=2)


@pytest.mark.parametrize("fraction", [0.5, 0.8])
def test_rules_are_no_ink(digits, fraction):
    paper = page_of(digits[:2])
    boxes = photos.find(paper, SHAPE).boxes
    for row in range(15, len(paper), 30):
        paper[row : row + 2] = np.minimum(paper[row : row + 2], int(220 * fraction))
    np.testing.assert_allclose(photos.find(paper, SHAPE).boxes, boxes, atol=3)


def test_pieces_above_each_other_are_one_digit():
    paper = np.full((200, 200), 230, np.uint8)
    paper[60:70, 90:130] = 30  # the bar of a five,
    paper[78:150, 90:100] = 30  # and what is below it
    assert photos.find(paper, SHAPE).boxes == [(60, 90, 150, 130)]


def test_an_image_of_mnist_is_found_as_it_is(drawn, answer):
    digits, labels = drawn
    for digit in (digits[3], 255 - digits[3]):
        found = photos.find(digit, SHAPE)
        assert answer(found.images) == [labels[3]]
        assert found.polarity.dark_on_light == (digit[0, 0] == 255)


@pytest.mark.parametrize("ink", [0, 255])
def test_the_polarity_says_why(ink):
    paper = np.full((90, 90), 100, np.uint8)
    paper[40:60, 40:50] = ink
    words = str(photos.by_border(paper))
    if ink:
        assert words == "light on dark: the border (100) is nearer to the darkest of 100 to 255"
    else:
        assert words == "dark on light: the border (100) is nearer to the lightest of 0 to 100"


def noise(shape, level=200):
    return np.random.default_rng(0).normal(level, 5, shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((50, 60), np.uint8), "blank"),
        (np.full((1, 1), 255, np.uint8), "blank"),
        (noise((300, 200)), "blank"),
        (np.linspace(90, 220, 400).astype(np.uint8).repeat(300).reshape(400, 300), "blank"),  # a gradient of light
    ],
)
def test_a_blank_picture_says_so(picture, message):
    with pytest.raises(ValueError, match=message):
        photos.find(picture, SHAPE)


def test_a_picture_of_no_digit_says_so():
    rules = noise((300, 200))
    rules[50::40] = rules[51::40] = 90
    with pytest.raises(ValueError, match="no digit: only specks and rules"):
        photos.find(rules, SHAPE)
    dots = noise((600, 600))
    for y in range(30, 590, 60):
        for x in range(30, 590, 60):
            dots[y : y + 20, x : x + 20] = 20
    with pytest.raises(ValueError, match=r"no digit: \d+ shapes; crop the picture to a row of digits"):
        photos.find(dots, SHAPE)


# The box and the middle


def test_a_box_keeps_proportions_and_is_smooth():
    tall = np.full((100, 50), 255, np.uint8)
    box = photos.fitted(tall, 20)
    assert box.shape == (20, 20)
    assert (box[:, 5:15] == 255).all()
    assert box.sum() == 255 * 200
    small = photos.fitted(np.array([[0, 200], [200, 0]], np.uint8), 20)
    assert small.max() == 255
    assert len(np.unique(small)) > 20


def test_weights_are_whole_and_every_sample_counts_alike():
    for old, new in ((100, 20), (8, 20), (7, 3), (1, 5), (30, 31)):
        weights = photos.tents(old, new)
        assert np.array_equal(weights, weights.astype(np.int64))
        assert (weights.sum(axis=1) > 0).all()
        assert np.array_equal(weights, weights[::-1, ::-1])


def test_the_center_of_mass_comes_to_index_14():
    rng = np.random.default_rng(0)
    for _ in range(50):
        picture = (rng.integers(0, 256, (20, 20)) * (rng.random((20, 20)) < 0.3)).astype(np.uint8)
        image = photos.centered(picture, SHAPE)
        assert image.sum() == picture.sum()
        weights = image / image.sum()
        for axis in (0, 1):
            assert abs(weights.sum(axis=axis) @ np.arange(28) - 14) <= 0.5 + 1e-9


def test_a_picture_far_to_one_side_stays_inside():
    picture = np.zeros((20, 20), np.uint8)
    picture[:, 0] = picture[0] = 255
    assert photos.centered(picture, SHAPE).sum() == picture.sum()


def test_otsu_is_the_best_split():
    counts = np.random.default_rng(0).integers(0, 50, 256)
    threshold, below, above = photos.otsu(counts, 20)

    def between(t):
        level, n = np.arange(20, 256), counts[20:]
        low = level <= t
        means = [(level * n)[part].sum() / n[part].sum() for part in (low, ~low)]
        return n[low].sum() * n[~low].sum() * (means[0] - means[1]) ** 2, means

    assert threshold == max(range(20, 255), key=lambda t: between(t)[0])
    np.testing.assert_array_equal([below, above], np.floor(between(threshold)[1]))
    assert photos.otsu(np.bincount([7, 7, 7], minlength=256), 0) is None


def test_components_are_those_of_a_flood_fill():
    rng = np.random.default_rng(0)
    for density in (0.0, 0.2, 0.45, 1.0):
        mask = rng.random((17, 23)) < density
        left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
        expected = set()
        while left:
            waiting, piece = [left.pop()], set()
            while waiting:
                y, x = waiting.pop()
                piece.add((y, x))
                near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
                left -= near
                waiting += near
            expected.add(frozenset(piece))
        pieces = photos.components(mask)
        seen = {frozenset((int(r), x) for r, s, e in piece.runs for x in range(s, e)) for piece in pieces}
        assert seen == expected


# Files


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return io.BytesIO(file.getvalue())


@pytest.fixture
def picture(digits):
    return Image.fromarray(page_of(digits[:2], scale=3))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "PPM", "WEBP"])
def test_every_format_gives_the_same_gray(picture, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(photos.read(saved(picture, kind, **options)), np.asarray(picture))


def test_every_mode_gives_gray(picture):
    plain = np.asarray(picture)
    for mode in ("RGB", "RGBA", "P", "LA", "CMYK"):
        read = photos.read(saved(picture.convert(mode), "TIFF"))
        np.testing.assert_allclose(read.astype(int), plain.astype(int), atol=2)
    assert set(np.unique(photos.read(saved(picture.convert("1"), "PNG")))) <= {0, 255}
    deep = Image.fromarray(plain.astype(np.uint16) * 200)
    assert np.ptp(photos.read(saved(deep, "PNG"))) == 255


def test_transparent_pixels_are_white():
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    assert (photos.read(saved(image, "PNG")) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_a_picture_upright(picture, orientation):
    undo = {5: 5, 6: 8, 8: 6}.get(orientation, orientation)
    exif = Image.Exif()
    exif[0x0112] = undo
    plain = saved(picture, "PNG", exif=exif)
    with Image.open(plain) as image:
        turned = ImageOps.exif_transpose(image)
    turned.getexif().clear()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(photos.read(saved(turned, "PNG", exif=exif)), np.asarray(picture))


def test_a_large_picture_is_reduced():
    large = Image.new("L", (4000, 1000), 255)
    assert photos.read(saved(large, "PNG")).shape == (334, 1334)


def test_a_file_that_is_no_picture_is_explained_in_a_line(tmp_path, picture, monkeypatch):
    whole = saved(picture, "PNG").getvalue()
    for data, message in ((b"", "no picture"), (b"hello", "no picture"), (whole[: len(whole) // 2], "broken, ")):
        (tmp_path / "a.png").write_bytes(data)
        with pytest.raises(ValueError, match=message) as raised:
            photos.read(tmp_path / "a.png")
        assert "\n" not in str(raised.value)
    with pytest.raises(ValueError, match="No such file"):
        photos.read(tmp_path / "b.png")
    with pytest.raises(ValueError, match="a directory"):
        photos.read(tmp_path)
    monkeypatch.setattr(photos, "MAX_PIXELS", 1000)
    with pytest.raises(ValueError, match="make the picture smaller"):
        photos.read(io.BytesIO(whole))
