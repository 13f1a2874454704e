"""Reject a bad params.yaml before anything is touched.

DVC deletes the outputs of a stage before it runs the stage, so a bad value found in `train` would already have cost
the model. This stage checks every section first, and looks up the dataset in the catalog. It is the only stage that
imports the others: their signatures are what it checks against.
"""

import sys
from collections.abc import Callable
from typing import Any

from stages.evaluate import evaluate
from stages.fetch import fetch, find_dataset
from stages.nn.optimizers import TYPICAL_RATES
from stages.page import page
from stages.pipeline import files, params, stage
from stages.plot import plot
from stages.predict import predict
from stages.preprocess import preprocess
from stages.train import train

STAGES: list[Callable[..., None]] = [fetch, preprocess, train, evaluate, plot, page, predict]


def validate() -> None:
    """Check all of params.yaml; write data/validated, always with the same content, so that nothing else reruns."""
    settings = params.check(STAGES)
    find_dataset(settings["fetch"]["dataset"])
    check_learning_rate(**settings["train"])
    files.write_text("data/validated", "params.yaml is valid\n")


def check_learning_rate(*, optimizer: str, learning_rate: float, **others: Any) -> None:
    """Warn on standard error about a learning rate that is unusual for the optimizer."""
    low, high = TYPICAL_RATES[optimizer]
    if not low <= learning_rate <= high:
        message = f"train.learning_rate is {learning_rate:g}; for {optimizer}, the usual range is {low:g} to {high:g}"
        print(f"validate: warning: {message}", file=sys.stderr)


if __name__ == "__main__":
    stage.run(validate)
