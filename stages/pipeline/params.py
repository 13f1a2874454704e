"""The only reader of params.yaml. The signature of a stage's function is the schema of its section.

A stage `def evaluate(*, calibration_bins: Annotated[int, Field(ge=1)], ...)` takes the section `evaluate` as keyword
arguments, checked strictly against that signature: neither `true` nor `"0.1"` is a number, and an unknown key is an
error. All problems are reported at once, one per line, each with the key's path and line.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic_core import CoreSchema, ErrorDetails, core_schema
from typing_extensions import Unpack

from stages.pipeline.yaml_reader import Lines, Place, dotted, load

PARAMS = Path("params.yaml")

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Threads = Annotated[int, Field(ge=1, le=256)]
Images = Annotated[int, Field(ge=1, le=200)]  # in a figure
Bins = Annotated[int, Field(ge=1, le=1000)]  # of confidence
Dpi = Annotated[int, Field(ge=50, le=600)]

# From pydantic's messages to shorter ones.
WORDING = {
    "Field required": "is missing",
    "Extra inputs are not permitted|Unexpected keyword argument": "unknown",
    "String should have at least 1 character": "must not be empty",
    "(Input|List) should": "must",
    "a( valid)? dictionary.*": "a mapping of keys to values",
    "a valid integer.*": "a whole number",
    "a valid boolean": "true or false",
    "a valid string": "text",
    "a valid ": "a ",
    " after validation, not": ", got",
    "greater than or equal to": ">=",
    "greater than": ">",
    "less than or equal to": "<=",
    "less than": "<",
}


class Choice:
    """Marks text as one of the keys of a table: `Annotated[str, Choice(OPTIMIZERS)]`."""

    def __init__(self, table: Iterable[str]) -> None:
        self.names = list(table)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.literal_schema(self.names)


def read(function: Callable[..., None]) -> dict[str, Any]:
    """Return the keyword arguments of `function`: the section of params.yaml with its name.

    Raises ValueError with a line for every problem of that section.
    """
    schema = schema_of([function], extra="ignore")
    return read_as(schema, PARAMS).model_dump()[function.__name__] if schema.model_fields else {}


def check(functions: list[Callable[..., None]]) -> dict[str, Any]:
    """Return all of params.yaml: a section for each function that has parameters, and no other section.

    Raises ValueError with a line for every problem of every section.
    """
    return read_as(schema_of(functions), PARAMS).model_dump()


def read_as(kind: Any, path: Path | str) -> Any:
    """Return the YAML file at `path` as a value of the type `kind`, such as a dataclass.

    Raises ValueError with a line for every problem.
    """
    content, lines = load(Path(path))
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise ValueError("\n".join(explain(e, kind, Path(path), lines) for e in error.errors())) from None


def schema_of(functions: list[Callable[..., None]], extra: Literal["forbid", "ignore"] = "forbid") -> type[BaseModel]:
    """Return the pydantic model of params.yaml: a section for each function that has parameters.

    Its keys are the parameters, or the keys of a TypedDict: `def train(**settings: Unpack[Settings])`. Other sections
    are an error unless `extra` is "ignore".
    """
    strict = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    sections: dict[str, Any] = {}
    for function in functions:
        hints = get_type_hints(function, include_extras=True)
        del hints["return"]
        for hint in list(hints.values()):
            if get_origin(hint) is Unpack:
                hints = get_type_hints(get_args(hint)[0], include_extras=True)
        if hints:
            keys: Any = {key: (hint, ...) for key, hint in hints.items()}
            sections[function.__name__] = (create_model(function.__name__, __config__=strict, **keys), ...)
    return create_model("params", __config__=ConfigDict(extra=extra), **sections)


def explain(error: ErrorDetails, kind: Any, path: Path, lines: Lines) -> str:
    """Return one line that says which value is wrong, what is expected, what is there, and on which line."""
    place, problem = error["loc"], error["msg"]
    for pattern, words in WORDING.items():
        problem = re.sub(pattern, words, problem)
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        near = difflib.get_close_matches(str(place[-1]), keys_at(kind, place[:-1]), n=1)
        problem += "".join(f", did you mean {name}?" for name in near)
    if problem.startswith("must ") and ", got " not in problem:
        value = json.dumps(error["input"], ensure_ascii=False, default=str)
        problem += f", got {value if len(value) <= 60 else value[:57] + '...'}"
    known = next((place[:n] for n in range(len(place), 0, -1) if place[:n] in lines), ())
    return f"{dotted(place)}: {problem} ({path}{f' line {lines[known]}' if known else ''})"


def keys_at(kind: Any, place: Place) -> list[str]:
    """Return the keys that a model, a dataclass or a TypedDict has at a place, in a section of it or in itself."""
    for part in place:
        kind = get_args(kind)[-1] if get_origin(kind) in (dict, list) else get_type_hints(kind)[str(part)]
        if get_origin(kind) in (Union, UnionType):
            kind = next(option for option in get_args(kind) if option is not NoneType)
    return list(get_type_hints(kind))
