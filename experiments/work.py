"""Trials at work: make their arrays, hand them to the engine, hold students back until their teacher is done."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from distributed import Client

from experiments import arrays, results
from experiments.engine import Engine, Failure
from experiments.recipes import Trial, digest
from experiments.remote import Done, Job
from stages.pipeline import files, stage

Outcomes = list[tuple[Trial, Done | Failure]]


class Work:
    """Trials to be run on a cluster, with different keys. Iterating over it yields what became of them, in lists.

    With `keep_models`, their models are returned, too. Whoever iterates writes a teacher's model to its place before
    the next step.
    """

    def __init__(self, client: Client, trials: Iterable[Trial], keep_models: bool) -> None:
        self.trials = {trial.key: trial for trial in trials}
        self.engine, self.keep_models = Engine(client), keep_models
        self.students: dict[str, list[Trial]] = {}  # that wait, by the key of their teacher
        for trial in self.trials.values():
            if trial.teacher and trial.teacher.key in self.trials:
                self.students.setdefault(trial.teacher.key, []).append(trial)
        self.directories: dict[str, Path] = {}  # of prepared arrays, by the key of a trial

    def __iter__(self) -> Iterator[Outcomes]:
        waiting = {student.key for students in self.students.values() for student in students}
        if unprepared := self.prepare():
            yield [each for trial, failure in unprepared for each in self.with_students(trial, failure)]
        for key in self.directories:
            if key not in waiting:
                self.submit(self.trials[key])
        for batch in self.engine:
            outcomes: Outcomes = []
            for key, outcome in batch:
                if isinstance(outcome, Failure):
                    outcomes += self.with_students(self.trials[key], outcome)
                else:
                    outcomes.append((self.trials[key], outcome))
            yield outcomes
            for trial, _ in outcomes:
                for student in self.students.pop(trial.key, []):
                    if student.key in self.directories:  # else its arrays could not be made
                        self.submit(student)

    def prepare(self) -> Outcomes:
        """Make the arrays of all trials, once per variant; return those whose arrays cannot be made."""
        variants: dict[str, list[Trial]] = {}
        for trial in self.trials.values():
            variants.setdefault(digest([trial.data, trial.settings["preprocess"]]), []).append(trial)
        failures: Outcomes = []
        for variant in variants.values():
            try:
                directory = arrays.directory_of(variant[0])
                arrays.prepare(directory, variant[0])
                self.directories |= {trial.key: directory for trial in variant}
            except stage.EXPECTED as error:
                problem = " ".join(stage.describe(error).splitlines())
                failure = Failure(problem, lost=not isinstance(error, ValueError))
                failures += [(trial, failure) for trial in variant]
        return failures

    def with_students(self, trial: Trial, failure: Failure) -> Outcomes:
        """Return the failure of a trial, and that of all students that wait for it."""
        taught = Failure(f"not run, because {trial}, its teacher, failed", failure.lost)
        students = [student for student in self.students.pop(trial.key, []) if student.key in self.directories]
        for student in students:
            del self.directories[student.key]
        return [(trial, failure), *((student, taught) for student in students)]

    def submit(self, trial: Trial) -> None:
        """Hand a trial to the engine."""
        teacher = results.model_path(trial.teacher) if trial.teacher else None
        self.engine.submit(
            Job(
                trial.key,
                trial.settings["train"],  # type: ignore[arg-type]
                self.directories[trial.key],
                trial.tested,
                teacher,
                files.digest(teacher) if teacher else None,
                trial.temperature,
                self.keep_models,
            )
        )
