"""Python imports this when it starts with this directory on PYTHONPATH: it logs what a stage under DVC does to files.

Each line of the file that OBSERVED names is a JSON list: the stage, what it did, and the path; then, for a file that
was read, the section of params.yaml for which `params.read` opened it, and for one that was renamed, its new path.
"""

import json
import os
import sys
from pathlib import Path

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def log_event(event, arguments):
    """Audit hook: Python calls it before it opens, renames or removes a file."""
    if event == "open" and not isinstance(arguments[0], int):
        path, _, flags = arguments
        write("write", absolute(path)) if flags & WRITING else write("read", absolute(path), section())
    elif event == "os.rename":
        write("rename", absolute(arguments[0]), absolute(arguments[1]))
    elif event == "os.remove":
        write("remove", absolute(arguments[0]))


def section():
    """The section that `params.read` is about to return, or None if something else opens this file."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "read" and frame.f_globals.get("__name__") == "stages.pipeline.params":
            return frame.f_locals["function"].__name__
        frame = frame.f_back
    return None


def absolute(path):
    return str(Path.cwd() / os.fsdecode(path))


def write(*what):
    os.write(log, (json.dumps([os.environ["DVC_STAGE"], *what]) + "\n").encode())


if "OBSERVED" in os.environ and "DVC_STAGE" in os.environ:
    log = os.open(os.environ["OBSERVED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.addaudithook(log_event)
