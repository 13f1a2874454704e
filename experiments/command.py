"""What the commands of experiments/ have in common: one at a time, and one clear line when something is wrong."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.pipeline import stage

LOCK = Path("data/.experiments.lock")
NAME = "experiments"  # before each message


@contextmanager
def command() -> Iterator[None]:
    """Run the block as the only writer of the results; if it fails, end the process with a line and an exit code."""
    try:
        signal.signal(signal.SIGTERM, stage.terminate)
        stage.check_directory()
        with stage.lock(LOCK):
            yield
    except KeyboardInterrupt:
        stage.fail(NAME, "interrupted; run the same command to resume", 130)
    except stage.EXPECTED as error:
        if os.environ.get("TRACEBACK"):
            raise
        stage.fail(NAME, stage.describe(error), 1)
