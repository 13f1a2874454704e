"""YAML is read by the core schema of version 1.2, as DVC reads it; anything that settings do not need is refused."""

import re

import pytest
from dvc.utils.serialize import parse_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.pipeline.yaml_reader import load, parse
from tests.helpers import project


def dvc(text):
    """What DVC, which uses ruamel.yaml, reads in a text."""
    return parse_yaml(text, "text", typ="safe")


def same(one, other):
    return repr(one) == repr(other)  # of the same type, too; nan is nan


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, None) for text in ("", "~", "null", "Null", "NULL")),
        *((text, True) for text in ("true", "True", "TRUE")),
        *((text, False) for text in ("false", "False", "FALSE")),
        *((text, text) for text in ("yes", "no", "on", "off", "y", "nULL", "tRue", "1:30", "2020-01-01", "<<", "=")),
        *((text, text) for text in ("1_000", "0X1F", "0O10", "0b11", "-0x1F", "1e", "e1", ".", "+", "-.nan")),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-12", -12),
        ("+1", 1),
        ("1e-3", 0.001),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5E+1", -5.0),
        ("12e03", 12000.0),
        (".inf", float("inf")),
        ("-.INF", float("-inf")),
        (".NaN", float("nan")),
        ("1" * 5000, float("inf")),
    ],
)
def test_the_core_schema(text, value):
    read, _ = parse(f"a: {text}\nb: [{text}]\nc: '{text}'\n", "text")
    assert same(read, {"a": value, "b": [value] if text else [], "c": text})


@pytest.mark.parametrize("name", ["params.yaml", "data/catalog.yaml", "dvc.yaml", "dvc.lock"])
def test_the_files_of_the_project_are_read_as_dvc_reads_them(name):
    assert same(load(project.ROOT / name)[0], dvc((project.ROOT / name).read_text(encoding="utf-8")))


def test_lines():
    _, lines = parse("# comment\na:\n  b: [1,\n    2]\nc:\n- d: 1\n  e: 2\n", "text")
    first = {(): 2, ("a",): 2, ("a", "b"): 3, ("a", "b", 0): 3, ("a", "b", 1): 4}
    assert lines == first | {("c",): 5, ("c", 0): 6, ("c", 0, "d"): 6, ("c", 0, "e"): 7}


HOSTILE = [
    ("", "a.yaml: must be a mapping of keys to values; `git restore "),
    ("- a\n- b\n", "a.yaml: must be a mapping of keys to values"),
    (b"train:\n  x: \xff\n", "a.yaml line 2: a control character, or not UTF-8; remove"),
    ("train:\n  x: 1\n".encode("utf-16"), "a.yaml line 1: a control character, or not UTF-8"),
    ("train:\n\tx: 1\n", "a.yaml line 2: found character '\\t' that cannot start any token"),
    ("a: 1\n---\nb: 2\n", "a.yaml line 2: a second document (---); remove it"),
    ("a:\n<<<<<<< HEAD\n  b: 1\n=======\n  b: 2\n>>>>>>> c\n", "a.yaml line 2: a merge conflict; keep one of the two"),
    ("a: [1\n", "a.yaml line 2: expected ',' or ']'"),
    ("a: b: c\n", "a.yaml line 1: mapping values are not allowed here"),
    ("train:\n  seed: 1\n  seed: 2\n", "a.yaml line 3: train.seed is given twice, first on line 2"),
    ("train:\n- {seed: 1, 'seed': 2}\n", "a.yaml line 2: train[0].seed is given twice, first on line 2"),
    ("train: &a\n  x: 1\nplot: *a\n", "a.yaml line 1: aliases (&x, *x) and tags (!x) are not accepted; write"),
    ("a: !!python/object/apply:os.system [exit]\n", "a.yaml line 1: aliases (&x, *x) and tags (!x) are not accepted"),
    ("a: " + "[" * 10000 + "]" * 10000, "a.yaml line 1: nested too deeply; at most 20 levels are accepted"),
    ("? [1, 2]\n: 3\n", "a.yaml line 1: a key must be text"),
    ("a: 1\n5: 3\n", "a.yaml line 2: a key must be text"),
]


@pytest.mark.parametrize(("text", "message"), HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_not_a_settings_file_is_refused_in_one_line(text, message, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        load(path)
    assert "\n" not in str(raised.value)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("train:seed [1]{}\n -&*!#'\"\t%@|>?,ab~"), max_size=40))
def test_any_text_is_a_mapping_or_one_line_says_why_not(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text)
    try:
        content, lines = load(path)
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert same(content, dvc(text))
        assert all((key,) in lines for key in content)
