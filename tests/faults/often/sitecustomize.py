"""Python loads this at its start where this directory is on PYTHONPATH: checkpoints are kept after every epoch."""

from stages.pipeline import checkpoint

checkpoint.SECONDS = 0.0
