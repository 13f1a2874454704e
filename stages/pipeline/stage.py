"""Run a stage's function as a command: its section of params.yaml in, one clear line out when something is wrong.

One stage at a time runs in a checkout: it holds a lock, and it ends with the `dvc` that started it. Otherwise a stage
that outlived its `dvc` would put old results under a new dvc.lock.
"""

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import psutil
from zc.lockfile import LockError, LockFile

from stages.pipeline import files, params

LOCK = Path("data/.stage.lock")  # .dvc may belong to a parent directory
SHELLS = {"sh", "bash", "dash", "ash", "ksh", "zsh", "fish"}
# What bad input, a bad environment or a bad parameter raises. Anything else is a bug and keeps its traceback.
EXPECTED = (ValueError, OSError, MemoryError, ArithmeticError, psutil.Error)


def run(function: Callable[..., None]) -> None:
    """Call `function` with its own section of params.yaml; if that fails, end the process with a message and a code.

    Exit code 1: bad input, with one line per problem on standard error; with TRACEBACK=1 in the environment, the
    traceback instead. Exit codes 130 and 143: interrupted, terminated. The files that were there before still are.
    """
    name = function.__name__
    try:
        open_streams()
        signal.signal(signal.SIGTERM, terminate)
        end_with_dvc()
        check_directory()
        with lock(LOCK):
            for place in files.PLACES:  # what killed stages left; no other stage is running, so none is writing it
                for path in Path(place).rglob(f".*{files.UNFINISHED}"):
                    path.unlink()
            function(**params.read(function))
    except KeyboardInterrupt as interrupt:
        fail(name, f"{str(interrupt) or 'interrupted'}; run `dvc repro` to resume", 143 if interrupt.args else 130)
    except EXPECTED as error:
        if os.environ.get("TRACEBACK"):
            raise
        fail(name, describe(error), 1)


def open_streams() -> None:
    """Replace standard streams that are closed, so that no file that is opened later becomes one of them."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    for stream in (sys.stdout, sys.stderr):  # a path or a class may have characters that their encoding lacks
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def terminate(number: int, frame: Any) -> None:
    """Turn SIGTERM into an exception, so that temporary files are removed."""
    raise KeyboardInterrupt("terminated")


def end_with_dvc() -> None:
    """Under DVC, end this process when DVC ends. Raises ChildProcessError when it has ended already."""
    if "DVC_STAGE" not in os.environ or not hasattr(os, "getpgid"):  # Windows has no process groups
        return
    # DVC runs a command in a shell, in its own process group; what adopts the children of a dead DVC is not in it.
    parent = psutil.Process(os.getppid())
    dvc = next((process for process in [parent, *parent.parents()] if process.name() not in SHELLS), None)
    if dvc is None or os.getpgid(dvc.pid) != os.getpgrp():
        raise ChildProcessError("the `dvc` that started this stage has ended; run `dvc repro` to start it again")
    threading.Thread(target=die_with, args=[dvc], daemon=True).start()


def die_with(process: psutil.Process) -> None:
    """Wait until a process ends, then end this one at once, as if killed."""
    with suppress(psutil.NoSuchProcess):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.1)
    os._exit(1)


def check_directory() -> None:
    """Raise OSError unless the working directory is the project's, to which every path is relative."""
    if not Path("dvc.yaml").is_file():
        raise FileNotFoundError(f"{Path.cwd()}: no dvc.yaml here; run stages in the project's directory")


def lock(path: Path) -> AbstractContextManager[Any]:
    """Take the lock file at `path`, for a `with` block; OSError at once when another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return closing(LockFile(str(path)))
    except LockError as error:
        if getattr(error.__context__, "errno", None) not in (errno.EAGAIN, errno.EACCES):
            print(
                f"{path}: this file system does not support locks; never run two stages here at once", file=sys.stderr
            )
            return nullcontext()
        with path.open("rb") as file:
            file.seek(1)  # Windows locks the first byte, which is a space
            holder = file.read().decode().strip() or "unknown"
        raise OSError(f"another stage is running here, process {holder}: wait for it, or stop it") from None


def describe(error: BaseException) -> str:
    """Return what `error` means, a line per problem."""
    if isinstance(error, MemoryError):
        return ": ".join(filter(None, ["not enough memory", str(error)]))
    if isinstance(error, OSError) and error.strerror:
        hint = "; `ls -l` shows the permissions" if isinstance(error, PermissionError) else ""
        return f"{error.filename}: {error.strerror}{hint}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def fail(name: str, message: Any, code: int) -> None:
    """Print `message` with the stage's name before each line and end the process with `code`."""
    for line in str(message).splitlines():
        print(f"{name}: {line}", file=sys.stderr)
    raise SystemExit(code)
