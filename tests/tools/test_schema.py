"""params.schema.json tells an editor what the reader of params.yaml would say, in the words of its comments."""

import json
from copy import deepcopy

import jsonschema
import pytest
from pydantic import ValidationError

from stages.pipeline import params
from stages.validate import STAGES
from tests.helpers import project
from tools.docs import schema

SCHEMA = json.loads(schema.schema(project.ROOT))
READER = params.schema_of(STAGES)
TEXT = (project.ROOT / "params.yaml").read_text(encoding="utf-8")
CONTENT, LINES = params.load(project.ROOT / "params.yaml")
PLACES = [place for place in LINES if place and isinstance(place[-1], str)]  # sections, groups and keys
WRONG = [-1, -0.5, 0, 1, 0.5, 10**30, True, None, "", "relu", "1", [], [0], [1] * 20, {}]  # each is wrong for some key


def valid(content):
    return jsonschema.Draft7Validator(SCHEMA).is_valid(content)


def accepted(content):
    try:
        READER.model_validate(content)
    except ValidationError:
        return False
    return True


def changed(place, change):
    """The committed content after a change to the mapping that has the value at a place."""
    content = deepcopy(CONTENT)
    parent = content
    for key in place[:-1]:
        parent = parent[key]
    change(parent)
    return content


def keys(schema, place=()):
    """The schema of every key, by its place."""
    for option in (schema, *schema.get("anyOf", [])):
        for key, value in option.get("properties", {}).items():
            yield (*place, key), value
            yield from keys(value, (*place, key))


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_the_schema_and_the_reader_agree(place):
    contents = [changed(place, lambda parent, value=value: parent.update({place[-1]: value})) for value in WRONG]
    contents += [changed(place, lambda parent: parent.pop(place[-1]))]
    contents += [changed(place, lambda parent: parent.update(unknown=1))]
    answers = [accepted(content) for content in contents]
    assert [valid(content) for content in contents] == answers
    assert answers[-2:] == [False, False]
    assert not all(answers[:-2])


def test_every_key_has_the_comment_above_it_or_above_its_group_as_its_description():
    described = {place: schema["description"] for place, schema in keys(SCHEMA)}
    assert sorted(described) == sorted(PLACES)
    assert all(text.endswith(".") and "#" not in text for text in described.values())
    assert TEXT.splitlines()[0] == "# yaml-language-server: $schema=params.schema.json"
    assert (project.ROOT / "params.schema.json").read_text() == schema.schema(project.ROOT), "run `make docs`"
    comment = "Maximum rotation in either direction, in degrees."
    assert described["train", "augmentation", "rotation"] == comment
    assert f"    # {comment}\n    rotation: " in TEXT
    assert described["train", "activation"] == described["train", "hidden"] != described["train", "epochs"]


def test_comments_name_the_choices_of_their_keys():
    """All of them, in the order of the table, and no others."""
    choices = {place: schema for place, schema in keys(SCHEMA) if "enum" in schema}
    assert len(choices) == 4
    for place, described in choices.items():
        *others, last = described["enum"]
        assert f" {', '.join(others)} or {last}." in described["description"], place
