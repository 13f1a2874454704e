"""Files: every format and mode, upright and small; whatever else is there is refused in a line, in bounded time."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from stages.photos import decode
from tests.helpers.unix import unix


@pytest.fixture
def saved(tmp_path):
    """Save an image; return the path."""

    def save(image, kind, **options):
        image.save(tmp_path / "picture", kind, **options)
        return tmp_path / "picture"

    return save


@pytest.fixture(scope="module")
def picture():
    """A picture of smooth grays."""
    y, x = np.mgrid[:60, :90]
    return Image.fromarray((y + x).astype(np.uint8))


def rgb(image):
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "PPM", "WEBP", "HEIF"])
def test_every_format_gives_the_same_pixels(saved, picture, kind):
    options = {"WEBP": {"lossless": True}, "HEIF": {"quality": 100}}.get(kind, {})
    if kind == "HEIF":
        pytest.importorskip("pillow_heif")
    read = decode.read(saved(picture, kind, **options))
    np.testing.assert_allclose(read.astype(int), rgb(picture).astype(int), atol=3 * (kind == "HEIF"))


def test_every_mode_gives_color(saved, picture):
    for mode in ("RGB", "RGBA", "P", "LA", "CMYK"):
        read = decode.read(saved(picture.convert(mode), "TIFF"))
        np.testing.assert_allclose(read.astype(int), rgb(picture).astype(int), atol=2)
    assert set(np.unique(decode.read(saved(picture.convert("1"), "PNG")))) <= {0, 255}
    for deep in (np.uint16, np.int32, np.float32):
        values = Image.fromarray(np.asarray(picture).astype(deep) * 200)
        assert np.ptp(decode.read(saved(values, "TIFF"))) == 255


@pytest.mark.parametrize(("color", "paper"), [(255, 0), (0, 255)])
def test_transparent_pixels_are_paper_unlike_the_ink(saved, color, paper):
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    assert (decode.read(saved(image, "PNG")) == 255).all()
    image.paste((color,) * 3 + (255,), (10, 10, 20, 20))
    read = decode.read(saved(image, "PNG"))
    assert (read[15, 15] == color).all()
    assert (read[0, 0] == paper).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_a_picture_upright(saved, picture, orientation):
    undo = {5: 5, 6: 8, 8: 6}.get(orientation, orientation)
    exif = Image.Exif()
    exif[0x0112] = undo
    turned = Image.fromarray(decode.read(saved(picture, "PNG", exif=exif)))
    assert (turned.size == picture.size) == (orientation < 5)
    exif[0x0112] = orientation
    np.testing.assert_array_equal(decode.read(saved(turned, "PNG", exif=exif)), rgb(picture))


def test_a_large_picture_is_reduced(saved):
    large = Image.fromarray(np.arange(4000 * 1000, dtype=np.uint32).view(np.uint8).reshape(1000, 4000, 4)[..., :3])
    np.testing.assert_array_equal(decode.read(saved(large, "PNG")), np.asarray(large.reduce(3)))
    assert decode.read(saved(Image.new("L", (7000, 100), 255), "JPEG")).shape == (13, 875, 3)  # not decoded in full


def header(width, height, depth=8, color=2):
    """A PNG of which only the header is there."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    ends = struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + ends


def jpeg(size, progressive=False):
    """A JPEG whose header has another size than its pixels."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG", progressive=progressive)
    data, marker = file.getvalue(), b"\xff\xc2" if progressive else b"\xff\xc0"
    at = data.index(marker) + 5
    return data[:at] + struct.pack(">HH", *size) + data[at + 4 :]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),  # would start Ghostscript
        (b"%PDF-1.7\n", "a PDF, not a picture; export the page as PNG"),
        (b"\0\0\0\x18ftypheic" + bytes(99), "HEIC needs another package|not an image|damaged image"),
        (header(10, 10), "damaged image: "),
        (header(6400, 6400), "more than 40 million pixels"),
        (header(5000, 5000, depth=16, color=0), "more than 20 million pixels"),
        (header(40_000, 40_000), "more than 40 million pixels"),  # a decompression bomb for Pillow
        (jpeg((12_000, 9_000)), "more than 100 million pixels"),
        (jpeg((6_000, 5_000), progressive=True), "more than 25 million pixels"),
        (jpeg((16, 16), progressive=True) + b"\xff\xda" * 40, "a JPEG of more than 30 scans"),
    ],
)
def test_what_cannot_be_read_is_explained_in_a_line(tmp_path, data, message):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ValueError, match=message) as raised:
        decode.read(tmp_path / "a.png")
    assert "\n" not in str(raised.value)


@unix
def test_only_regular_files_of_a_bounded_size_are_opened(tmp_path):
    os.mkfifo(tmp_path / "not a regular file")
    (tmp_path / "Too many levels of symbolic links").symlink_to("Too many levels of symbolic links")
    (tmp_path / "No such file or directory").symlink_to("nothing")
    (tmp_path / "a directory").mkdir()
    with (tmp_path / "larger than 256 MB; make the picture smaller").open("wb") as file:
        file.truncate(2**40)
    for path in tmp_path.iterdir():
        with pytest.raises(ValueError, match=f"^{path.name}$"):
            decode.read(path)


def test_files_that_may_be_meant_as_pictures_are_listed(tmp_path):
    names = ["b.JPG", "a/c.heic", "scan.pdf", "noextension", "d.eps"]
    for name in [*names, "README.md", ".hidden.png", "a/notes.txt"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in decode.files_in(tmp_path)] == sorted(names)
