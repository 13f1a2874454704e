"""How well the network reads photographs of paper.

    python -m experiments.photos

The photographs are synthetic: test images of MNIST drawn by code on paper, in a shadow, on rules, with a thin pen. No
choice was made on these digits. Each step of the preparation is also left out, to show what it is worth. Writes the
tables of docs/photos.md.
"""

import io

import numpy as np
from PIL import Image, ImageFilter

CONDITIONS = {
    "plain": {},
    "dark paper": {"paper": 70, "pen": 225},
    "shadow": {"shadow": True},
    "thin pen": {"thin": True},
    "ruled": {"ruled": True},
    "turned, by EXIF": {"turned": True},
    "shadow and ruled": {"shadow": True, "ruled": True},
}


def photograph(
    digit: np.ndarray,
    rng: np.random.Generator,
    paper: int = 215,
    pen: int = 55,
    shadow: bool = False,
    thin: bool = False,
    ruled: bool = False,
    turned: bool = False,
) -> bytes:
    """Return a JPEG of 480 x 360 pixels of paper with a digit, uint8 (28, 28), somewhere on it."""
    height, width = 480, 360
    y, x = np.mgrid[:height, :width]
    size = int(rng.integers(150, 230))
    ink = np.zeros((height, width))
    top, left = int(rng.integers(20, height - size - 20)), int(rng.integers(20, width - size - 20))
    drawn = Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC)
    if thin:  # the pen leaves only the middle of a stroke
        drawn = drawn.filter(ImageFilter.MinFilter(size // 50 * 2 + 1))
    ink[top : top + size, left : left + size] = np.asarray(drawn) / 255
    light = np.full((height, width), float(paper))
    if ruled:
        rule = (y + int(rng.integers(40))) % 40 < 2
        light[rule] *= 0.75
    light += (pen - light) * np.minimum(ink * 1.5, 1)
    if shadow:  # a soft edge across the paper at any angle
        angle = rng.uniform(0, 2 * np.pi)
        across, down = x - width * rng.uniform(0.3, 0.7), y - height * rng.uniform(0.3, 0.7)
        distance = across * np.cos(angle) + down * np.sin(angle)
        light *= 1 - 0.7 / (1 + np.exp(-distance / 25))
    light += rng.normal(0, 4, light.shape)
    image = Image.fromarray(np.clip(np.rint(light), 0, 255).astype(np.uint8))
    exif = Image.Exif()
    if turned:
        image = image.transpose(Image.Transpose.ROTATE_90)
        exif[0x0112] = 6  # "turn it to the right to see it upright"
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85, exif=exif)
    return file.getvalue()
