"""Run a stage's function as a command: its section of params.yaml in, one clear line out when something is wrong.

One stage at a time works in a checkout: a lock is held for a stage's life, because a stage that outlived its `dvc`
would put old results under a new dvc.lock. Where the system can do that (Linux), a stage ends with its `dvc`.
"""

import errno
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zc.lockfile import LockError, LockFile

from stages.pipeline import files, params

LOCK = Path(".dvc/tmp/stage.lock")
SHELLS = {"sh", "bash", "dash", "ash", "ksh", "zsh", "fish"}
# What bad input, a bad environment or a bad parameter raises. Anything else is a fault of ours and keeps its traceback.
EXPECTED = (ValueError, OSError, MemoryError, ArithmeticError)


class Terminated(BaseException):
    """The process was asked to end (SIGTERM)."""


def run(function: Callable[..., None]) -> None:
    """Call `function` with its own section of params.yaml; end the process with a line and a code if that fails.

    Exit code 1: bad input, with one line on standard error; TRACEBACK=1 in the environment shows the traceback too.
    Exit codes 130 and 143: interrupted, terminated. What was there before is still there then.
    """
    name = function.__name__
    try:
        open_streams()
        signal.signal(signal.SIGTERM, terminate)
        end_with_dvc()
        check_directory()
        with lock(LOCK):
            for path in files.left_behind():  # nobody else is at work here, so nobody is writing them
                path.unlink()
            function(**params.read(function))
    except KeyboardInterrupt:
        fail(name, "interrupted; `dvc repro` goes on", 130)
    except Terminated:
        fail(name, "terminated; `dvc repro` goes on", 143)
    except EXPECTED as error:
        if os.environ.get("TRACEBACK"):
            raise
        fail(name, describe(error), 1)


def open_streams() -> None:
    """Give a process whose standard streams were closed others: a file that is opened must not become one of them."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    for stream in (sys.stdout, sys.stderr):  # they may know fewer letters than a path or a class has
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def terminate(number: int, frame: Any) -> None:
    """Leave by an exception, so that temporary files are removed on the way."""
    raise Terminated


def end_with_dvc() -> None:
    """Under DVC, on Linux, die when it dies: `dvc` that is killed leaves no stage behind.

    Raises OSError when it has died already, while Python was starting.
    """
    if not hasattr(os, "pidfd_open") or "DVC_STAGE" not in os.environ:
        return
    keeper = os.getppid()
    while keeper and Path(f"/proc/{keeper}/comm").read_text().strip() in SHELLS:  # DVC runs commands by a shell
        keeper = int(Path(f"/proc/{keeper}/stat").read_text().rpartition(")")[2].split()[1])
    # DVC and its children are one process group. Who adopts the children of the dead is not of it.
    if not keeper or os.getpgid(keeper) != os.getpgrp():
        raise ChildProcessError("the `dvc` that started this stage has ended; `dvc repro` starts it again")
    try:
        pidfd = os.pidfd_open(keeper)
    except OSError as error:
        if error.errno == errno.ENOSYS:  # before Linux 5.3; the lock has to do
            return
        raise
    threading.Thread(target=die_with, args=[pidfd], daemon=True).start()


def die_with(pidfd: int) -> None:
    """Wait until the process that `pidfd` stands for ends, and kill this one."""
    select.select([pidfd], [], [])
    os.kill(os.getpid(), signal.SIGKILL)


def check_directory() -> None:
    """Raise OSError unless the working directory is the project's, to which every path is relative."""
    if not Path("dvc.yaml").is_file():
        raise FileNotFoundError(f"{Path.cwd()}: no dvc.yaml here; stages run in the directory of the project")


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`, which names the holder; OSError at once when another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = LockFile(str(path))
    except LockError:
        holder = path.read_text(encoding="utf-8").strip() or "unknown"
        raise OSError(f"another stage is at work here, process {holder}: wait for it, or end it") from None
    try:
        yield
    finally:
        held.close()


def describe(error: BaseException) -> str:
    """One line, or one line a problem, that says what `error` means."""
    if isinstance(error, MemoryError):
        return f"not enough memory ({error})" if str(error) else "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        hint = "; `ls -l` tells who may" if isinstance(error, PermissionError) else ""
        return f"{error.filename}: {error.strerror}{hint}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def fail(name: str, message: Any, code: int) -> None:
    """Print `message` under the stage's name and end the process with `code`."""
    for line in str(message).splitlines():
        print(f"{name}: {line}", file=sys.stderr)
    raise SystemExit(code)
