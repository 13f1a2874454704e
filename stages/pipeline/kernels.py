"""Multiply matrices with the widest kernels that the processor can run.

OpenBLAS, which comes with NumPy, chooses its kernels by the model of the processor. For a model that it does not know,
it takes kernels of half the width: OpenBLAS 0.3.31 on an AMD Zen 5, say, where the wide ones are 1.5 times as fast. It
reads a choice from the environment, but only once, when NumPy is imported.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

from threadpoolctl import threadpool_info

CHOICE = "OPENBLAS_CORETYPE"
# The names of OpenBLAS's kernels of at most 256 bits, and of 512.
NARROW = {"Katmai", "Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen"}
WIDE, NEEDS = "SkylakeX", {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
CPUINFO = Path("/proc/cpuinfo")  # on Linux


def use_widest() -> None:
    """Start this `python -m MODULE` anew with wide kernels, if it has narrow ones and the processor the instructions.

    The user's own choice is respected. A system that does not tell what the processor has is left alone, and so is a
    process that does more than run its main module, such as one that runs tests.
    """
    main = sys.modules["__main__"].__spec__
    if CHOICE in os.environ or main is None or main.name not in sys.orig_argv:
        return
    chosen = {library.get("architecture") for library in threadpool_info() if library["internal_api"] == "openblas"}
    if chosen and chosen <= NARROW and instructions() >= NEEDS:
        os.environ[CHOICE] = WIDE
        with suppress(OSError):  # then this process continues as it is
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def instructions() -> set[str]:
    """Return the processor's instruction sets by the names that Linux gives them; none on other systems."""
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.exists() else []
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())
