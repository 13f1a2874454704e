"""Digits as a person writes them: strokes in a square of side 1, for tests to draw."""

from math import cos, pi, sin


def arc(x, y, rx, ry, start, end, steps=10):
    """Points of an ellipse, clockwise on the screen from `start` to `end`, in turns; 0 is to the right."""
    angles = [2 * pi * (start + (end - start) * n / steps) for n in range(steps + 1)]
    return [(x + rx * cos(angle), y + ry * sin(angle)) for angle in angles]


DIGITS = {
    "0": [arc(0.5, 0.5, 0.26, 0.4, 0.75, -0.25, 14)],
    "1": [[(0.5, 0.1), (0.5, 0.9)]],
    "2": [[*arc(0.48, 0.32, 0.24, 0.22, 0.5, 1.1), (0.25, 0.88), (0.8, 0.88)]],
    "3": [[*arc(0.46, 0.3, 0.25, 0.2, 0.55, 1.25), *arc(0.46, 0.7, 0.28, 0.21, 0.75, 1.45)]],
    "4": [[(0.3, 0.12), (0.25, 0.52), (0.76, 0.52)], [(0.68, 0.1), (0.66, 0.9)]],
    "5": [[(0.74, 0.12), (0.34, 0.12), (0.31, 0.46), *arc(0.47, 0.66, 0.26, 0.23, 0.72, 1.42)]],
    "6": [[(0.62, 0.1), (0.4, 0.35), (0.29, 0.62), *arc(0.48, 0.69, 0.19, 0.2, 0.5, -0.5, 12)]],
    "7": [[(0.24, 0.14), (0.76, 0.14), (0.46, 0.9)]],
    "8": [[*arc(0.5, 0.3, 0.18, 0.2, 0.75, -0.25), *arc(0.5, 0.7, 0.22, 0.2, 0.75, 1.75)]],
    "9": [[*arc(0.48, 0.32, 0.2, 0.21, 0.0, -1.0, 12), (0.67, 0.4), (0.62, 0.9)]],
}
# What is no digit, although the network alone would answer some of them with confidence.
NO_DIGITS = {
    "x": [[(0.2, 0.2), (0.8, 0.8)], [(0.8, 0.2), (0.2, 0.8)]],
    "H": [[(0.2, 0.1), (0.2, 0.9)], [(0.8, 0.1), (0.8, 0.9)], [(0.2, 0.5), (0.8, 0.5)]],
    "M": [[(0.1, 0.9), (0.1, 0.1), (0.5, 0.6), (0.9, 0.1), (0.9, 0.9)]],
    "A": [[(0.1, 0.9), (0.5, 0.1), (0.9, 0.9)], [(0.3, 0.55), (0.7, 0.55)]],
    "minus": [[(0.1, 0.5), (0.9, 0.5)]],
    "dots": [[(x, y), (x + 0.01, y)] for x in (0.2, 0.5, 0.8) for y in (0.2, 0.5, 0.8)],
    "scribble": [[(0.1, 0.2), (0.9, 0.3), (0.15, 0.4), (0.85, 0.5), (0.1, 0.6), (0.9, 0.7), (0.2, 0.8), (0.8, 0.9)]],
}
# How one may draw: a function of a point for each.
WAYS = {
    "in the middle": lambda x, y: (0.1 + 0.8 * x, 0.1 + 0.8 * y),
    "small, in a corner": lambda x, y: (0.72 + 0.22 * x, 0.7 + 0.25 * y),
    "slanted to the right": lambda x, y: (0.05 + 0.7 * x + 0.3 * (1 - y), 0.1 + 0.8 * y),
    "slanted to the left": lambda x, y: (0.05 + 0.7 * x + 0.2 * y, 0.1 + 0.8 * y),
    "wide": lambda x, y: (0.02 + 0.96 * x, 0.2 + 0.6 * y),
    "narrow": lambda x, y: (0.25 + 0.5 * x, 0.05 + 0.9 * y),
}


def strokes(digit, way):
    """The strokes of a digit, drawn in a way, as lists of points from 0 to 1."""
    return [[list(WAYS[way](x, y)) for x, y in stroke] for stroke in DIGITS[digit]]
