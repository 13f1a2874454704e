"""The settings in the section `train` of params.yaml, which explains each of them."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from stages.nn.initializers import INITIALIZERS
from stages.nn.layers import ACTIVATIONS
from stages.nn.optimizers import OPTIMIZERS
from stages.nn.schedules import SCHEDULES
from stages.pipeline.params import Choice, Fraction, Seed, Threads


class Warps(TypedDict):
    """The section `train.augmentation`."""

    rotation: Annotated[float, Field(ge=0, le=180)]
    scaling: Fraction
    shear: Annotated[float, Field(ge=0, le=2)]
    shift: Annotated[float, Field(ge=0, le=100)]
    elastic: Annotated[float, Field(ge=0, le=100)]


class Settings(TypedDict):
    """The section `train`."""

    seed: Seed
    frequencies: Annotated[int | None, Field(ge=1, le=2**12)]
    hidden: Annotated[list[Annotated[int, Field(ge=1, le=2**16)]], Field(max_length=16)]
    activation: Annotated[str, Choice(ACTIVATIONS)]
    initializer: Annotated[str, Choice(INITIALIZERS)]
    epochs: Annotated[int, Field(ge=1, le=10**5)]
    batch_size: Annotated[int | None, Field(ge=1, le=10**7)]
    optimizer: Annotated[str, Choice(OPTIMIZERS)]
    momentum: Fraction
    learning_rate: Annotated[float, Field(gt=0, le=1000)]
    schedule: Annotated[str, Choice(SCHEDULES)]
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    label_smoothing: Fraction
    dropout: Fraction
    input_dropout: Fraction
    clip_norm: Annotated[float | None, Field(gt=0)]
    averaging: Fraction
    augmentation: Warps | None
    blas_threads: Threads
