"""Read YAML by the core schema of version 1.2, as DVC does: `1e-3` is a number, `yes` is text, `010` is ten.

PyYAML parses the text, but its loaders follow version 1.1, so the values are built here: mappings with text as keys,
lists, text, numbers, booleans and null, nothing else. The line of every value is recorded for error messages.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 2**20  # a file written by hand is far smaller
MAX_DEPTH = 20  # neither params.yaml nor the catalog needs more than five levels

Place = tuple[str | int, ...]  # the keys and indices that lead to a value, such as ("train", "hidden", 0)
Lines = dict[Place, int]  # the line, counted from 1, of the value at a place

# What text without quotes means (https://yaml.org/spec/1.2.2/#103-core-schema); what matches nothing here is text.
CORE_SCHEMA: list[tuple[str, Callable[[str], Any]]] = [
    (r"null|Null|NULL|~|", lambda text: None),
    (r"true|True|TRUE", lambda text: True),
    (r"false|False|FALSE", lambda text: False),
    (r"[-+]?[0-9]{1,4000}", int),  # Python converts no more digits; a longer number becomes an infinite float
    (r"0o[0-7]+|0x[0-9a-fA-F]+", lambda text: int(text, 0)),
    (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", float),
    (r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", lambda text: float(text.replace(".", ""))),
]
VALUE_EVENTS = (yaml.NodeEvent, yaml.CollectionEndEvent)  # all but the starts and ends of documents


def load(path: Path) -> tuple[dict[str, Any], Lines]:
    """Return the mapping in the YAML file at `path`, and the line of every value in it.

    Raises ValueError, in one line, when it is no mapping, not UTF-8, larger than 1 MiB or refused by `parse`;
    FileNotFoundError when it is missing.
    """
    restore = f"`git restore {path}` restores the committed file"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; {restore}")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: larger than {MAX_BYTES} bytes")
    try:
        content, lines = parse(path.read_text(encoding="utf-8"), path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text, at byte {error.start}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must be a mapping of keys to values; {restore}")
    return content, lines


def parse(text: str, name: Path | str) -> tuple[Any, Lines]:
    """Return the value of a YAML text, None if it is empty, and the line of every value in it.

    Raises ValueError, in one line that starts with `name`, for a syntax error, a key that is given twice or is not
    text, an alias, a tag, a second document, and more than 20 levels.
    """
    lines: Lines = {}
    events: Any = (event for event in yaml.parse(text, yaml.SafeLoader) if isinstance(event, VALUE_EVENTS))

    def value(event: Any, place: Place) -> Any:
        """Return the value that starts with `event`, and record the line of everything in it."""
        lines.setdefault(place, event.start_mark.line + 1)
        if len(place) > MAX_DEPTH:
            raise problem(event, f"nested too deeply; at most {MAX_DEPTH} levels are accepted")
        if isinstance(event, yaml.AliasEvent) or event.anchor or event.tag:
            raise problem(event, "aliases (&x, *x) and tags (!x) are not accepted; write the value out")
        if isinstance(event, yaml.ScalarEvent):
            return scalar(event.value) if event.implicit[0] else event.value  # implicit: without quotes
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                items.append(value(event, (*place, len(items))))
            return items
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = value(event, place)
            if not isinstance(key, str):
                raise problem(event, "a key must be text")
            below = (*place, key)
            if key in mapping:
                raise problem(event, f"{dotted(below)} is given twice, first on line {lines[below]}")
            lines[below] = event.start_mark.line + 1
            mapping[key] = value(next(events), below)
        return mapping

    try:
        start = next(events, None)
        content = value(start, ()) if start else None
        if start := next(events, None):
            raise problem(start, "a second document (---) is not accepted")
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{name}{line}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{name}: {str(error).splitlines()[0]}") from None
    return content, lines


def scalar(text: str) -> Any:
    """Return what text without quotes means."""
    return next((value(text) for pattern, value in CORE_SCHEMA if re.fullmatch(pattern, text)), text)


def problem(event: Any, text: str) -> yaml.MarkedYAMLError:
    """Return an error that names the line of an event."""
    return yaml.MarkedYAMLError(problem=text, problem_mark=event.start_mark)


def dotted(place: Place) -> str:
    """Return a place as `train.hidden[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
