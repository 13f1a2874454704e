"""params.yaml is read strictly; every problem is one line that says which key, what is wrong, and where."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from stages.evaluate import evaluate
from stages.pipeline import params
from stages.train import train
from stages.validate import STAGES

ACTIVATION = "must be 'relu', 'leaky_relu', 'tanh' or 'sigmoid', got "
COMMITTED = (Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8").replace("\n  - 128", " [128]")


def line_of(key):
    """The line, counted from 1, of the first key of this name."""
    return next(n for n, line in enumerate(COMMITTED.splitlines(), 1) if line.lstrip().startswith(f"{key}:"))


def changed(key, value):
    """The committed file with another value for the first key of this name; None removes the key."""
    lines = COMMITTED.splitlines()
    indent = lines[line_of(key) - 1].partition(key)[0]
    lines[line_of(key) - 1 : line_of(key)] = [] if value is None else [f"{indent}{key}: {value}"]
    return "\n".join(lines) + "\n"


@pytest.fixture
def problems(tmp_path, monkeypatch):
    """The lines of problems with a text in place of params.yaml."""
    monkeypatch.chdir(tmp_path)

    def check(text):
        Path("params.yaml").write_text(text)
        try:
            params.check(STAGES)
        except ValueError as error:
            return str(error).splitlines()
        return []

    return check


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", "1e-3"),
        ("hidden", "[]"),
        ("hidden", "[256, 128]"),
        ("directory", "/data/mnist"),
        ("batch_size", "0x10"),
        ("batch_size", "010"),  # ten, in YAML 1.2
        ("rotation", "180"),
    ],
)
def test_accepted(key, value, problems):
    assert problems(changed(key, value)) == []


def test_without_augmentation(problems):
    assert problems(re.sub(r"  augmentation:\n(    .*\n|\n(?=    ))+", "  augmentation: null\n", COMMITTED)) == []
    assert params.read(train)["augmentation"] is None


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("train.learning_rate", '"0.1"', 'must be a number, got "0.1"'),
        ("train.learning_rate", "0,1", 'must be a number, got "0,1"'),
        ("train.learning_rate", ".nan", "must be a finite number, got NaN"),
        ("train.learning_rate", "-0.1", "must be > 0, got -0.1"),
        ("train.learning_rate", "1e9", "must be <= 1000, got 1000000000.0"),
        ("train.learning_rate", "null", "must be a number, got null"),
        ("train.batch_size", "1_000", 'must be a whole number, got "1_000"'),
        ("train.batch_size", "0", "must be >= 1, got 0"),
        ("train.batch_size", "10.5", "must be a whole number, got 10.5"),
        ("train.batch_size", "true", "must be a whole number, got true"),
        ("train.epochs", str(2**63), f"must be <= 100000, got {2**63}"),
        ("train.momentum", "1", "must be < 1, got 1"),
        ("train.activation", "relU", ACTIVATION + '"relU"'),
        ("train.hidden", "128", "must be a list, got 128"),
        ("train.hidden", str([1] * 17), "must have at most 16 items, got 17"),
        ("train.hidden[1]", "[128, -5]", "must be >= 1, got -5"),
        ("train.hidden[1]", '[128, "64"]', 'must be a whole number, got "64"'),
        ("train.augmentation.rotation", "181", "must be <= 180, got 181"),
        ("preprocess.deskew", "yes", 'must be true or false, got "yes"'),
        ("preprocess.seed", "null", "must be a whole number, got null"),  # never left to chance
        ("preprocess.seed", str(2**200), f"must be < 4294967296, got {str(2**200)[:57]}..."),
        ("fetch.directory", '""', 'must not be empty, got ""'),
        ("fetch.dataset", "5", "must be text, got 5"),
    ],
)
def test_refused(place, value, message, problems):
    key = place.split(".")[-1].split("[")[0]
    assert problems(changed(key, value)) == [f"{place}: {message} (params.yaml line {line_of(key)})"]


def test_all_problems_are_reported_at_once_with_suggestions(problems):
    text = re.sub(r"  epochs: \d+", "  learnig_rate: 0.1\n  epochs: -1", changed("learning_rate", None))
    text = text.replace("    rotation: 4.0", "    rotatoin: 4.0\n    dropout: 1") + "tran:\n  x: 1\n"
    lines = text.splitlines()

    def at(start):
        return f"(params.yaml line {next(i for i, line in enumerate(lines, 1) if line.strip().startswith(start))})"

    assert sorted(problems(text)) == sorted(
        [
            f"train.epochs: must be >= 1, got -1 {at('epochs:')}",
            f"train.learning_rate: is missing {at('train:')}",
            f"train.learnig_rate: unknown, did you mean learning_rate? {at('learnig_rate:')}",
            f"train.augmentation.rotation: is missing {at('augmentation:')}",
            f"train.augmentation.rotatoin: unknown, did you mean rotation? {at('rotatoin:')}",
            f"train.augmentation.dropout: unknown {at('dropout: 1')}",
            f"tran: unknown, did you mean train? {at('tran:')}",
        ]
    )


@pytest.mark.parametrize("value", ["null", "5", "[1]"])
def test_a_section_that_is_not_a_mapping(value, problems):
    expected = f"train: must be a mapping of keys to values, got {value} (params.yaml line 1)"
    assert problems(f"train: {value}\n")[2] == expected


def test_read_returns_one_section_and_ignores_the_others(problems):
    problems(changed("learning_rate", "-1"))
    assert params.read(evaluate) == {"calibration_bins": 15, "blas_threads": 1}
    with pytest.raises(ValueError, match=r"^train.learning_rate: must be > 0, got -1 \(params.yaml line \d+\)$"):
        params.read(train)
    Path("params.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"params.yaml: not found; `git restore params.yaml` restores"):
        params.read(train)


@dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.5


def test_read_as_builds_dataclasses_and_says_which_line_is_wrong(tmp_path):
    path = tmp_path / "points.yaml"
    path.write_text("a:\n  x: 1\nb:\n  x: 2\n  y: 3.5\n")
    assert params.read_as(dict[str, Point], path) == {"a": Point(1), "b": Point(2, 3.5)}
    path.write_text("a:\n  x: 1\nb:\n  x: 2\n  y: far\n")
    with pytest.raises(ValueError, match=r"b.y: .*points.yaml line 5"):
        params.read_as(dict[str, Point], path)
