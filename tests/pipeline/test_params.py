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
COMMITTED = (Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8")


def line_of(key):
    """The line, counted from 1, of the first key of this name."""
    return next(n for n, line in enumerate(COMMITTED.splitlines(), 1) if line.lstrip().startswith(f"{key}:"))


def changed(key, value):
    """The committed file with another value for the first key of this name; None removes the key."""
    lines = COMMITTED.splitlines()
    indent = lines[line_of(key) - 1].partition(key)[0]
    lines[line_of(key) - 1 : line_of(key)] = [] if value is None else [f"{indent}{key}: {value}"]
    return "\n".join(lines) + "\n"


def problems(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        params.check(STAGES)
    except ValueError as error:
        return str(error).splitlines()
    return []


def test_the_committed_file_is_valid(tmp_path, monkeypatch):
    assert problems(COMMITTED, tmp_path, monkeypatch) == []


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
def test_accepted(key, value, tmp_path, monkeypatch):
    assert problems(changed(key, value), tmp_path, monkeypatch) == []


def test_without_augmentation(tmp_path, monkeypatch):
    text = re.sub(r"  augmentation:\n(    .*\n|\n(?=    ))+", "  augmentation: null\n", COMMITTED)
    assert problems(text, tmp_path, monkeypatch) == []
    assert params.read(train)["augmentation"] is None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("learning_rate", '"0.1"', 'must be a number, got "0.1"'),
        ("learning_rate", "0,1", 'must be a number, got "0,1"'),
        ("learning_rate", ".nan", "must be a finite number, got NaN"),
        ("learning_rate", ".inf", "must be a finite number, got Infinity"),
        ("learning_rate", "-0.1", "must be > 0, got -0.1"),
        ("learning_rate", "1e9", "must be <= 1000, got 1000000000.0"),
        ("learning_rate", "null", "must be a number, got null"),
        ("batch_size", "1_000", 'must be a whole number, got "1_000"'),
        ("batch_size", "0", "must be >= 1, got 0"),
        ("batch_size", "10.5", "must be a whole number, got 10.5"),
        ("batch_size", "true", "must be a whole number, got true"),
        ("epochs", str(2**63), f"must be <= 100000, got {2**63}"),
        ("momentum", "1", "must be < 1, got 1"),
        ("deskew", "yes", 'must be true or false, got "yes"'),
        ("activation", "relU", ACTIVATION + '"relU"'),
        ("activation", "null", ACTIVATION + "null"),
        ("hidden", "128", "must be a list, got 128"),
        ("directory", '""', 'must not be empty, got ""'),
        ("dataset", "5", "must be text, got 5"),
        ("rotation", "181", "must be <= 180, got 181"),
    ],
)
def test_refused(key, value, message, tmp_path, monkeypatch):
    (problem,) = problems(changed(key, value), tmp_path, monkeypatch)
    section = {
        **dict.fromkeys(["dataset", "directory"], "fetch"),
        **dict.fromkeys(["deskew", "validation_size"], "preprocess"),
        **dict.fromkeys(["rotation", "elastic"], "train.augmentation"),
    }
    assert problem == f"{section.get(key, 'train')}.{key}: {message} (params.yaml line {line_of(key)})"


@pytest.mark.parametrize("value", ["null", "-1", "1.0", '"42"', "true", str(2**200)])
def test_a_seed_is_a_whole_number_and_never_left_to_chance(value, tmp_path, monkeypatch):
    (problem,) = problems(changed("seed", value), tmp_path, monkeypatch)
    assert problem.startswith("preprocess.seed: must be ")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[0]", "train.hidden[0]: must be >= 1, got 0"),
        ("[128, -5]", "train.hidden[1]: must be >= 1, got -5"),
        ('[128, "64"]', 'train.hidden[1]: must be a whole number, got "64"'),
        ("[1000000000]", "train.hidden[0]: must be <= 65536, got 1000000000"),
        (str([1] * 17), "train.hidden: must have at most 16 items, got 17"),
    ],
)
def test_hidden_layers(value, message, tmp_path, monkeypatch):
    (problem,) = problems(changed("hidden", value), tmp_path, monkeypatch)
    assert problem == f"{message} (params.yaml line {line_of('hidden')})"


def test_all_problems_are_reported_at_once_with_suggestions(tmp_path, monkeypatch):
    text = re.sub(r"  epochs: \d+", "  learnig_rate: 0.1\n  epochs: -1", changed("learning_rate", None))
    text = text.replace("    rotation: 4.0", "    rotatoin: 4.0\n    dropout: 1")
    found = problems(text + "tran:\n  x: 1\n", tmp_path, monkeypatch)
    lines = text.splitlines()
    start = {
        key: next(i for i, line in enumerate(lines, 1) if line.strip().startswith(key))
        for key in ("train:", "epochs:", "learnig_rate:", "augmentation:", "rotatoin:", "dropout: 1")
    }
    assert sorted(found) == sorted(
        [
            f"train.epochs: must be >= 1, got -1 (params.yaml line {start['epochs:']})",
            f"train.learning_rate: is missing (params.yaml line {start['train:']})",
            f"train.learnig_rate: unknown, did you mean learning_rate? (params.yaml line {start['learnig_rate:']})",
            f"train.augmentation.rotation: is missing (params.yaml line {start['augmentation:']})",
            f"train.augmentation.rotatoin: unknown, did you mean rotation? (params.yaml line {start['rotatoin:']})",
            f"train.augmentation.dropout: unknown (params.yaml line {start['dropout: 1']})",
            f"tran: unknown, did you mean train? (params.yaml line {len(lines) + 1})",
        ]
    )


def test_a_key_that_is_gone_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(params.GONE, "train.rate", "it is train.learning_rate now; rename it")
    (problem,) = problems(COMMITTED.replace("\ntrain:\n", "\ntrain:\n  rate: 0.1\n"), tmp_path, monkeypatch)
    expected = "train.rate: unknown, it is train.learning_rate now; rename it (params.yaml line "
    assert problem == f"{expected}{line_of('train') + 1})"


@pytest.mark.parametrize("value", ["null", "5", "[1]"])
def test_a_section_that_is_not_a_mapping(value, tmp_path, monkeypatch):
    assert problems(f"train: {value}\n", tmp_path, monkeypatch)[2] == (
        f"train: must be a mapping of keys to values, got {value} (params.yaml line 1)"
    )


def test_a_missing_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"params.yaml: not found; `git restore params.yaml` restores"):
        params.check(STAGES)


def test_read_returns_one_section_and_ignores_the_others(tmp_path, monkeypatch):
    problems(changed("learning_rate", "-1"), tmp_path, monkeypatch)
    assert params.read(evaluate) == {"calibration_bins": 15, "blas_threads": 1}
    with pytest.raises(ValueError, match=r"^train.learning_rate: must be > 0, got -1 \(params.yaml line \d+\)$"):
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
