"""Kill real processes at random moments: a stage by itself, DVC with all its children, DVC alone."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import project
from inject import key
from ledger import STAGES
from ruamel.yaml import YAML

from stages.pipeline import files

OFTEN = Path(__file__).with_name("often")
OPTIMIZERS = ["gradient_descent", "momentum", "nesterov", "adam", "adamw"]
# Everything that draws random numbers or remembers something from step to step.
RICH = {
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
# Another run of every stage: what DVC has to do between the old parameters and the new ones.
NEW = {"fetch": {"directory": "tests/fixture"}, "preprocess": {"seed": 1}, "train": {"seed": 1}, "plot": {"seed": 1}}


def environment(root, **variables):
    """What `project.run` gives to a command, for one that is not waited for."""
    ours = ("GIT_", "DVC_", "OPENBLAS_NUM_THREADS", "MPLBACKEND")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "DVC_SITE_CACHE_DIR": str(root / ".dvc/site"), "DVC_NO_ANALYTICS": "1", **variables}


def start(root, *command, **variables):
    """Start a command in a session, and so a process group, of its own."""
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
    """Start a stage; `train` keeps a checkpoint after every epoch."""
    return start(root, "python", "-m", f"stages.{name}", PYTHONPATH=f"{OFTEN}{os.pathsep}{root}")


def members(group):
    """The processes of a group that live."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = status.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == group and state != "Z":
            yield int(status.parent.name)


def outputs(root):
    declared = YAML(typ="safe").load(root / "dvc.yaml")["stages"]
    return [key(out) for stage in declared.values() for part in ("outs", "metrics") for out in stage.get(part, [])]


def contents(root):
    """The bytes of every output; None where there is none."""
    return {out: (root / out).read_bytes() if (root / out).exists() else None for out in outputs(root)}


def strays(root):
    found = [
        path for place in files.PLACES for path in (root / place).rglob(".*") if path.suffix in (".unfinished", ".tmp")
    ]
    return [*found, *(root / "models").glob("checkpoint.npz")]


def stages_at_random_moments(bench, ledger, kinds, rng):
    """A stage by itself, as a real process: its start, its imports, its work and its end. `kinds`: signal, times."""
    for name in STAGES:
        begun = time.monotonic()
        begin(bench.root, name).communicate()
        lasts = time.monotonic() - begun
        for number, times in kinds:
            for _ in range(times):
                bench.reset(name)
                process = begin(bench.root, name)
                delay = rng.uniform(0, 1.1 * lasts)
                time.sleep(delay)
                process.send_signal(number)
                process.communicate()
                problems = [*bench.torn(name), *bench.recovered(name)]
                ledger.record(f"{number.name} at a random moment", name, f"after {delay:.2f} s", problems)


class Repository:
    """A copy of the project under Git and DVC, finished with the old parameters, and what the new ones lead to."""

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
        begun = time.monotonic()
        self.must(self.new_root, "dvc", "repro")
        self.lasts = time.monotonic() - begun
        self.old, self.new = contents(self.old_root), contents(self.new_root)
        self.old_lock, self.new_lock = ((root / "dvc.lock").read_bytes() for root in (self.old_root, self.new_root))
        self.count = self.cured = 0  # copies made; times that the doctor was needed

    def must(self, root, *command):
        result = project.run(root, *command)
        if result.returncode:
            raise SystemExit(f"{command} fails undisturbed: {result.stdout}{result.stderr}")

    def copy(self):
        """A fresh copy of the old run, with the new parameters in place."""
        self.count += 1
        root = self.directory / f"copy {self.count}"
        shutil.copytree(self.old_root, root, symlinks=True)
        project.set_params(root, NEW)
        return root

    def whole(self, root):
        """What does not hold at any moment: an output is absent, old or new."""
        for out, data in contents(root).items():
            if data not in (None, self.old[out], self.new[out]):
                yield f"{out} is torn, {len(data)} bytes"

    def forward(self, root):
        """Go on: a plain `dvc repro`."""
        yield from self.arrive(root, self.new, self.new_lock, ("dvc", "repro"))

    def back(self, root):
        """Give up: the old parameters, and a plain `dvc repro`."""
        yield from self.arrive(
            root, self.old, self.old_lock, ("git", "checkout", "HEAD", "--", "params.yaml"), ("dvc", "repro")
        )

    def restore(self, root):
        """Give up: what Git knows from Git, the rest from DVC's cache, and nothing is computed."""
        checkout = ("git", "checkout", "HEAD", "--", "params.yaml", "dvc.lock", "reports")
        yield from self.arrive(root, self.old, self.old_lock, checkout, ("dvc", "checkout", "--force"))

    def arrive(self, root, expected, lock, *commands):
        for command in commands:
            result = project.run(root, *command)
            if result.returncode:
                self.cured += 1
                yield from self.cure(root)
                if project.run(root, "dvc", "repro").returncode:
                    yield f"`{' '.join(command)}` fails: {result.stdout}{result.stderr}"
        for out, data in contents(root).items():
            if data != expected[out]:
                yield f"{out} is not what it should be in the end"
        if (root / "dvc.lock").read_bytes() != lock:
            yield "dvc.lock is not what it should be in the end"

    def cure(self, root):
        """Do what the doctor says; yield what fails."""
        result = project.run(root, "python", "-m", "tools.doctor")
        for line in result.stdout.splitlines():
            if line.startswith("    "):
                done = project.run(root, "sh", "-c", line)
                if done.returncode:
                    yield f"the doctor's `{line.strip()}` fails: {done.stderr}"

    def sound(self, root):
        """What the doctor still finds in the end."""
        result = project.run(root, "python", "-m", "tools.doctor")
        if result.returncode:
            yield f"the doctor finds {result.stdout}{result.stderr}"


def dvc_at_random_moments(repository, ledger, times, rng):
    """`dvc repro` of all six stages, killed somewhere; then it goes on, or the old results are brought back."""
    ways = [repository.forward, repository.back, repository.restore]
    kinds = [
        ("kill -9 of dvc and its stage", lambda process: os.killpg(process.pid, signal.SIGKILL)),
        ("kill -9 of dvc alone", lambda process: process.kill()),
        ("SIGTERM to dvc alone", lambda process: process.terminate()),
        ("SIGINT to dvc and its stage", lambda process: os.killpg(process.pid, signal.SIGINT)),
    ]
    for kind, strike in kinds:
        for turn in range(times):
            root = repository.copy()
            shell = ["/bin/sh", "/bin/bash"][turn % 2]
            process = start(root, "dvc", "repro", SHELL=shell)
            delay = rng.uniform(0.3, repository.lasts)
            time.sleep(delay)
            strike(process)
            process.wait()
            problems = []
            end = time.monotonic() + 20
            while list(members(process.pid)) and time.monotonic() < end:
                time.sleep(0.02)
            if list(members(process.pid)):
                problems.append("a stage lives on without its dvc")
            process.communicate()
            problems += repository.whole(root)
            way = ways[turn % len(ways)]
            problems += way(root)
            project.run(root, "python", "-m", "stages.validate")  # any stage sweeps
            if any(path.suffix == ".tmp" for path in strays(root)):  # DVC's own, cut off while it copied
                repository.cured += 1
                problems += repository.cure(root)
            problems += [f"{path.name} is left over" for path in strays(root) if path.name != "checkpoint.npz"]
            ledger.record(kind, "all", f"after {delay:.2f} s, then {way.__name__}", problems)
            shutil.rmtree(root)


def an_orphan(repository, ledger):
    """DVC dies in a long training; at once another run restores what it has in its cache, without a stage."""
    for shell in ("/bin/sh", "/bin/bash"):
        root = repository.copy()
        project.set_params(root, {"train": {"epochs": 20_000}})
        process = start(root, "dvc", "repro", SHELL=shell)
        while not (root / "models/checkpoint.npz").exists():
            time.sleep(0.05)
        process.kill()
        process.wait()
        problems = list(repository.back(root))
        time.sleep(1)
        problems += [f"{pid} lives on" for pid in members(process.pid)]
        problems += repository.arrive(root, repository.old, repository.old_lock, ("dvc", "status"))
        process.communicate()
        ledger.record("another run right after kill -9 of dvc", "all", shell, problems)
        shutil.rmtree(root)
    root = repository.copy()
    project.set_params(root, {"train": {"epochs": 20_000}})
    for name in STAGES[:3]:
        repository.must(root, "python", "-m", f"stages.{name}")
    orphan = start(root, "python", "-m", "stages.train")  # where the system cannot end it, it would look like this
    while not (root / "models/checkpoint.npz").exists():
        time.sleep(0.05)
    project.set_params(root, {"train": {"epochs": 8}})
    result = project.run(root, "dvc", "repro")
    problems = []
    if result.returncode == 0 or f"another stage is running here, process {orphan.pid}" not in result.stderr:
        problems.append(f"not refused: {result.stdout}{result.stderr}")
    orphan.kill()
    orphan.communicate()
    problems += repository.forward(root)
    ledger.record("a run beside a stage that lives on", "all", "an orphan", problems)
    shutil.rmtree(root)


def two_writers(repository, ledger, times):
    """Two of the same at one instant: one does it, the other is refused or finds it done, and it is done right."""
    for what in (["dvc", "repro"], *(["python", "-m", f"stages.{name}"] for name in ("fetch", "preprocess", "train"))):
        for turn in range(times):
            root = repository.copy()
            if what[0] == "python":
                for name in STAGES[: STAGES.index(what[-1].removeprefix("stages."))]:
                    repository.must(root, "python", "-m", f"stages.{name}")
            both = [start(root, *what) for _ in range(2)]
            said = [process.communicate()[0] for process in both]
            codes = [process.returncode for process in both]
            problems = list(repository.whole(root))
            if 0 not in codes:
                problems.append(f"neither got through: {said}")
            for code, text in zip(codes, said, strict=True):
                if (
                    code
                    and "running here" not in text
                    and "is busy" not in text
                    and "Unable to acquire lock" not in text
                ):
                    problems.append(f"not refused but failed: {text}")
            problems += repository.forward(root)
            problems += repository.sound(root)
            name = "all" if what[0] == "dvc" else what[-1].removeprefix("stages.")
            ledger.record("two at once", name, f"{' '.join(what)}, {turn + 1}", problems)
            shutil.rmtree(root)


def linked_caches(repository, ledger):
    """A workspace whose files are links into DVC's cache: a stage replaces the link, the cache keeps its bytes."""
    for kind in ("hardlink", "symlink"):
        root = repository.copy()
        project.run(root, "git", "checkout", "HEAD", "--", "params.yaml")
        repository.must(root, "dvc", "config", "cache.type", kind)
        repository.must(root, "dvc", "checkout", "--relink")
        model = root / "models/network.npz"
        problems = [] if model.is_symlink() or model.stat().st_nlink > 1 else ["no link was made"]
        project.set_params(root, NEW)
        for name in STAGES:  # by themselves: DVC would remove the links first
            repository.must(root, "python", "-m", f"stages.{name}")
        problems += [f"{out} is not new" for out, data in contents(root).items() if data != repository.new[out]]
        problems += repository.forward(root)
        problems += repository.sound(root)
        ledger.record("workspace of links into the cache", "all", kind, problems)
        shutil.rmtree(root)


def an_experiment(repository, ledger):
    """`dvc exp run` killed: Git is left on no branch, and the doctor knows the way back."""
    root = repository.copy()
    project.run(root, "git", "checkout", "HEAD", "--", "params.yaml")
    process = start(root, "dvc", "exp", "run", "-S", "train.seed=1", "-S", "train.epochs=20000")
    while not (root / "models/checkpoint.npz").exists():
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    problems = []
    if project.run(root, "git", "symbolic-ref", "--quiet", "HEAD").returncode == 0:
        problems.append("Git is on its branch: this test shows nothing")
    project.run(root, "git", "checkout", "HEAD", "--", "params.yaml")
    problems += repository.cure(root)
    problems += repository.arrive(root, repository.old, repository.old_lock, ("dvc", "repro"))
    problems += repository.sound(root)
    if project.run(root, "git", "branch", "--show-current").stdout != "main\n":
        problems.append("Git is not on its branch again")
    ledger.record("kill -9 of dvc exp run", "all", "in training", problems)
    shutil.rmtree(root)


def written(path):
    """When a file was written; None if it is not there."""
    return path.stat().st_mtime_ns if path.exists() else None


def resumed(directory, ledger, kills, epochs, optimizers, rng):
    """Training killed again and again, at random moments, until it gets through: the bytes of an undisturbed run."""
    root = directory / "resumed"
    project.make(root)
    checkpoint = root / "models/checkpoint.npz"
    results = [root / name for name in ("models/network.npz", "reports/history.csv", "reports/validation.json")]
    for optimizer in optimizers:
        project.set_params(root, {"train": {**RICH, "optimizer": optimizer, "epochs": epochs}})
        for name in STAGES[:3]:
            assert project.run(root, "python", "-m", f"stages.{name}").returncode == 0
        begun = time.monotonic()
        done = project.run(root, "python", "-m", "stages.train")
        lasts = time.monotonic() - begun
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
                time.sleep(rng.uniform(0, lasts / (2 * kills)))
                process.kill()
            said, _ = process.communicate()
            if "not used" in said:
                problems.append(f"a checkpoint was not taken up: {said}")
            if process.returncode == 0:
                break
            reached.append(int(files.read_arrays(checkpoint)["epoch"]) if checkpoint.exists() else reached[-1])
            if reached[-1] < reached[-2]:
                problems.append(f"it went back from epoch {reached[-2]} to {reached[-1]}")
            ledger.record(f"training killed with {optimizer}", "train", f"at epoch {reached[-1]}", [])
        if len(set(reached)) < 3:
            problems.append("it was hardly ever taken up")
        if [path.read_bytes() for path in results] != expected:
            problems.append("not the bytes of an undisturbed run")
        problems += [f"{path.name} is left over" for path in strays(root)]
        print(optimizer, "killed at epochs", reached[1:], flush=True)
        ledger.record(
            f"training killed with {optimizer}", "train", f"in the end, killed at epochs {reached[1:]}", problems
        )
    shutil.rmtree(root)
