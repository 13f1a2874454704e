"""Reject a bad params.yaml before anything is touched.

DVC deletes the outputs of a stage before it runs the stage, so a bad value found in `train` would already have cost
the model. This stage checks every section first, and looks up the data set in the catalog. It is the only stage that
imports the others: their signatures are what it checks against.
"""

from stages.evaluate import evaluate
from stages.fetch import fetch, find_dataset
from stages.pipeline import files, params, stage
from stages.plot import plot
from stages.preprocess import preprocess
from stages.train import train


def validate() -> None:
    """Check all of params.yaml; write data/validated, always with the same content, so that nothing else reruns."""
    settings = params.check([fetch, preprocess, train, evaluate, plot])
    find_dataset(settings["fetch"]["dataset"])
    files.write_text("data/validated", "params.yaml is valid\n")


if __name__ == "__main__":
    stage.run(validate)
