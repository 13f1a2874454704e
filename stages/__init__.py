"""The stages of dvc.yaml, and the packages that they are made of."""

import os
import sys
from pathlib import Path
from types import TracebackType

PROGRAMS = [Path(__file__).parents[1] / place for place in ("tools", "experiments", "benchmarks")]


def reason(error: BaseException) -> str | None:
    """Return why a program ended while its modules were imported or a thread was started; None for a bug."""
    text = str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, MemoryError) or "failed to map segment" in text:
        return "not enough memory"
    if "can't start new thread" in text:
        return f"{text}: the limit on processes (`ulimit -u`) or on memory (`ulimit -v`) is too low"
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("stages"):
        return f"{text}; activate the environment: . .venv/bin/activate"
    return None


def explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error that nothing caught: in one line if its reason is known, else with its traceback."""
    line = reason(error)
    if line and not os.environ.get("TRACEBACK"):
        print(f"{Path(sys.argv[0]).stem}: {line}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


# A program of this project, not one that imports it; of `python -m stages.NAME`, "-m" is all that is known yet.
if sys.argv[:1] == ["-m"] or any(Path(program).is_relative_to(place) for program in sys.argv[:1] for place in PROGRAMS):
    sys.excepthook = explain
    os.environ["MPLBACKEND"] = "agg"  # that of a notebook may not be installed here, and no figure is shown
