"""params.yaml is read strictly, as DVC reads it; every problem is one line that says which, what and where."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.evaluate import evaluate
from stages.fetch import fetch
from stages.pipeline import params
from stages.plot import plot
from stages.preprocess import preprocess
from stages.train import train

STAGES = [fetch, preprocess, train, evaluate, plot]
COMMITTED = (Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8")


def line_of(key):
    return next(number for number, line in enumerate(COMMITTED.splitlines(), 1) if line.startswith(f"  {key}: "))


def changed(key, value):
    """The committed file with another value for the first key of this name; None removes the key."""
    lines = COMMITTED.splitlines()
    lines[line_of(key) - 1 : line_of(key)] = [] if value is None else [f"  {key}: {value}"]
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


def limits(schema):
    """The bounds and the choices of a value, its items included, as a comment should name them."""
    for key, value in schema.items():
        if key in ("minimum", "maximum", "maxItems"):
            yield f"{value:.12g}"
        elif key == "exclusiveMinimum":
            yield f"above {value:.12g}"
        elif key == "exclusiveMaximum":
            yield str(value - 1) if schema["type"] == "integer" else f"below {value:.12g}"
        elif key == "enum":
            yield from value
        elif key == "type" and value in ("boolean", "null"):
            yield from {"boolean": ["true", "false"], "null": ["null"]}[value]
        elif key == "anyOf":
            for one in value:
                yield from limits(one)
        elif key == "items":
            yield from limits(value)


@pytest.mark.parametrize("function", STAGES)
def test_every_key_is_commented_with_its_range_or_its_choices(function):
    (section,) = re.findall(rf"^{function.__name__}:\n((?:  .*\n)+)", COMMITTED, re.MULTILINE)
    comments = dict(re.findall(r"^  (\w+): .*?  # (.+)$", section, re.MULTILINE))
    properties = params.schema_of(function).model_json_schema()["properties"]
    assert list(comments) == list(properties)
    for key, schema in properties.items():
        for limit in limits(schema):
            assert re.search(rf"\b{limit}\b", comments[key]), f"{key}: its comment does not say {limit}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", "1e-3"),
        ("learning_rate", "1"),
        ("hidden", "[]"),
        ("hidden", "[256, 128]"),
        ("batch_size", "null"),
        ("clip_norm", "1.0"),
        ("directory", "/data/mnist"),
        ("batch_size", "0x10"),
        ("batch_size", "010"),  # ten, in YAML 1.2
        ("batch_size", "1_000"),
    ],
)
def test_accepted(key, value, tmp_path, monkeypatch):
    assert problems(changed(key, value), tmp_path, monkeypatch) == []


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("learning_rate", '"0.1"', 'must be a number, got "0.1"'),
        ("learning_rate", "0,1", 'must be a number, got "0,1"'),
        ("learning_rate", "1:30", 'must be a number, got "1:30"'),
        ("learning_rate", ".nan", "must be a finite number, got NaN"),
        ("learning_rate", ".inf", "must be a finite number, got Infinity"),
        ("learning_rate", "1e400", "must be a finite number, got Infinity"),
        ("learning_rate", "0", "must be > 0, got 0"),
        ("learning_rate", "-0.1", "must be > 0, got -0.1"),
        ("learning_rate", "1e9", "must be <= 1000, got 1000000000.0"),
        ("learning_rate", "null", "must be a number, got null"),
        ("learning_rate", "2020-01-01", 'must be a number, got "2020-01-01"'),
        ("batch_size", "0", "must be >= 1, got 0"),
        ("batch_size", "-1", "must be >= 1, got -1"),
        ("batch_size", "10.5", "must be a whole number, got 10.5"),
        ("batch_size", "1e2", "must be a whole number, got 100.0"),
        ("batch_size", "true", "must be a whole number, got true"),
        ("epochs", "1" + "0" * 30, "must be <= 100000, got 1" + "0" * 30),
        ("epochs", str(2**63), f"must be <= 100000, got {2**63}"),
        ("epochs", "[1]", "must be a whole number, got [1]"),
        ("momentum", "1", "must be < 1, got 1"),
        ("deskew", "yes", 'must be true or false, got "yes"'),
        ("deskew", "1", "must be true or false, got 1"),
        ("activation", "relU", 'must be one of relu, leaky_relu, tanh or sigmoid, got "relU"'),
        ("activation", "on", 'must be one of relu, leaky_relu, tanh or sigmoid, got "on"'),
        ("activation", "0x1F", "must be one of relu, leaky_relu, tanh or sigmoid, got 31"),
        ("activation", "null", "must be one of relu, leaky_relu, tanh or sigmoid, got null"),
        ("hidden", "128", "must be a list, got 128"),
        ("directory", '""', 'must not be empty, got ""'),
        ("dataset", "5", "must be text, got 5"),
        ("validation_size", "-1", "must be >= 0, got -1"),
    ],
)
def test_refused(key, value, message, tmp_path, monkeypatch):
    (told,) = problems(changed(key, value), tmp_path, monkeypatch)
    section = {"dataset": "fetch", "directory": "fetch", "deskew": "preprocess", "validation_size": "preprocess"}
    assert told == f"{section.get(key, 'train')}.{key}: {message} (params.yaml line {line_of(key)})"


@pytest.mark.parametrize("value", ["null", "-1", "1.0", '"42"', "true", str(2**200)])
def test_a_seed_is_a_whole_number_and_never_left_to_chance(value, tmp_path, monkeypatch):
    (told,) = problems(changed("seed", value), tmp_path, monkeypatch)
    assert told.startswith("preprocess.seed: must be ")


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
    (told,) = problems(changed("hidden", value), tmp_path, monkeypatch)
    assert told == f"{message} (params.yaml line {line_of('hidden')})"


def test_a_missing_key_a_misspelled_one_and_a_wrong_one_are_all_told(tmp_path, monkeypatch):
    text = re.sub(r"  epochs: \d+", "  learnig_rate: 0.1\n  epochs: -1", changed("learning_rate", None))
    told = problems(text + "tran:\n  x: 1\n", tmp_path, monkeypatch)
    assert len(told) == 4
    assert told[0].startswith("tran: unknown section, did you mean train? (params.yaml line ")
    assert any(line.startswith("train.epochs: must be >= 1, got -1 (params.yaml line ") for line in told)
    assert any(line.startswith("train.learning_rate: is missing (params.yaml line ") for line in told)
    assert any(
        line == f"train.learnig_rate: unknown, did you mean learning_rate? (params.yaml line {line_of('epochs')})"
        for line in told
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "params.yaml: nothing in it; `git restore params.yaml` brings the committed one back"),
        ("# only this\n", "params.yaml: nothing in it"),
        ("- a\n- b\n", "params.yaml: must be a mapping of keys to values, got"),
        ("5\n", "params.yaml: must be a mapping of keys to values, got 5"),
        (b"train:\n  x: \xff\n", "params.yaml: not UTF-8 text, at byte 12"),
        ("train:\n  x: 1\n".encode("utf-16"), "params.yaml: not UTF-8 text, at byte 0"),
        (b"train: \0\n", "params.yaml: "),
        ("train:\n\tx: 1\n", "params.yaml line 2: "),
        ("a: 1\n---\nb: 2\n", "params.yaml line "),
        ("a: [1\n", "params.yaml line "),
        ("train:\n  seed: 1\n  seed: 2\n", "params.yaml: train.seed is given twice (lines 2 and 3)"),
        ("train: &a\n  x: 1\nplot: *a\n", "aliases (&name, *name) are not accepted; write the value out"),
        ("a: &a [*a]\n", "aliases (&name, *name) are not accepted"),
        ("a: " + "[" * 30 + "]" * 30, "params.yaml line 1: nested too deeply; at most 20 levels are accepted"),
        ("a: " + "[" * 10000 + "]" * 10000, "nested too deeply; at most 20 levels are accepted"),
        ("? [1, 2]\n: 3\n", "params.yaml line 1: a key must be text"),
        ("x: " + "y" * 2**20, "params.yaml: larger than 1048576 bytes"),
    ],
    ids=lambda value: None if len(value) < 40 else "text",
)
def test_a_file_that_is_no_params_file(text, message, tmp_path, monkeypatch):
    (told,) = problems(text, tmp_path, monkeypatch)
    assert message in told


def test_a_tag_is_refused_and_never_executed(tmp_path, monkeypatch):
    text = changed("dataset", '!!python/object/apply:os.system ["touch executed"]')
    assert problems(text, tmp_path, monkeypatch)
    assert not Path("executed").exists()


@pytest.mark.parametrize("value", ["null", "5", "[1]"])
def test_a_section_that_is_no_mapping(value, tmp_path, monkeypatch):
    assert problems(f"train: {value}\n", tmp_path, monkeypatch)[2] == (
        f"train: must be a mapping of keys to values, got {value} (params.yaml line 1)"
    )


def test_a_missing_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"params.yaml: not found; `git restore params.yaml` brings"):
        params.check(STAGES)


def test_read_gives_the_own_section_and_does_not_look_at_others(tmp_path, monkeypatch):
    problems(changed("learning_rate", "-1"), tmp_path, monkeypatch)
    assert params.read(evaluate) == {"calibration_bins": 15, "blas_threads": 1}
    with pytest.raises(ValueError, match=r"^train.learning_rate: must be > 0, got -1 \(params.yaml line \d+\)$"):
        params.read(train)


@dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.5


def test_read_as_builds_dataclasses_and_tells_where(tmp_path):
    path = tmp_path / "points.yaml"
    path.write_text("a:\n  x: 1\nb:\n  x: 2\n  y: 3.5\n")
    assert params.read_as(dict[str, Point], path) == {"a": Point(1), "b": Point(2, 3.5)}
    path.write_text("a:\n  x: 1\nb:\n  x: 2\n  y: far\n")
    with pytest.raises(ValueError, match=r"b.y: .*points.yaml line 5"):
        params.read_as(dict[str, Point], path)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("train:seed [1]{}\n -&*!#'\"\t%@|>?,ab~"), max_size=40))
def test_whatever_the_text_it_is_a_mapping_or_one_line(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text)
    try:
        content, lines = params.load(path)
    except ValueError as error:
        message = str(error)
        assert "\n" not in message
    else:
        assert isinstance(content, dict)
        assert all((key,) in lines for key in content)
