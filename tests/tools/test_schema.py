"""Editors are told by params.schema.json what the reader of params.yaml would say."""

import json

import jsonschema
import project
import pytest
from pydantic import ValidationError

from stages.evaluate import evaluate
from stages.fetch import fetch
from stages.pipeline import params
from stages.plot import plot
from stages.preprocess import preprocess
from stages.train import train
from tools import docs

SCHEMA = json.loads(docs.schema())
CONTENT, _ = params.load(project.ROOT / "params.yaml")
WRONG = [-1, -0.5, 0, 1, 0.5, 10**30, True, None, "", "relu", "1", [], [0], [1] * 20, {}]  # each so for some key


def valid(content):
    return jsonschema.Draft7Validator(SCHEMA).is_valid(content)


def test_the_committed_file_is_valid_and_names_the_schema():
    assert valid(CONTENT)
    first, *_ = (project.ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()
    assert first == "# yaml-language-server: $schema=params.schema.json"


@pytest.mark.parametrize("function", [fetch, preprocess, train, evaluate, plot])
def test_the_schema_and_the_reader_agree(function):
    name, section = function.__name__, CONTENT[function.__name__]
    refused = 0
    for key in section:
        for value in WRONG:
            other = {**section, key: value}
            try:
                params.schema_of(function).model_validate(other)
                accepted = True
            except ValidationError:
                accepted = False
            assert valid({**CONTENT, name: other}) == accepted, (key, value)
            refused += not accepted
        assert not valid({**CONTENT, name: {other: section[other] for other in section if other != key}})
        assert SCHEMA["properties"][name]["properties"][key]["description"]
    assert refused > len(section)
    assert not valid({**CONTENT, name: {**section, "unknown": 1}})
    assert SCHEMA["properties"][name]["description"].endswith(".")


def test_sections_are_known_too():
    assert not valid({**CONTENT, "unknown": {}})
    assert not valid({name: CONTENT[name] for name in ("fetch", "train")})
