"""Waiting for what other processes do, and finding the processes that one has started."""

import subprocess
import time


def wait_for(condition):
    """Return what the condition returns as soon as that is something."""
    for _ in range(1200):
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def workers(process):
    """The ids of the worker processes that a process has started."""
    command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(process.pid)]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    return [int(line.split()[0]) for line in lines if "spawn_main" in line]
