"""Fit the network to the training digits."""

import json
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits
from tqdm import tqdm
from typing_extensions import Unpack

from stages.dataset.records import TrainingInputs
from stages.learning.data import read_split
from stages.learning.learn import Data, learn
from stages.learning.model import new_model
from stages.learning.settings import Settings
from stages.pipeline import files, paths, stage
from stages.pipeline.checkpoint import Checkpoint, key_of


def train(**settings: Unpack[Settings]) -> None:
    """Train on data/processed; write models/network.npz, reports/history.csv and reports/validation.json.

    A run that was killed is resumed by the next one with the same parameters, data and code, to the same bytes.
    """
    inputs: TrainingInputs = files.read_json(paths.INPUTS, TrainingInputs)
    data = Data(read_split("train", inputs), read_split("validation", inputs), inputs.image_shape)
    checkpoint = Checkpoint(paths.CHECKPOINT, key_of(settings, [paths.INPUTS, Path(__file__)]))
    state = checkpoint.load()
    history: list[dict[str, Any]] = json.loads(str(state["history"])) if state else []
    epochs = settings["epochs"]
    with (
        threadpool_limits(settings["blas_threads"], user_api="blas"),
        tqdm(initial=len(history), total=epochs, unit="epoch", disable=None, desc="train") as bar,
    ):
        for trained in learn(data, settings, state=state):
            history.append(trained.row)
            if len(history) < epochs:
                checkpoint.save({**trained.state, "history": json.dumps(history)})
            bar.update()
            bar.set_postfix(summary(trained.row))
        network = trained.on_pixels(settings)
        model = new_model(network, settings["activation"], inputs, data.train, data.validation)

    files.write_rows(paths.HISTORY, history)
    scores = {key: trained.row[key] for key in ("validation_accuracy", "validation_loss")}
    files.write_json(paths.VALIDATION, {key: value for key, value in scores.items() if value is not None})
    model.save(paths.MODEL)
    checkpoint.remove()
    print(f"epoch {epochs}: " + ", ".join(f"{name} {value}" for name, value in summary(trained.row).items()))


def summary(row: dict[str, Any]) -> dict[str, str]:
    """Return the entries of a history row that are worth watching."""
    names = ("batch_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    return {name.replace("_", " "): f"{row[name]:.4f}" for name in names if row[name] is not None}


if __name__ == "__main__":
    stage.run(train)
