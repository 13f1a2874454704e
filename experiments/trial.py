"""A trial is one training run, as a value: its key says what it computes, its row what came of it."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from stages.pipeline import files

# The digest of everything that preprocessing and training compute: it changes only when some of their bytes change.
# tests/exact/digest.py computes it.
BEHAVIOR = Path(__file__).with_name("behavior.txt").read_text(encoding="utf-8").strip()
# Each parameter accepts at most one of these, so a key can leave it out.
NEUTRAL: tuple[Any, ...] = (None, False, 0, [])
RETRYABLE = "lost: "  # before the problem of a trial that may succeed the next time
NO_EFFECT = {"blas_threads", "directory"}  # parameters that change no result

Sections = dict[str, dict[str, Any]]  # of params.yaml: fetch, preprocess and train


@dataclass(frozen=True)
class Trial:
    """A training run, with all that its result depends on but the code."""

    name: str  # of its recipe or sweep
    settings: Sections
    data: list[Any]  # the classes of the dataset, and the SHA-256 of its four files
    tested: bool = False  # also scored on the test images
    values: dict[str, Any] = field(default_factory=dict, compare=False)  # of the axes of a sweep

    @property
    def seed(self) -> int:
        """The seed of the section `train`."""
        return int(self.settings["train"]["seed"])

    @cached_property
    def key(self) -> str:
        """The digest of what the result depends on.

        Parameters at their neutral value are left out, so a new one changes no key.
        """
        sections = [without_neutral(self.settings[name]) for name in ("preprocess", "train")]
        return digest([BEHAVIOR, self.data, *sections])

    @property
    def cells(self) -> dict[str, Any]:
        """The values as cells of a table: text and fractions unchanged, everything else as in YAML."""
        return {axis: v if isinstance(v, (str, float)) else json.dumps(v) for axis, v in self.values.items()}

    def __str__(self) -> str:
        return ", ".join([self.name, *(f"{axis} {cell}" for axis, cell in self.cells.items()), f"seed {self.seed}"])


@dataclass(frozen=True)
class Row:
    """The outcome of a trial. Accuracies are fractions; None where there are no images or the trial failed."""

    recipe: str  # or sweep
    seed: int
    key: str
    validation_accuracy: float | None = None
    validation_loss: float | None = None
    test_accuracy: float | None = None
    tta_accuracy: float | None = None  # with test-time augmentation
    seconds: float | None = None  # of training, and of scoring after each epoch
    behavior: str = BEHAVIOR[:8]
    model: str = ""  # the first 16 digits of the SHA-256 of all weights and biases
    worker: str = ""
    problem: str = ""  # why it failed, in one line

    @property
    def is_lost(self) -> bool:
        """True if the trial may succeed the next time."""
        return self.problem.startswith(RETRYABLE)

    @property
    def is_stale(self) -> bool:
        """True if today's code computes something else."""
        return self.behavior != BEHAVIOR[:8]

    def answers(self, trial: Trial) -> bool:
        """Return True if this is the final result of the trial, whatever its recipe was called."""
        complete = bool(self.problem) or self.test_accuracy is not None or not trial.tested
        return self.key == trial.key and complete and not self.is_lost


def without_neutral(settings: Any) -> Any:
    """Return settings without the parameters that are neutral or change no result, at every depth."""
    if not isinstance(settings, dict):
        return settings
    return {
        name: without_neutral(value)
        for name, value in settings.items()
        if value not in NEUTRAL and name not in NO_EFFECT
    }


def digest(value: Any) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def code_digest(places: Iterable[str]) -> str:
    """Return a digest of the source files in these places, each a file or a directory."""
    paths = [path for place in map(Path, places) for path in ([place] if place.suffix else place.rglob("*.py"))]
    return digest([[path.as_posix(), files.digest(path)] for path in sorted(paths)])[:8]
