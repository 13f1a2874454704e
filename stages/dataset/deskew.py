"""Deskewing: make slanted digits upright, by their image moments."""

import numpy as np

STEPS = 128  # a deskewed pixel is a multiple of 1 / STEPS


def remove_skew(images: np.ndarray) -> np.ndarray:
    """Return images (N, rows, columns) uint8 as float32, each sheared horizontally so that it is not slanted.

    The slant of an image is the regression of x on y with the pixels as weights, cov(x, y) / var(y); each row is
    shifted by the slant times its distance from the center of mass, with linear interpolation between pixels (the
    deslanting of LeCun et al., 1998). Blank images and single rows are left unchanged. The moments are sums of
    integers, so the result is the same on every machine. Needs about 25 bytes of memory per pixel.

    Pixels are rounded to whole numbers where the brightest pixel of an image is 128 or more, to halves where it is 64
    to 127, and so on to 1/128 where it is 1: an image in black and white gets as smooth edges as one in gray.
    """
    slant, center = moments(images)
    row = np.arange(images.shape[1])
    return shift_rows(images, slant[:, None] * (row - center[:, None]))


def moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the slant and the row of the center of mass of images (N, rows, columns): two arrays (N,)."""
    rows, columns = images.shape[1:]
    if 255 * rows * columns * max(rows, columns) ** 2 > 2**53:  # a moment may be no integer of float64
        raise ValueError(f"{rows} x {columns} pixels are too many to deskew; set preprocess.deskew to false")
    y, x = np.mgrid[:rows, :columns].reshape(2, -1).astype(np.float64)
    basis = np.stack([np.ones_like(x), x, y, x * y, y * y], axis=1)
    mass, sx, sy, sxy, syy = (images.reshape(len(images), -1).astype(np.float64) @ basis).T  # exact: integers
    mass = np.maximum(mass, 1)
    covariance = sxy / mass - (sx / mass) * (sy / mass)
    variance = syy / mass - (sy / mass) ** 2
    flat = variance < 1e-6
    return np.where(flat, 0, covariance / np.where(flat, 1, variance)), sy / mass


def shift_rows(images: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return images (N, rows, columns) uint8 as float32, pixel x of row r of image n taken from x + shift[n, r]."""
    N, rows, columns = images.shape
    shift = np.clip(shift, -columns, columns)  # farther out there is only background
    whole = np.floor(shift).astype(np.intp)
    fraction = (shift - whole).astype(np.float32).reshape(-1, 1)
    padded = np.pad(images, ((0, 0), (0, 0), (columns, columns + 1))).reshape(N * rows, -1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, columns + 1, axis=1)
    taken = windows[np.arange(N * rows), columns + whole.reshape(-1)].astype(np.float32)  # (N rows, columns + 1)
    shifted = ((1 - fraction) * taken[:, :-1] + fraction * taken[:, 1:]).reshape(images.shape)
    _, bits = np.frexp(images.max(axis=(1, 2), keepdims=True).astype(np.float32))  # of the brightest pixel
    step = np.ldexp(np.float32(1), np.maximum(bits, 1) - 8)  # from 1 / STEPS to 1
    return np.rint(shifted / step) * step
