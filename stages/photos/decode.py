"""From a file to a small color picture, in bounded time and memory whatever is in the file."""

import os
import stat
import warnings
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

try:
    import pillow_heif
except ImportError:  # the extra `heic`
    pillow_heif = None
else:
    pillow_heif.register_heif_opener()

# Formats whose decoders start no other program, as that of EPS does.
FORMATS = ["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP", *(["HEIF"] if pillow_heif else [])]
UNREADABLE = {b"%PDF": "a PDF, not a picture; export the page as PNG"}  # by the first or second 4 bytes
if not pillow_heif:
    UNREADABLE[b"ftyp"] = "HEIC needs another package: .venv/bin/pip install '.[heic]'; or save it as JPEG"
# Millions of pixels that are decoded in 2 s and 300 MB: JPEG row by row, most formats, JPEG as a whole and HEIC, colors
# in TIFF, more than 8 bits and transparency, WebP.
BY_ROWS, USUAL, WHOLE, DEEP, WEBP = 100, 40, 25, 20, 12
SCANS = 30  # of a JPEG; each is a pass over the whole picture
BYTES = 2**28  # of a file
SIDE = 1600  # pixels; larger pictures are reduced by a whole factor


class Refused(ValueError):
    """A picture that is not decoded."""


def files_in(directory: Path) -> list[Path]:
    """Return the files below a directory that may be meant as pictures, by their names, in alphabetical order."""
    suffixes = {*Image.registered_extensions(), ".heic", ".heif", ".pdf", ""}
    paths = (path for path in directory.rglob("[!.]*") if path.suffix.lower() in suffixes and not path.is_dir())
    return sorted(paths, key=lambda path: path.as_posix())


def printable(name: str) -> str:
    """Return a file's name in one line that any encoding of text can hold."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def read(path: Path) -> np.ndarray:
    """Return a picture as uint8 (rows, columns, 3), upright, reduced to at most SIDE pixels a side.

    ValueError, in one line, if it is not a regular file, not a picture, damaged or too large.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise Refused("a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file")
        if status.st_size > BYTES:
            raise Refused(f"larger than {BYTES >> 20} MB; make the picture smaller")
        with warnings.catch_warnings(action="ignore"):
            small = on_paper(decode(path))
        return np.asarray(ImageOps.exif_transpose(small))
    except UnidentifiedImageError:
        with path.open("rb") as file:
            head = file.read(8)
        known = UNREADABLE.get(head[:4]) or UNREADABLE.get(head[4:])
        raise Refused(known or "not an image that can be read; save it as JPEG or PNG") from None
    except Image.DecompressionBombError:
        raise Refused(f"more than {USUAL} million pixels; make the picture smaller") from None
    except (MemoryError, Refused):
        raise
    except Exception as error:  # of the file system; decoders raise errors of any type on bytes that are not theirs
        if isinstance(error, OSError) and error.strerror:
            raise Refused(error.strerror) from None
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise Refused(f"damaged image: {reason}; save it again as JPEG or PNG") from None


def decode(path: Path) -> Image.Image:
    """Return a picture as RGB or RGBA, reduced, with its orientation."""
    with Image.open(path, formats=FORMATS) as image:
        check_size(image, path)
        factor = -(-max(image.size) // SIDE)
        if factor >= 4:  # a JPEG is decoded at a quarter or an eighth of its size
            image.draft("RGB", (image.width // factor, image.height // factor))
        image.load()
        small = reduce(image)
        small.getexif()[0x0112] = image.getexif().get(0x0112, 1)
        return small


def check_size(image: Image.Image, path: Path) -> None:
    """Raise Refused if a picture, of which only the header was read, takes too much memory or time to decode."""
    limit = USUAL
    if isinstance(image, JpegImageFile):  # and MPO
        limit = WHOLE if is_buffered(image) else BY_ROWS
        if path.read_bytes().count(b"\xff\xda") > SCANS:
            raise Refused(f"a JPEG of more than {SCANS} scans; save it again")
    elif image.format in ("WEBP", "HEIF"):
        limit = WEBP if image.format == "WEBP" else WHOLE
    elif is_deep(image) or image.has_transparency_data or (image.format == "TIFF" and len(image.getbands()) > 1):
        limit = DEEP
    if image.width * image.height > limit * 10**6:
        raise Refused(f"more than {limit} million pixels; make the picture smaller")


def is_deep(image: Image.Image) -> bool:
    """Return True if a picture has more than 8 bits per pixel and color."""
    return image.mode.startswith(("I", "F"))


def is_buffered(image: JpegImageFile) -> bool:
    """Return True if libjpeg holds all of a JPEG in memory: it is progressive, or its first scan lacks a component.

    The header of the scan, which was read last, ends in the number of components, 2 bytes for each, and 3 more.
    """
    bands = len(image.getbands())
    file = cast(BinaryIO, image.fp)
    file.seek(-4 - 2 * bands, os.SEEK_CUR)
    return "progressive" in image.info or file.read(1) != bytes([bands]) or bands > 3


def reduce(image: Image.Image) -> Image.Image:
    """Return a picture of any mode as RGB, or RGBA if parts are transparent, in strips so that memory stays flat.

    More than 8 bits are spread from the darkest to the lightest.
    """
    width, height = image.size
    factor = -(-max(image.size) // SIDE)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    low, high = cast(tuple[float, float], image.getextrema() if is_deep(image) else (0, 255))
    rows = factor * -(-(2**20) // (factor * width))
    strips = []
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        if is_deep(image):
            values = np.nan_to_num(np.asarray(strip).astype(np.float64))
            strip = Image.fromarray(((values - low) * (255 / max(high - low, 1))).clip(0, 255).astype(np.uint8))
        strips.append(np.asarray(strip.convert(mode).reduce(factor)))
    return Image.fromarray(np.concatenate(strips))


def on_paper(image: Image.Image) -> Image.Image:
    """Return a picture whose transparent pixels are white; black if little of it is opaque and that is bright."""
    if image.mode == "RGB":
        return image
    *colors, opaque = (np.asarray(band).astype(np.int64) for band in image.split())
    bright = sum(int((color * opaque).sum()) for color in colors) > 3 * 128 * opaque.sum()
    paper = "black" if bright and opaque.mean() < 128 else "white"
    result = Image.alpha_composite(Image.new("RGBA", image.size, paper), image).convert("RGB")
    result.getexif()[0x0112] = image.getexif().get(0x0112, 1)
    return result
