"""Python imports this when it starts with this directory on PYTHONPATH: checkpoints are saved after every epoch."""

from stages.pipeline import checkpoint

checkpoint.SECONDS = 0.0
