"""Run the trials that experiments/results.csv lacks, one per processor core.

    python -m experiments.run                 those of all recipes and ablations
    python -m experiments.run quick default   those of these

Each finished trial is written at once: an interrupted run loses the trials that were running, and the next one does the
rest. A student waits for its teacher, which is trained again where its model file is missing.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from experiments import arrays, recipes, results
from experiments.recipes import Trial
from experiments.trial import Prepared, Result, run_trial
from stages.pipeline import files, stage

LOCK = Path("data/.experiments.lock")
NAME = "experiments"  # before each message


def main() -> None:
    """Run what the command line asks for."""
    with command():
        known, trials = recipes.load()
        names = recipes.select(sys.argv[1:], known)
        missing = results.missing(trials, results.read())
        run(trials, [trial for trial in missing if trial.recipe in names])


@contextmanager
def command() -> Iterator[None]:
    """Run the block as the only writer of the results; if it fails, end the process with a line and an exit code."""
    try:
        signal.signal(signal.SIGTERM, stage.terminate)
        stage.check_directory()
        with stage.lock(LOCK):
            arrays.remove_unfinished()
            yield
    except KeyboardInterrupt:
        stage.fail(NAME, "interrupted; the same command resumes", 130)
    except stage.EXPECTED as error:
        if os.environ.get("TRACEBACK"):
            raise
        stage.fail(NAME, stage.describe(error), 1)


def run(trials: list[Trial], wanted: list[Trial], pool: Callable[[int], Executor] | None = None) -> None:
    """Run the `wanted` ones of all trials, and the teachers whose models they lack, one per processor core.

    `pool(workers)` makes the executor, by default of processes on this machine. Raises ChildProcessError at the end if
    some of the trials failed; the others are finished then.
    """
    needed = required(trials, wanted)
    counts = Counter(trial.recipe for trial in needed.values())
    print(f"trials to run: {', '.join(f'{name} {n}' for name, n in counts.items()) or 'none'}", flush=True)
    with tqdm(total=len(needed), unit="trial", disable=None) as bar:
        work = Work(trials, needed, bar)
        work.prepare()
        if work.waiting:
            work.run(pool or processes, cores())
    if work.failed:
        raise ChildProcessError(f"{work.failed} of {len(needed)} trials failed; the same command runs them again")


def required(trials: list[Trial], wanted: list[Trial]) -> dict[str, Trial]:
    """Return the trials to run, by key: the wanted ones, and the teachers whose models are missing."""
    keys = {trial.key for trial in wanted}
    keys |= {t.teacher.key for t in wanted if t.teacher and not results.model_path(t.teacher).exists()}
    needed: dict[str, Trial] = {}
    for trial in trials:
        if trial.key in keys and (trial.tested or trial.key not in needed):  # one that is tested answers for both
            needed[trial.key] = trial
    return needed


class Work:
    """The trials of a run, out of all: waiting, running, finished or failed."""

    def __init__(self, trials: list[Trial], needed: dict[str, Trial], bar: "tqdm[Any]") -> None:
        self.trials, self.waiting, self.bar = trials, dict(needed), bar
        self.running: dict[Future[Result], Trial] = {}
        self.prepared: dict[str, Prepared] = {}
        self.rows, self.code, self.failed = results.read(), results.code_digest(), 0

    def prepare(self) -> None:
        """Make the arrays of all trials. Those whose arrays cannot be made have failed."""
        variants: dict[Path, list[Trial]] = {}
        for trial in self.waiting.values():
            variants.setdefault(arrays.directory_of(trial), []).append(trial)
        for directory, variant in variants.items():
            try:
                self.prepared |= dict.fromkeys((trial.key for trial in variant), arrays.prepare(directory, variant[0]))
            except stage.EXPECTED as error:
                self.report(", ".join(dict.fromkeys(trial.recipe for trial in variant)), error)
                for trial in variant:
                    if trial.key in self.waiting:  # else it has failed with its teacher
                        self.fail(trial)

    def run(self, make_pool: Callable[[int], Executor], workers: int) -> None:
        """Run the trials, at most `workers` at a time.

        When the system kills a process, its pool is lost with all that ran in it; another one does the rest.
        """
        pool = make_pool(workers)
        try:
            while self.waiting or self.running:
                for trial in self.startable()[: workers - len(self.running)]:
                    self.start(trial, pool)
                done, _ = wait(self.running, return_when=FIRST_COMPLETED)
                if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                    done, _ = wait(self.running)
                    pool.shutdown()
                    pool = make_pool(workers)
                for future in done:
                    self.end(future)
        except BaseException:
            for child in multiprocessing.active_children():
                child.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def startable(self) -> list[Trial]:
        """Return the trials that wait for no teacher, in order."""
        unfinished = {*self.waiting, *(trial.key for trial in self.running.values())}
        return [each for each in self.waiting.values() if not (each.teacher and each.teacher.key in unfinished)]

    def start(self, trial: Trial, pool: Executor) -> None:
        """Hand a trial to the pool."""
        del self.waiting[trial.key]
        teacher = files.read_arrays(results.model_path(trial.teacher)) if trial.teacher else None
        with interrupts_held_back():
            future = pool.submit(
                run_trial,
                trial.settings["train"],  # type: ignore[arg-type]
                self.prepared[trial.key],
                tested=trial.tested,
                teacher=teacher,
                temperature=trial.temperature,
            )
        self.running[future] = trial

    def end(self, future: "Future[Result]") -> None:
        """Record what became of a trial."""
        trial, error = self.running.pop(future), future.exception()
        if isinstance(error, BrokenProcessPool):
            self.report(trial, "lost: the system ended a process of the pool, perhaps because memory ran out")
            self.fail(trial)
        elif error:
            if os.environ.get("TRACEBACK"):
                raise error
            self.report(trial, error)
            self.fail(trial)
        else:
            self.finish(trial, future.result())

    def finish(self, trial: Trial, result: Result) -> None:
        """Write the result of a trial."""
        row = results.save(trial, result, self.code)
        old = next((old for old in self.rows if (old.recipe, old.seed) == (row.recipe, row.seed)), None)
        if old is None or old != replace(row, seconds=old.seconds):  # else it was trained again for its model alone
            self.rows = results.arrange([*(other for other in self.rows if other is not old), row], self.trials)
            results.write(self.rows)
        self.bar.update()
        scores = {"validation": row.validation_accuracy, "test": row.test_accuracy}
        shown = [f"{name} {100 * accuracy:.2f} %" for name, accuracy in scores.items() if accuracy is not None]
        tqdm.write(f"{trial}: {', '.join(shown)}, {row.seconds:.1f} s")

    def fail(self, trial: Trial) -> None:
        """Count a trial as failed, and with it those that wait for its model."""
        self.waiting.pop(trial.key, None)
        self.failed += 1
        self.bar.update()
        for student in [other for other in self.waiting.values() if other.teacher and other.teacher.key == trial.key]:
            self.report(student, f"not run, because {trial}, its teacher, failed")
            self.fail(student)

    def report(self, what: Trial | str, problem: BaseException | str) -> None:
        """Say on standard error what is wrong."""
        if isinstance(problem, BaseException):
            known = isinstance(problem, stage.EXPECTED)
            problem = stage.describe(problem) if known else f"{type(problem).__name__}: {problem}"
        tqdm.write(f"{NAME}: {what}: {problem}", file=sys.stderr)


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes(workers: int) -> Executor:
    """Return a pool of processes that end with this one."""
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), end_with_parent)


def end_with_parent() -> None:
    """End this process when the one that started it ends, however it does."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Let Ctrl-C wait. A process that is started meanwhile never notices it: its parent ends it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


if __name__ == "__main__":
    main()
