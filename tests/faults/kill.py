"""Real processes: DVC and its stage killed at random moments, training again and again; unusual environments."""

import os
import shutil
import signal
import subprocess
import sys
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
# What runs a stage, and with which variables.
ENVIRONMENTS = {
    "no terminal, streams closed": (["setsid", "sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"], {}),
    "python -OO": ([], {"PYTHONOPTIMIZE": "2"}),
    "locale C, no UTF-8 mode": ([], {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "ASCII streams": ([], {"PYTHONIOENCODING": "ascii"}),
    "no home": ([], {"HOME": "/nonexistent", "MPLCONFIGDIR": "/nonexistent"}),
}
IN_1_GIB = ["sh", "-c", 'ulimit -v 1048576; exec "$@"', "sh"]
# How to go on after a fault: with the new parameters, or back to the old ones, with or without running anything.
RECOVERIES = {
    "dvc repro": "new",
    "git checkout HEAD -- params.yaml && dvc repro": "old",
    "git checkout HEAD -- params.yaml dvc.lock reports && dvc checkout --force": "old",
}
KILLS = {
    "kill -9 of dvc and its stage": lambda process: os.killpg(process.pid, signal.SIGKILL),
    "kill -9 of dvc alone": lambda process: process.kill(),
    "SIGTERM to dvc alone": lambda process: process.terminate(),
    "SIGINT to dvc and its stage": lambda process: os.killpg(process.pid, signal.SIGINT),
}


def start(root, *command, **variables):
    """Start a command in a session and process group of its own."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    environment = project.environment(root, **variables)
    return subprocess.Popen(command, cwd=root, env=environment, start_new_session=True, **streams)


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
    paths = {out: root / out for out in (*project.outputs(*STAGES), "dvc.lock")}
    return {out: path.read_bytes() if path.exists() else None for out, path in paths.items()}


def dvc_at_random_moments(directory, ledger, times, rng):
    """Kill `dvc repro` of all stages somewhere; then run it again, or restore the old results."""
    old_root, new_root, root = directory / "old", directory / "new", directory / "copy"
    project.make(old_root)
    must(old_root, "git", "init", "--quiet", "--initial-branch", "main")
    (old_root / ".git/info/exclude").write_text("/.dvc/site/\n")
    must(old_root, "dvc", "repro")
    must(old_root, "git", "add", "--all")
    author = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    must(old_root, "git", *author, "commit", "--quiet", "--message", "The old run")
    shutil.copytree(old_root, new_root, symlinks=True)
    project.set_params(new_root, NEW)
    started = time.monotonic()
    must(new_root, "dvc", "repro")
    duration = time.monotonic() - started
    results = {"old": contents(old_root), "new": contents(new_root)}

    for kind, kill in KILLS.items():
        for turn in range(times):
            recovery, expected = [*RECOVERIES.items()][turn % len(RECOVERIES)]
            shutil.copytree(old_root, root, symlinks=True)
            project.set_params(root, NEW)
            process = start(root, "dvc", "repro", SHELL=["/bin/sh", "/bin/bash"][turn % 2])
            delay = rng.uniform(0.3, duration)
            time.sleep(delay)
            kill(process)
            process.wait()
            wait_for(lambda group=process.pid: not alive(group))  # a stage ends with its dvc
            process.communicate()
            problems = [
                f"{out} has neither its old nor its new content, {len(data)} bytes"
                for out, data in contents(root).items()
                if out != "dvc.lock" and data not in (None, results["old"][out], results["new"][out])
            ]
            recovered = project.run(root, "sh", "-c", recovery)
            if "Unable to read RWLock-file" in recovered.stderr:  # a problem in DVC: docs/reliability.md
                (root / ".dvc/tmp/rwlock").unlink()
                recovered = project.run(root, "sh", "-c", recovery)
            if recovered.returncode:
                problems.append(f"it fails: {recovered.stdout}{recovered.stderr}")
            problems += [
                f"{out} is wrong in the end" for out, data in contents(root).items() if data != results[expected][out]
            ]
            must(root, "python", "-m", "stages.validate")  # any stage removes leftovers
            left = (path for place in files.PLACES for path in (root / place).rglob(f".*{files.UNFINISHED}"))
            problems += [f"{path.name} is left over" for path in left]
            ledger.record(kind, f"after {delay:.2f} s, then {recovery}", problems)
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
            process = start(root, "python", "-m", "stages.train", PYTHONPATH=f"{OFTEN}{os.pathsep}{root}")
            more = reached[-1] + rng.randint(1, epochs // (2 * kills))
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
        ledger.record("training killed again and again", f"{optimizer} at epochs {reached[1:]}", problems)
    shutil.rmtree(root)


def epoch(checkpoint):
    """The epoch that a checkpoint has reached; 0 without one."""
    return int(files.read_arrays(checkpoint)["epoch"]) if checkpoint.exists() else 0


def unusual_environments(directory, ledger):
    """Run all stages in each environment: they write the same bytes; and all of MNIST fits into 1 GiB of memory."""
    root = directory / "environments"
    project.make(root)
    run_stages(root, STAGES)
    expected = contents(root)

    def run_all(kind, wrapper, **variables):
        for path in (root / out for out, data in expected.items() if data):
            path.unlink()
        for name in STAGES:
            result = project.run(root, *wrapper, sys.executable, "-m", f"stages.{name}", **variables)
            problems = [f"exit code {result.returncode}: {result.stderr}"] if result.returncode else []
            problems += [f"{out} differs" for out in project.outputs(name) if contents(root)[out] != expected[out]]
            ledger.record(kind, name, problems)

    for kind, (wrapper, variables) in ENVIRONMENTS.items():
        run_all(kind, wrapper, **variables)
    shutil.copy(project.ROOT / "params.yaml", root)
    project.set_params(root, {"fetch": {"directory": str(project.ROOT / "data/raw")}, "train": {"epochs": 2}})
    run_stages(root, STAGES)
    expected = contents(root)
    run_all("MNIST in 1 GiB of memory", IN_1_GIB)
    shutil.rmtree(root)
