"""Run a stage's function as a command: its section of params.yaml in, one clear line out when something is wrong."""

import os
import sys
from collections.abc import Callable
from typing import Any

from stages.pipeline import params

# What bad input, a bad environment or a bad parameter raises. Anything else is a fault of ours and keeps its traceback.
EXPECTED = (ValueError, OSError, MemoryError, ArithmeticError)


def run(function: Callable[..., None]) -> None:
    """Call `function` with its own section of params.yaml; end the process with a line and a code if that fails.

    Exit code 1: bad input, with one line on standard error; TRACEBACK=1 in the environment shows the traceback too.
    Exit code 130: interrupted.
    """
    name = function.__name__
    try:
        function(**params.read(function))
    except KeyboardInterrupt:
        fail(name, "interrupted; `dvc repro` starts this stage again", 130)
    except EXPECTED as error:
        if os.environ.get("TRACEBACK"):
            raise
        fail(name, describe(error), 1)


def describe(error: BaseException) -> str:
    """One line, or one line a problem, that says what `error` means."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def fail(name: str, message: Any, code: int) -> None:
    """Print `message` under the stage's name and end the process with `code`."""
    for line in str(message).splitlines():
        print(f"{name}: {line}", file=sys.stderr)
    raise SystemExit(code)
