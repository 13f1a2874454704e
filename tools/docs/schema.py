"""params.schema.json, for editors that complete, check and explain params.yaml.

Types, bounds and choices are those of the signatures of the stages, descriptions the comments in params.yaml.
"""

import json
import re
from pathlib import Path
from typing import Any

from stages.pipeline.params import schema_of
from stages.pipeline.yaml_reader import Place
from stages.validate import STAGES


def schema(root: Path) -> str:
    """Return the text of params.schema.json."""
    content = schema_of(STAGES).model_json_schema()
    content = {"$schema": "http://json-schema.org/draft-07/schema#", **resolve(content, content["$defs"])}
    describe(content, (), comments((root / "params.yaml").read_text(encoding="utf-8")))
    return json.dumps(content, indent=2) + "\n"


def resolve(schema: Any, definitions: dict[str, Any]) -> Any:
    """Return a schema with every reference replaced by its definition, and without titles, which only repeat keys."""
    if isinstance(schema, list):
        return [resolve(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return resolve(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {key: resolve(value, definitions) for key, value in schema.items() if key not in ("$defs", "title")}


def describe(schema: dict[str, Any], place: Place, words: dict[Place, str]) -> None:
    """Add a description to every key below `place`."""
    for option in (schema, *schema.get("anyOf", [])):
        option.pop("description", None)  # of a class
        for key, value in option.get("properties", {}).items():
            describe(value, (*place, key), words)
            value["description"] = words[*place, key]


def comments(text: str) -> dict[Place, str]:
    """Return the comment on each key of a YAML file: the one directly above it, or above the group that it is in."""
    found: dict[Place, str] = {}
    place: Place = ()
    for block, group in re.findall(r"^((?: *#.*\n)*)((?: *(?:[\w-]+:|- ).*\n)+)", text, re.MULTILINE):
        words = " ".join(line.strip(" #") for line in block.splitlines())
        for indent, key in re.findall(r"^( *)([\w-]+):", group, re.MULTILINE):
            place = (*place[: len(indent) // 2], key)
            found[place] = words
    return found
