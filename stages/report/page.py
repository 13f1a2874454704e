"""Put the page together: its sources, and the numbers and images that it shows."""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np


def assemble(sources: Path, data: dict[str, Any]) -> str:
    """Return page.html of the directory `sources` with each {{ NAME }} replaced by that file, and {{ data }} by `data`.

    ValueError for a number that is not finite.
    """
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    escaped = text.replace("<", "\\u003c")  # so that no class name ends the script

    def content(match: re.Match[str]) -> str:
        name = match[1]
        return escaped if name == "data" else (sources / name).read_text(encoding="utf-8").strip()

    return re.sub(r"\{\{ ([\w.]+) \}\}", content, (sources / "page.html").read_text(encoding="utf-8"))


def as_text(data: np.ndarray | bytes) -> str:
    """Return float32 numbers, or bytes, in base64."""
    return base64.b64encode(data if isinstance(data, bytes) else data.astype("<f4").tobytes()).decode()


def pack(image: np.ndarray) -> bytes:
    """Return a uint8 image as runs: the number of zeros, the number of other pixels, and these pixels."""
    runs = re.findall(rb"(\0{0,255})([^\0]{0,255})", image.tobytes())
    return b"".join(bytes([len(zeros), len(others)]) + others for zeros, others in runs if zeros or others)


def compress(a: np.ndarray) -> str:
    """Return whole numbers, int8 (N, F), column by column, compressed, in base64."""
    return as_text(gzip.compress(a.T.tobytes(), mtime=0))
