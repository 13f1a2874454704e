"""The only reader of params.yaml and of any other YAML. The signature of a function is the schema of its section.

A stage `def train(*, learning_rate: Annotated[float, Field(gt=0)], ...)` takes the section `train` of params.yaml as
its keyword arguments, checked strictly against that signature: `true` is no number, `"0.1"` is no number, an unknown
key is an error. All problems are told at once, one a line, each with the key's path and line.

YAML is read as DVC reads it, version 1.2, where `1e-3` is a number.
"""

import difflib
import inspect
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic_core import CoreSchema, ErrorDetails, core_schema
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

PARAMS = Path("params.yaml")
LARGEST = 2**20  # bytes; a file written by hand is far smaller
DEEPEST = 20  # levels of nesting; neither params.yaml nor the catalog needs more than five

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Threads = Annotated[int, Field(ge=1, le=256)]

Place = tuple[str | int, ...]  # the way to a value, such as ("train", "hidden", 0)
Lines = dict[Place, int]  # the line, counted from 1, on which the value at a place starts


class Choice:
    """Marks text as one of the keys of a table: `Annotated[str, Choice(OPTIMIZERS)]`."""

    def __init__(self, table: Iterable[str]) -> None:
        self.names = list(table)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.literal_schema(self.names)


def read(function: Callable[..., None]) -> dict[str, Any]:
    """Return the keyword arguments of `function`: the section of params.yaml that bears its name.

    Raises ValueError with a line for every problem of that section.
    """
    schema = schema_of(function)
    if not schema.model_fields:
        return {}
    content, lines = load(PARAMS)
    problems = problems_of_section(function.__name__, schema, content, lines)
    if problems:
        raise ValueError("\n".join(problems))
    section: dict[str, Any] = content[function.__name__]
    return section


def check(functions: list[Callable[..., None]]) -> None:
    """Check all of params.yaml: a section for each function that has parameters, and no other section.

    Raises ValueError with a line for every problem of every section.
    """
    content, lines = load(PARAMS)
    schemas = {function.__name__: schema_of(function) for function in functions}
    sections = {name: schema for name, schema in schemas.items() if schema.model_fields}
    problems = [
        f"{key}: unknown section{suggestion(key, list(sections))}{where(PARAMS, lines, (key,))}"
        for key in content
        if key not in sections
    ]
    for name, schema in sections.items():
        problems += problems_of_section(name, schema, content, lines)
    if problems:
        raise ValueError("\n".join(problems))


def read_as(kind: Any, path: Path | str) -> Any:
    """Return the YAML file at `path` as a value of the type `kind`, built from dataclasses, lists and mappings.

    Raises ValueError with a line for every problem.
    """
    content, lines = load(Path(path))
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise ValueError("\n".join(explain(e, (), Path(path), lines) for e in error.errors())) from None


def schema_of(function: Callable[..., None]) -> type[BaseModel]:
    """Return the pydantic model whose fields are the keyword arguments of `function`.

    Those are its parameters, or the keys of a TypedDict: `def train(**settings: Unpack[Settings])`.
    """
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            (keys,) = get_args(parameter.annotation)
            fields |= {key: (kind, ...) for key, kind in get_type_hints(keys, include_extras=True).items()}
        else:
            fields[name] = (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, title=function.__name__)
    return create_model(function.__name__, __config__=config, **fields)


def problems_of_section(name: str, schema: type[BaseModel], content: dict[str, Any], lines: Lines) -> list[str]:
    """Return what is wrong with the section `name`, a line a problem."""
    if name not in content:
        return [f"{name}: section is missing ({PARAMS})"]
    try:
        schema.model_validate(content[name])
    except ValidationError as error:
        return [explain(e, (name,), PARAMS, lines, list(schema.model_fields)) for e in error.errors()]
    return []


def explain(error: ErrorDetails, prefix: Place, path: Path, lines: Lines, known: list[str] | None = None) -> str:
    """Return one line that says which value is wrong, what is expected, what stands there, and on which line."""
    place = (*prefix, *error["loc"])
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
    limits = error.get("ctx", {})
    choices = str(limits.get("expected")).replace("'", "")
    got = f", got {shown(error['input'])}"
    expected = {
        "missing": "is missing",
        "extra_forbidden": f"unknown{suggestion(str(place[-1]), known or [])}",
        "unexpected_keyword_argument": "unknown",
        "model_type": f"must be a mapping of keys to values{got}",
        "dict_type": f"must be a mapping of keys to values{got}",
        "dataclass_type": f"must be a mapping of keys to values{got}",
        "int_type": f"must be a whole number{got}",
        "int_from_float": f"must be a whole number{got}",
        "float_type": f"must be a number{got}",
        "finite_number": f"must be a finite number{got}",
        "bool_type": f"must be true or false{got}",
        "string_type": f"must be text{got}",
        "string_too_short": f"must not be empty{got}",
        "list_type": f"must be a list{got}",
        "literal_error": f"must be one of {choices}{got}",
        "greater_than": f"must be > {limits.get('gt', 0):.12g}{got}",
        "greater_than_equal": f"must be >= {limits.get('ge', 0):.12g}{got}",
        "less_than": f"must be < {limits.get('lt', 0):.12g}{got}",
        "less_than_equal": f"must be <= {limits.get('le', 0):.12g}{got}",
        "too_long": f"must have at most {limits.get('max_length')} items, got {limits.get('actual_length')}",
        "too_short": f"must have at least {limits.get('min_length')} items, got {limits.get('actual_length')}",
    }.get(error["type"], f"{error['msg'][0].lower()}{error['msg'][1:]}{got}")
    return f"{name}: {expected}{where(path, lines, place)}"


def shown(value: Any) -> str:
    """Return `value` as it would be written in YAML, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def suggestion(word: str, known: list[str]) -> str:
    """Return the nearest known name as a question, or nothing where none is near."""
    near = difflib.get_close_matches(word, known, n=1)
    return f", did you mean {near[0]}?" if near else ""


def where(path: Path, lines: Lines, place: Place) -> str:
    """Return the file and line of the value at `place`, or of what should hold it."""
    while place and place not in lines:
        place = place[:-1]
    return f" ({path} line {lines[place]})" if place else f" ({path})"


def load(path: Path) -> tuple[dict[str, Any], Lines]:
    """Return the mapping in the YAML file at `path`, and the line of every value in it.

    Raises ValueError, in one line, for what is no mapping, is given twice, uses aliases or tags, is nested deeper
    than 20 levels or larger than 1 MiB; FileNotFoundError when the file is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; `git restore {path}` brings the committed one back")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path}: larger than {LARGEST} bytes; this is no file written by hand")
    yaml = YAML(typ="safe", pure=True)
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text)
        lines: Lines = {}
        if root is not None:
            inspect_node(root, (), lines, set(), path)
        content = yaml.load(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text, at byte {error.start}") from None
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply; at most {DEEPEST} levels are accepted") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise ValueError(f"{path}{line}: {error.problem or error.context}") from None
    except YAMLError as error:
        raise ValueError(f"{path}: {str(error).splitlines()[0]}") from None
    if content is None:
        raise ValueError(f"{path}: nothing in it; `git restore {path}` brings the committed one back")
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must be a mapping of keys to values, got {shown(content)}")
    return content, lines


def inspect_node(node: Node, place: Place, lines: Lines, seen: set[int], path: Path) -> None:
    """Note the line of every value under `node`; refuse aliases, duplicate keys, keys that are no text, depth."""
    line = node.start_mark.line + 1
    if len(place) > DEEPEST:
        raise ValueError(f"{path} line {line}: nested too deeply; at most {DEEPEST} levels are accepted")
    if id(node) in seen:
        raise ValueError(f"{path} line {line}: aliases (&name, *name) are not accepted; write the value out")
    seen.add(id(node))
    lines[place] = line
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            inspect_node(item, (*place, index), lines, seen, path)
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            key_line = key.start_mark.line + 1
            if not (isinstance(key, ScalarNode) and str(key.tag).endswith(":str")):
                raise ValueError(f"{path} line {key_line}: a key must be text")
            below = (*place, key.value)
            if below in lines:
                name = ".".join(str(part) for part in below)
                raise ValueError(f"{path}: {name} is given twice (lines {lines[below]} and {key_line})")
            inspect_node(value, below, lines, seen, path)
            lines[below] = key_line
