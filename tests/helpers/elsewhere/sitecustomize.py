"""Python imports this when it starts with this directory on PYTHONPATH: a stage, or pytest, misses what Unix alone has.

There is no fork, so that processes are spawned, no process group and no SIGKILL, no flock but a lock as on Windows, no
/proc for the code of this project, and a file that is open can be neither replaced nor removed.
"""

import fcntl
import os
import re
import signal
import subprocess
import sys
import types
from importlib import import_module
from pathlib import Path

ABSENT = {
    os: ["fork", "forkpty", "getpgid", "getpgrp", "killpg", "mkfifo", "setpgid", "setsid"],
    signal: ["SIGKILL", "SIGUSR1", "pthread_sigmask"],
}
OURS = re.compile(r"(?<!/tests)/(stages|tools|experiments)/(?!.*site-packages)")


def remove_unix():
    """Remove what only Unix has, except from libraries that have other code on other systems."""
    for library in ["psutil", "dvc_objects.fs", "locket"] if "pytest" in sys.orig_argv else ["psutil"]:
        import_module(library)
    subprocess.Popen.kill = subprocess.Popen.terminate  # as on Windows
    for module, names in ABSENT.items():
        for name in names:
            delattr(module, name)
    sys.modules.update(dict.fromkeys(["fcntl", "pty", "resource", "termios"]))  # importing one fails
    sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK=0, LK_UNLCK=1, locking=locking)


def locking(descriptor, mode, size):
    """Lock a file as msvcrt does, for this process alone."""
    fcntl.flock(descriptor, fcntl.LOCK_UN if mode else fcntl.LOCK_EX | fcntl.LOCK_NB)


def refuse_proc(event, arguments):
    """Audit hook: the code of this project opens nothing in /proc."""
    if event == "open" and str(arguments[0]).startswith("/proc/"):
        frame = sys._getframe(1)
        while frame and ("/lib/python" in frame.f_code.co_filename or frame.f_code.co_filename.startswith("<")):
            frame = None if "site-packages" in frame.f_code.co_filename else frame.f_back
        if frame and OURS.search(frame.f_code.co_filename):
            raise FileNotFoundError(2, "there is no /proc here", arguments[0])


def refuse_open_files(function):
    """A function of `os` that refuses a path of which this process has an open file or a memory map."""

    def refusing(*paths, **options):
        maps = Path("/proc/self/maps").read_text(encoding="utf-8")
        for path in filter(Path.is_file, map(Path, paths)):
            for descriptor in Path("/proc/self/fd").iterdir():
                if descriptor.exists() and descriptor.samefile(path):
                    raise PermissionError(13, "open, so it can be neither replaced nor removed", str(path))
            if str(path.resolve()) in maps:
                raise PermissionError(13, "mapped, so it can be neither replaced nor removed", str(path))
        return function(*paths, **options)

    return refusing


if any(word.startswith("stages.") or "pytest" in word for word in sys.orig_argv):
    for name in ("replace", "rename", "unlink", "remove"):
        setattr(os, name, refuse_open_files(getattr(os, name)))
    sys.addaudithook(refuse_proc)
    remove_unix()
