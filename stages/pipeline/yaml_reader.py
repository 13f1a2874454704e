"""Read YAML by the core schema of version 1.2, as DVC does: `1e-3` is a number, `yes` is text, `010` is ten.

PyYAML follows version 1.1; here its loader gets the rules of 1.2. It accepts mappings with text as keys, lists, text,
numbers, booleans and null, nothing else, and records the line of every value for error messages.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

MAX_DEPTH = 20  # neither params.yaml nor the catalog needs more than five levels

Place = tuple[str | int, ...]  # the keys and indices that lead to a value, such as ("train", "hidden", 0)
Lines = dict[Place, int]  # the line, counted from 1, of the value at a place

# What text without quotes means (https://yaml.org/spec/1.2.2/#103-core-schema); what matches nothing here is text.
CORE_SCHEMA: dict[str, Callable[[str], Any]] = {
    r"null|Null|NULL|~|": lambda text: None,
    r"true|True|TRUE": lambda text: True,
    r"false|False|FALSE": lambda text: False,
    r"[-+]?[0-9]{1,4000}": int,  # Python converts no more digits; a longer number becomes an infinite float
    r"0o[0-7]+|0x[0-9a-fA-F]+": lambda text: int(text, 0),
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?": float,
    r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)": lambda text: float(text.replace(".", "")),
}


class Loader(yaml.SafeLoader):
    """A loader that records the line of every value; the line of a value in a mapping is that of its key."""

    place: Place = ()

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lines: Lines = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return the node at `index`, a number or the node of a key; of a key, `index` is None."""
        event, outside = self.peek_event(), self.place  # type: ignore[no-untyped-call]
        mark, problem = getattr(index, "start_mark", event.start_mark), ""
        if index is not None:
            self.place = (*outside, getattr(index, "value", index))
        if isinstance(index, yaml.Node) and index.tag != self.DEFAULT_SCALAR_TAG:
            problem = "a key must be text; put it in quotes"
        elif isinstance(event, yaml.AliasEvent) or event.anchor or event.tag:
            problem = "aliases (&x, *x) and tags (!x) are not accepted; write the value out"
        elif index is not None and (first := self.lines.get(self.place)):
            problem = f"{dotted(self.place)} is given twice, first on line {first}; remove one"
        elif len(self.place) > MAX_DEPTH:
            problem = f"nested too deeply; at most {MAX_DEPTH} levels are accepted"
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        self.lines.setdefault(self.place, mark.line + 1)
        node = super().compose_node(parent, index)
        self.place = outside
        return node


Loader.yaml_implicit_resolvers = {}  # those of version 1.1
for pattern, convert in CORE_SCHEMA.items():  # a tag for each, named by its pattern
    Loader.add_implicit_resolver(pattern, re.compile(rf"({pattern})\Z"), None)
    Loader.add_constructor(pattern, partial(lambda convert, loader, node: convert(node.value), convert))


def load(path: Path) -> tuple[dict[str, Any], Lines]:
    """Return the mapping in the YAML file at `path`, and the line of every value in it.

    Raises ValueError, in one line, when it is not a mapping, not UTF-8 or refused by `parse`; FileNotFoundError when it
    is missing.
    """
    restore = f"`git restore {path}` restores the committed file"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; {restore}")
    content, lines = parse(path.read_text(encoding="utf-8", errors="surrogateescape"), path)  # YAML has no surrogates
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must be a mapping of keys to values; {restore}")
    return content, lines


def parse(text: str, name: Path | str) -> tuple[Any, Lines]:
    """Return the value of a YAML text, None if it is empty, and the line of every value in it.

    Raises ValueError, in one line that starts with `name`, for a syntax error, a merge conflict, a character that YAML
    does not have, a key that is given twice or is not text, an alias, a tag, a second document, and more than 20
    levels.
    """
    if mark := re.search("^<{7} ", text, re.MULTILINE):
        line = text.count("\n", 0, mark.start()) + 1
        raise ValueError(f"{name} line {line}: a merge conflict; keep one of the two sides and remove the marks")
    try:
        loader = Loader(text)
        return loader.get_single_data(), loader.lines
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ValueError(f"{name} line {line}: a control character, or not UTF-8; remove the character") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = str(error.problem).replace("but found another document", "a second document (---); remove it")
        raise ValueError(f"{name} line {line}: {problem}") from None


def dotted(place: Place) -> str:
    """Return a place as `train.hidden[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
