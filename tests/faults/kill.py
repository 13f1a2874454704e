"""Kill real processes at random moments: a stage alone, DVC with its stage, DVC alone."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from stages.pipeline import files
from tests.faults.ledger import STAGES
from tests.helpers import project

OFTEN = Path(__file__).with_name("often")
OPTIMIZERS = ["gradient_descent", "momentum", "nesterov", "adam", "adamw"]
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


def environment(root, **variables):
    """The environment that `project.run` gives to a command."""
    own = ("GIT_", "DVC_", "OPENBLAS_NUM_THREADS", "MPLBACKEND")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return {
        **inherited,
        "PATH": project.PATH,
        "DVC_SITE_CACHE_DIR": str(root / ".dvc/site"),
        "DVC_NO_ANALYTICS": "1",
        **variables,
    }


def start(root, *command, **variables):
    """Start a command in a session and process group of its own."""
    return subprocess.Popen(
        command,
        cwd=root,
        env=environment(root, **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def begin(root, name):
    """Start a stage; `train` saves a checkpoint after every epoch."""
    return start(root, "python", "-m", f"stages.{name}", PYTHONPATH=f"{OFTEN}{os.pathsep}{root}")


def members(group):
    """The living processes of a group."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = status.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == group and state != "Z":
            yield int(status.parent.name)


def contents(root):
    """The bytes of every output; None for one that does not exist."""
    return {out: (root / out).read_bytes() if (root / out).exists() else None for out in project.outputs(*STAGES)}


def leftovers(root):
    """Temporary files and the checkpoint."""
    found = [
        path for place in files.PLACES for path in (root / place).rglob(".*") if path.suffix in (".unfinished", ".tmp")
    ]
    return [*found, *(root / "models").glob("checkpoint.npz")]


def stages_at_random_moments(bench, ledger, kinds, rng):
    """Kill each stage, run alone, while it starts, imports, works or ends. `kinds`: signals, and how often each."""
    for name in STAGES:
        started = time.monotonic()
        begin(bench.root, name).communicate()
        duration = time.monotonic() - started
        for number, times in kinds:
            for _ in range(times):
                bench.reset(name)
                process = begin(bench.root, name)
                delay = rng.uniform(0, 1.1 * duration)
                time.sleep(delay)
                process.send_signal(number)
                process.communicate()
                problems = [*bench.broken(name), *bench.unrecovered(name)]
                ledger.record(f"{number.name} at a random moment", name, f"after {delay:.2f} s", problems)


class Repository:
    """A finished run of the project in a Git repository with the old parameters, and another with the new ones."""

    def __init__(self, directory):
        self.directory = directory
        self.old_root, self.new_root = directory / "old", directory / "new"
        project.make(self.old_root)
        project.set_params(self.old_root, {"fetch": {"directory": None}})
        project.run(self.old_root, "git", "init", "--quiet", "--initial-branch", "main")
        (self.old_root / ".git/info/exclude").write_text("/.dvc/site/\n")
        self.must(self.old_root, "dvc", "repro")
        project.run(self.old_root, "git", "add", "--all")
        author = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        self.must(self.old_root, "git", *author, "commit", "--quiet", "--message", "The old run")
        shutil.copytree(self.old_root, self.new_root, symlinks=True)
        project.set_params(self.new_root, NEW)
        started = time.monotonic()
        self.must(self.new_root, "dvc", "repro")
        self.duration = time.monotonic() - started
        self.old, self.new = contents(self.old_root), contents(self.new_root)
        self.old_lock, self.new_lock = ((root / "dvc.lock").read_bytes() for root in (self.old_root, self.new_root))
        self.copies = 0

    def must(self, root, *command):
        """Run a command, which must succeed."""
        result = project.run(root, *command)
        if result.returncode:
            raise SystemExit(f"{command} fails without a fault: {result.stdout}{result.stderr}")

    def copy(self):
        """A fresh copy of the old run, with the new parameters."""
        self.copies += 1
        root = self.directory / f"copy {self.copies}"
        shutil.copytree(self.old_root, root, symlinks=True)
        project.set_params(root, NEW)
        return root

    def broken(self, root):
        """Yield each output that is there and is neither old nor new."""
        for out, data in contents(root).items():
            if data not in (None, self.old[out], self.new[out]):
                yield f"{out} has neither its old nor its new content, {len(data)} bytes"

    def resume(self, root):
        """Run `dvc repro`; yield what is wrong then."""
        yield from self.check(root, self.new, self.new_lock, ("dvc", "repro"))

    def go_back(self, root):
        """Give up: restore the old parameters and run `dvc repro`; yield what is wrong then."""
        yield from self.check(
            root, self.old, self.old_lock, ("git", "checkout", "HEAD", "--", "params.yaml"), ("dvc", "repro")
        )

    def restore(self, root):
        """Give up: restore files from Git and from DVC's cache, and run nothing; yield what is wrong then."""
        checkout = ("git", "checkout", "HEAD", "--", "params.yaml", "dvc.lock", "reports")
        yield from self.check(root, self.old, self.old_lock, checkout, ("dvc", "checkout", "--force"))

    def check(self, root, expected, lock, *commands):
        """Run commands; yield each that fails, and what is not as expected then."""
        for command in commands:
            result = project.run(root, *command)
            if result.returncode:
                yield f"`{' '.join(command)}` fails: {result.stdout}{result.stderr}"
        for out, data in contents(root).items():
            if data != expected[out]:
                yield f"{out} is wrong in the end"
        if (root / "dvc.lock").read_bytes() != lock:
            yield "dvc.lock is wrong in the end"


def dvc_at_random_moments(repository, ledger, times, rng):
    """Kill `dvc repro` of all six stages somewhere; then run it again, or restore the old results."""
    ways = [repository.resume, repository.go_back, repository.restore]
    kinds = [
        ("kill -9 of dvc and its stage", lambda process: os.killpg(process.pid, signal.SIGKILL)),
        ("kill -9 of dvc alone", lambda process: process.kill()),
        ("SIGTERM to dvc alone", lambda process: process.terminate()),
        ("SIGINT to dvc and its stage", lambda process: os.killpg(process.pid, signal.SIGINT)),
    ]
    for kind, kill in kinds:
        for turn in range(times):
            root = repository.copy()
            shell = ["/bin/sh", "/bin/bash"][turn % 2]
            process = start(root, "dvc", "repro", SHELL=shell)
            delay = rng.uniform(0.3, repository.duration)
            time.sleep(delay)
            kill(process)
            process.wait()
            problems = []
            end = time.monotonic() + 20
            while list(members(process.pid)) and time.monotonic() < end:
                time.sleep(0.02)
            if list(members(process.pid)):
                problems.append("a stage is still running without its dvc")
            process.communicate()
            problems += repository.broken(root)
            way = ways[turn % len(ways)]
            problems += way(root)
            project.run(root, "python", "-m", "stages.validate")  # any stage removes leftovers
            problems += [
                f"{path.name} is left over"
                for path in leftovers(root)
                if path.name != "checkpoint.npz" and path.suffix != ".tmp"  # DVC's own, of an unfinished copy
            ]
            ledger.record(kind, "all", f"after {delay:.2f} s, then {way.__name__}", problems)
            shutil.rmtree(root)


def orphaned_stage(repository, ledger):
    """Kill DVC during a long training; at once restore old results from the cache, or run `dvc repro` beside it."""
    for shell in ("/bin/sh", "/bin/bash"):
        root = repository.copy()
        project.set_params(root, {"train": {"epochs": 20_000}})
        process = start(root, "dvc", "repro", SHELL=shell)
        while not (root / "models/checkpoint.npz").exists():
            time.sleep(0.05)
        process.kill()
        process.wait()
        problems = list(repository.go_back(root))
        time.sleep(1)
        problems += [f"process {pid} is still running" for pid in members(process.pid)]
        problems += repository.check(root, repository.old, repository.old_lock, ("dvc", "status"))
        process.communicate()
        ledger.record("another run right after kill -9 of dvc", "all", shell, problems)
        shutil.rmtree(root)
    root = repository.copy()
    project.set_params(root, {"train": {"epochs": 20_000}})
    for name in STAGES[:3]:
        repository.must(root, "python", "-m", f"stages.{name}")
    orphan = start(root, "python", "-m", "stages.train")  # as on a system that cannot end it with its dvc
    while not (root / "models/checkpoint.npz").exists():
        time.sleep(0.05)
    project.set_params(root, {"train": {"epochs": 8}})
    result = project.run(root, "dvc", "repro")
    problems = []
    if result.returncode == 0 or f"another stage is running here, process {orphan.pid}" not in result.stderr:
        problems.append(f"not refused: {result.stdout}{result.stderr}")
    orphan.kill()
    orphan.communicate()
    problems += repository.resume(root)
    ledger.record("a run beside an orphaned stage", "all", "an orphan", problems)
    shutil.rmtree(root)


def two_writers(repository, ledger, times):
    """Start the same command twice at once: one succeeds, the other is refused or has nothing to do."""
    for what in (["dvc", "repro"], *(["python", "-m", f"stages.{name}"] for name in ("fetch", "preprocess", "train"))):
        for turn in range(times):
            root = repository.copy()
            if what[0] == "python":
                for name in STAGES[: STAGES.index(what[-1].removeprefix("stages."))]:
                    repository.must(root, "python", "-m", f"stages.{name}")
            both = [start(root, *what) for _ in range(2)]
            messages = [process.communicate()[0] for process in both]
            codes = [process.returncode for process in both]
            problems = list(repository.broken(root))
            if 0 not in codes:
                problems.append(f"both failed: {messages}")
            for code, text in zip(codes, messages, strict=True):
                if (
                    code
                    and "running here" not in text
                    and "is busy" not in text
                    and "Unable to acquire lock" not in text
                ):
                    problems.append(f"not refused but failed: {text}")
            problems += repository.resume(root)
            name = "all" if what[0] == "dvc" else what[-1].removeprefix("stages.")
            ledger.record("two runs at once", name, f"{' '.join(what)}, {turn + 1}", problems)
            shutil.rmtree(root)


def linked_caches(repository, ledger):
    """Run stages in a workspace of links into DVC's cache: they must replace the links, not write through them."""
    for kind in ("hardlink", "symlink"):
        root = repository.copy()
        project.run(root, "git", "checkout", "HEAD", "--", "params.yaml")
        repository.must(root, "dvc", "config", "cache.type", kind)
        repository.must(root, "dvc", "checkout", "--relink")
        model = root / "models/network.npz"
        problems = [] if model.is_symlink() or model.stat().st_nlink > 1 else ["no link was made"]
        project.set_params(root, NEW)
        for name in STAGES:  # without DVC, which would remove the links first
            repository.must(root, "python", "-m", f"stages.{name}")
        problems += [f"{out} is not new" for out, data in contents(root).items() if data != repository.new[out]]
        problems += repository.resume(root)
        problems += repository.restore(root)
        ledger.record("workspace of links into the cache", "all", kind, problems)
        shutil.rmtree(root)


def killed_experiment(repository, ledger):
    """Kill `dvc exp run`, which leaves Git on a detached HEAD; return to the branch as docs/experiments.md says."""
    root = repository.copy()
    project.run(root, "git", "checkout", "HEAD", "--", "params.yaml")
    process = start(root, "dvc", "exp", "run", "-S", "train.seed=1", "-S", "train.epochs=20000")
    while not (root / "models/checkpoint.npz").exists():
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    problems = []
    if project.run(root, "git", "symbolic-ref", "--quiet", "HEAD").returncode == 0:
        problems.append("Git is still on its branch: nothing was tested")
    switch, restore = ("git", "switch", "main"), ("git", "restore", "--staged", "--worktree", ".")
    problems += repository.check(root, repository.old, repository.old_lock, switch, restore, ("dvc", "checkout"))
    if project.run(root, "git", "branch", "--show-current").stdout != "main\n":
        problems.append("Git is not back on its branch")
    ledger.record("kill -9 of dvc exp run", "all", "in training", problems)
    shutil.rmtree(root)


def written(path):
    """The modification time of a file; None if it does not exist."""
    return path.stat().st_mtime_ns if path.exists() else None


def resumed(directory, ledger, kills, epochs, optimizers, rng):
    """Kill training again and again at random moments; when it finishes, its bytes are those of an undisturbed run."""
    root = directory / "resumed"
    project.make(root)
    checkpoint = root / "models/checkpoint.npz"
    names = ("models/network.npz", "reports/history.csv", "reports/validation.json")
    results = [root / name for name in names]
    for optimizer in optimizers:
        project.set_params(root, {"train": {**EVERYTHING, "optimizer": optimizer, "epochs": epochs}})
        for name in STAGES[:3]:
            assert project.run(root, "python", "-m", f"stages.{name}").returncode == 0
        started = time.monotonic()
        done = project.run(root, "python", "-m", "stages.train")
        duration = time.monotonic() - started
        assert done.returncode == 0, done.stderr
        expected = [path.read_bytes() for path in results]
        for path in results:
            path.unlink()
        problems, reached = [], [0]
        while True:
            before = written(checkpoint)
            process = begin(root, "train")
            if len(reached) <= kills:
                while process.poll() is None and written(checkpoint) == before:
                    time.sleep(0.005)
                time.sleep(rng.uniform(0, duration / (2 * kills)))
                process.kill()
            message, _ = process.communicate()
            if "not used" in message:
                problems.append(f"a checkpoint was not used: {message}")
            if process.returncode == 0:
                break
            reached.append(int(files.read_arrays(checkpoint)["epoch"]) if checkpoint.exists() else reached[-1])
            if reached[-1] < reached[-2]:
                problems.append(f"it went back from epoch {reached[-2]} to {reached[-1]}")
            ledger.record(f"training killed with {optimizer}", "train", f"at epoch {reached[-1]}", [])
        if len(set(reached)) < 3:
            problems.append("it hardly ever resumed")
        if [path.read_bytes() for path in results] != expected:
            problems.append("its bytes differ from those of an undisturbed run")
        problems += [f"{path.name} is left over" for path in leftovers(root)]
        print(optimizer, "killed at epochs", reached[1:], flush=True)
        ledger.record(
            f"training killed with {optimizer}", "train", f"in the end, killed at epochs {reached[1:]}", problems
        )
    shutil.rmtree(root)
