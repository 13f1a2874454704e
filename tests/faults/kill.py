"""Kill real processes: DVC with its stage, DVC alone, and training again and again."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil

from stages.nn.optimizers import OPTIMIZERS
from stages.pipeline import files
from tests.helpers import project
from tests.helpers.processes import wait_for
from tests.helpers.project import STAGES, must

OFTEN = Path(__file__).with_name("often")
# Everything that draws random numbers or has a state from step to step.
EVERYTHING = {
    "hidden": [32, 16],
    "batch_size": 10,
    "learning_rate": 0.01,
    "dropout": 0.2,
    "input_dropout": 0.1,
    "label_smoothing": 0.05,
    "averaging": 0.9,
    "clip_norm": 1.0,
    "augmentation": {"rotation": 5.0, "scaling": 0.1, "shear": 0.05, "shift": 1.0, "elastic": 0.5},
}
# Changes that make every stage run again.
NEW = {"fetch": {"directory": "tests/fixture"}, "preprocess": {"seed": 1}, "train": {"seed": 1}, "plot": {"seed": 1}}


def start(root, *command, **variables):
    """Start a command in a session and process group of its own."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    environment = project.environment(root, **variables)
    return subprocess.Popen(command, cwd=root, env=environment, start_new_session=True, **streams)


def begin(root, name):
    """Start a stage; `train` saves a checkpoint after every epoch."""
    return start(root, "python", "-m", f"stages.{name}", PYTHONPATH=f"{OFTEN}{os.pathsep}{root}")


def run_stages(root, names):
    for name in names:
        must(root, "python", "-m", f"stages.{name}")


def alive(group):
    """The living processes of a group."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def contents(root):
    """The bytes of every output and of dvc.lock; None for one that does not exist."""
    return {
        out: (root / out).read_bytes() if (root / out).exists() else None
        for out in (*project.outputs(*STAGES), "dvc.lock")
    }


class Repository:
    """A finished run of the project in a Git repository with the old parameters, and another with the new ones."""

    def __init__(self, directory):
        self.directory, self.copies = directory, 0
        self.old_root, new_root = directory / "old", directory / "new"
        project.make(self.old_root)
        must(self.old_root, "git", "init", "--quiet", "--initial-branch", "main")
        (self.old_root / ".git/info/exclude").write_text("/.dvc/site/\n")
        must(self.old_root, "dvc", "repro")
        must(self.old_root, "git", "add", "--all")
        author = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        must(self.old_root, "git", *author, "commit", "--quiet", "--message", "The old run")
        shutil.copytree(self.old_root, new_root, symlinks=True)
        project.set_params(new_root, NEW)
        started = time.monotonic()
        must(new_root, "dvc", "repro")
        self.duration = time.monotonic() - started
        self.old, self.new = contents(self.old_root), contents(new_root)

    def copy(self, changes=NEW):
        """A fresh copy of the old run, with new parameters."""
        self.copies += 1
        root = self.directory / f"copy {self.copies}"
        shutil.copytree(self.old_root, root, symlinks=True)
        project.set_params(root, changes)
        return root

    def broken(self, root):
        """Yield each output that is there and is neither old nor new."""
        for out, data in contents(root).items():
            if out != "dvc.lock" and data not in (None, self.old[out], self.new[out]):
                yield f"{out} has neither its old nor its new content, {len(data)} bytes"

    def resume(self, root):
        """Run `dvc repro`; yield what is wrong then."""
        return self.check(root, self.new, "dvc repro")

    def go_back(self, root):
        """Give up: restore the old parameters and run `dvc repro`; yield what is wrong then."""
        return self.check(root, self.old, "git checkout HEAD -- params.yaml", "dvc repro")

    def restore(self, root):
        """Give up: restore files from Git and from DVC's cache, and run nothing; yield what is wrong then."""
        return self.check(root, self.old, "git checkout HEAD -- params.yaml dvc.lock reports", "dvc checkout --force")

    def check(self, root, expected, *commands):
        """Run commands; yield each that fails, and what is not as expected then."""
        for command in commands:
            result = project.run(root, *command.split())
            if result.returncode:
                yield f"`{command}` fails: {result.stdout}{result.stderr}"
        yield from (f"{out} is wrong in the end" for out, data in contents(root).items() if data != expected[out])


def dvc_at_random_moments(repository, ledger, times, rng):
    """Kill `dvc repro` of all stages somewhere; then run it again, or restore the old results."""
    ways = [repository.resume, repository.go_back, repository.restore]
    for kind, kill in (
        ("kill -9 of dvc and its stage", lambda process: os.killpg(process.pid, signal.SIGKILL)),
        ("kill -9 of dvc alone", lambda process: process.kill()),
        ("SIGTERM to dvc alone", lambda process: process.terminate()),
        ("SIGINT to dvc and its stage", lambda process: os.killpg(process.pid, signal.SIGINT)),
    ):
        for turn in range(times):
            root, way = repository.copy(), ways[turn % len(ways)]
            process = start(root, "dvc", "repro", SHELL=["/bin/sh", "/bin/bash"][turn % 2])
            delay = rng.uniform(0.3, repository.duration)
            time.sleep(delay)
            kill(process)
            process.wait()
            wait_for(lambda group=process.pid: not alive(group))  # a stage ends with its dvc
            process.communicate()
            problems = [*repository.broken(root), *way(root)]
            must(root, "python", "-m", "stages.validate")  # any stage removes leftovers
            left = (path for place in files.PLACES for path in (root / place).rglob(f".*{files.UNFINISHED}"))
            problems += [f"{path.name} is left over" for path in left]
            ledger.record(kind, "all", f"after {delay:.2f} s, then {way.__name__}", problems)
            shutil.rmtree(root)


def orphaned_stage(repository, ledger):
    """Kill DVC during a long training run, and restore old results at once."""
    for shell in ("/bin/sh", "/bin/bash"):
        root = repository.copy({**NEW, "train": {"epochs": 20_000}})
        process = start(root, "dvc", "repro", SHELL=shell)
        wait_for((root / "models/checkpoint.npz").exists)
        process.kill()
        process.wait()
        problems = list(repository.go_back(root))
        wait_for(lambda group=process.pid: not alive(group))
        problems += repository.check(root, repository.old, "dvc status")
        ledger.record("another run right after kill -9 of dvc", "all", shell, problems)
        process.communicate()
        shutil.rmtree(root)


def linked_caches(repository, ledger):
    """Run stages in a workspace of links into DVC's cache: they must replace the links, not write through them."""
    for kind in ("hardlink", "symlink"):
        root = repository.copy({})
        must(root, "dvc", "config", "cache.type", kind)
        must(root, "dvc", "checkout", "--relink")
        model = root / "models/network.npz"
        problems = [] if model.is_symlink() or model.stat().st_nlink > 1 else ["no link was made"]
        project.set_params(root, NEW)
        run_stages(root, STAGES)  # without DVC, which would remove the links first
        problems += [
            f"{out} is not new"
            for out, data in contents(root).items()
            if data != repository.new[out] and out != "dvc.lock"
        ]
        must(root, "dvc", "commit", "--force")
        problems += [*repository.check(root, repository.new, "dvc status"), *repository.restore(root)]
        ledger.record("workspace of links into the cache", "all", kind, problems)
        shutil.rmtree(root)


def resumed(directory, ledger, quick, rng):
    """Kill training again and again, a few epochs on; when it finishes, its bytes are those of an undisturbed run."""
    kills, epochs, optimizers = (2, 60, ["adam"]) if quick else (6, 300, OPTIMIZERS)
    root = directory / "resumed"
    project.make(root)
    checkpoint = root / "models/checkpoint.npz"
    results = [root / name for name in ("models/network.npz", "reports/history.csv", "reports/validation.json")]
    for optimizer in optimizers:
        project.set_params(root, {"train": {**EVERYTHING, "optimizer": optimizer, "epochs": epochs}})
        run_stages(root, STAGES[:4])
        expected = [path.read_bytes() for path in results]
        for path in results:
            path.unlink()
        problems, reached = [], [0]
        for _ in range(kills):
            process, more = begin(root, "train"), reached[-1] + rng.randint(1, epochs // (2 * kills))
            wait_for(lambda more=more, process=process: epoch(checkpoint) >= more or process.poll() is not None)
            process.kill()
            if "not used" in process.communicate()[0]:
                problems.append("a checkpoint was not used")
            reached.append(epoch(checkpoint))
        printed = must(root, "python", "-m", "stages.train")
        if "not used" in printed or reached != sorted(set(reached)):
            problems.append(f"it did not resume: {printed}")
        if [path.read_bytes() for path in results] != expected:
            problems.append("its bytes differ from those of an undisturbed run")
        problems += [f"{path.name} is left over" for path in (root / "models").iterdir() if path.name[0] == "."]
        ledger.record(f"training killed with {optimizer}", "train", f"killed at epochs {reached[1:]}", problems)
    shutil.rmtree(root)


def epoch(checkpoint):
    """The epoch that a checkpoint has reached; 0 without one."""
    return int(files.read_arrays(checkpoint)["epoch"]) if checkpoint.exists() else 0
