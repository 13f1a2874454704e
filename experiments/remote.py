"""What runs on a worker: a trial, in the directory of the project as the worker sees it."""

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from distributed import get_worker

from experiments import arrays, results
from experiments.trial import Prepared, Result, run_trial
from stages.dataset.records import TrainingInputs
from stages.pipeline import files
from stages.pipeline.checkpoint import Checkpoint
from stages.train import Settings

CHECKPOINTS = arrays.CACHE / "checkpoints"


@dataclass(frozen=True)
class Identity:
    """What must be equal on all machines, for equal results."""

    code: str
    numpy: str

    def __str__(self) -> str:
        return f"code {self.code} and NumPy {self.numpy}"


IDENTITY = Identity(results.code_digest(), np.__version__)  # of the code as it was imported


def identity() -> Identity:
    """Return the identity of the process that calls it."""
    return IDENTITY


@dataclass(frozen=True)
class Job:
    """A trial as it is sent to a worker; paths are relative to the project's directory."""

    key: str  # of the trial
    settings: Settings
    arrays: Path
    tested: bool
    teacher: Path | None  # a model file
    teacher_sha256: str | None
    temperature: float
    keep_model: bool  # return the model, not only its digest
    identity: Identity = IDENTITY  # of the program that made it


@dataclass(frozen=True)
class Done:
    """The result of a job."""

    result: Result  # without the model, unless the job says so
    sha256: str  # of the model file
    worker: str


@dataclass(frozen=True)
class Failed:
    """The settings do not fit, or training has diverged: the job fails on any worker."""

    problem: str  # one line


@dataclass(frozen=True)
class Missing:
    """The worker lacks a file or directory."""

    path: Path
    sha256: str | None
    worker: str


@dataclass(frozen=True)
class Refusal:
    """The worker is not the one that the job asks for."""

    identity: Identity
    worker: str


def work(job: Job) -> Done | Failed | Missing | Refusal:
    """Run a job, if its files are here. A job whose worker was killed resumes from its checkpoint."""
    worker = get_worker()
    if job.identity != IDENTITY:
        return Refusal(IDENTITY, worker.address)
    if absent(job.arrays):
        return Missing(job.arrays, None, worker.address)
    if job.teacher and absent(job.teacher, job.teacher_sha256):
        return Missing(job.teacher, job.teacher_sha256, worker.address)
    prepared = Prepared(job.arrays, files.read_json(job.arrays / "inputs.json", TrainingInputs))
    teacher = files.read_arrays(job.teacher) if job.teacher else None
    checkpoint = Checkpoint(CHECKPOINTS / f"{job.key}.npz", f"{job.key} {IDENTITY}")
    try:
        result = run_trial(
            job.settings,
            prepared,
            tested=job.tested,
            teacher=teacher,
            temperature=job.temperature,
            checkpoint=checkpoint,
        )
    except (ValueError, FloatingPointError) as error:
        checkpoint.remove()
        return Failed(" ".join(str(error).splitlines()))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "network.npz"
        files.write_arrays(path, result.model)
        sha256 = files.digest(path)
    return Done(result if job.keep_model else replace(result, model={}), sha256, str(worker.name))


def absent(path: Path, sha256: str | None = None) -> bool:
    """Say whether a file or directory is not here, or is a file with another digest."""
    return not path.exists() or (sha256 is not None and files.digest(path) != sha256)


def receive(target: Path, name: str | None, data: bytes) -> None:
    """Write a file of the directory `target`, or the file `target` if it has no name, under a temporary name."""
    with files.replacing(unfinished(target) / name if name else unfinished(target)) as path:
        path.write_bytes(data)


def complete(target: Path) -> None:
    """Rename what has been received to `target`."""
    if target.is_dir():  # of another worker that shares the disk
        shutil.rmtree(unfinished(target))
    else:
        unfinished(target).replace(target)


def unfinished(target: Path) -> Path:
    """Return the temporary name of a file or directory that is being received."""
    return target.with_name(f"tmp{target.name}")
