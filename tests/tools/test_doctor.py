"""Whatever is broken, the commands that the doctor prints repair it."""

import json
import os
import subprocess
import sys

import project
import pytest
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from voluptuous import Invalid

from tools import doctor


def examine(root):
    """The exit code and the output of the doctor."""
    result = project.run(root, "python", "-m", "tools.doctor")
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode, result.stdout + result.stderr


def intact(root):
    code, output = examine(root)
    assert output.startswith("All is well: ")
    assert output.count("\n") == 1
    return code == 0


def repair(root, *expected):
    """Run the doctor's commands in a shell; return them."""
    code, output = examine(root)
    assert code == 1
    for text in expected:
        assert text in output
    commands = [line.removeprefix("    ") for line in output.splitlines() if line.startswith("    ")]
    for command in commands:
        result = project.run(root, "sh", "-c", command)
        assert result.returncode == 0, f"{command}: {result.stderr}"
    return commands


def cached(root, path):
    """The object in DVC's cache that holds the bytes of a file."""
    (found,) = [object for object in (root / ".dvc/cache/files/md5").glob("*/*") if same(object, path)]
    return found


def same(one, other):
    return one.read_bytes() == other.read_bytes()


def flip(path):
    """Change one byte of a file, but not its size, time, mode or inode."""
    status = path.stat()
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    with path.open("rb+") as file:
        file.write(data)
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def ended():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def commit(root):
    project.run(root, "git", "add", "--all")
    author = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    assert project.run(root, "git", *author, "commit", "--quiet", "--message", "A run").returncode == 0


def test_an_intact_checkout_is_reported_in_one_line(finished):
    assert intact(finished)
    assert not project.run(finished, "git", "status", "--porcelain", "dvc.lock", "data").stdout.startswith(" M")


def test_whatever_is_damaged_is_repaired(copy):
    before, lock = project.snapshot(copy), (copy / "dvc.lock").read_bytes()
    images, labels = copy / "data/processed/train_images.npy", copy / "data/raw/train-labels-idx1-ubyte"
    objects = [cached(copy, path) for path in (images, copy / "reports/predictions.csv")]
    download = next((copy / "data/downloads").iterdir())
    figure = next((copy / "reports/figures").iterdir())
    strays = [
        copy / "models/.network.npz.unfinished",
        copy / f"data/raw/.{'x' * 22}.tmp",
        copy / f".dvc/cache/files/md5/00/.{'y' * 22}.tmp",
    ]
    for path in (*objects, download, images, copy / "models/network.npz", copy / "reports/metrics.json", figure):
        flip(path)
    os.truncate(labels, 5)
    for path in strays:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    holder = {"pid": ended(), "cmd": "dvc repro"}
    (copy / ".dvc/tmp/rwlock").write_text(json.dumps({"write": {str(images): holder}, "read": {}}))

    damaged = [images, labels, copy / "models/network.npz", copy / "reports/metrics.json", download, *objects, *strays]
    repair(
        copy,
        *(f"    rm -f {path.relative_to(copy)}\n" for path in damaged),
        "reports/figures: its files are not those that dvc.lock records\n    rm -rf reports/figures\n",
        "whose process has ended (",
    )

    assert project.snapshot(copy) == before
    assert (copy / "dvc.lock").read_bytes() == lock
    assert intact(copy)
    assert project.repro(copy) == []


def test_a_damaged_cache_object_that_dvc_trusts_is_found_by_the_stage_and_the_doctor(copy):
    """It is read-only, so DVC does not check it; even `dvc repro --force` would keep the bad bytes."""
    before = project.snapshot(copy)
    images = copy / "data/processed/test_images.npy"
    flip(cached(copy, images))
    images.unlink()
    assert project.run(copy, "dvc", "checkout").returncode == 0
    assert project.snapshot(copy) != before
    assert project.run(copy, "dvc", "status").stdout == "Data and pipelines are up to date.\n"
    project.set_params(copy, {"evaluate": {"calibration_bins": 10}})
    result = project.run(copy, "dvc", "repro")
    assert "evaluate: data/processed/test_images.npy: SHA-256 is " in result.stderr
    assert "run `make doctor`, which says how to repair it" in result.stderr
    project.set_params(copy, {"evaluate": {"calibration_bins": 15}})
    repair(copy, "DVC would use it as data/processed/test_images.npy")
    assert project.snapshot(copy) == before
    assert intact(copy)


CONFLICT = "<<<<<<< ours\nschema: '2.0'\n=======\nschema: '1.0'\n>>>>>>> theirs\n"


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "never committed"])
def test_a_broken_dvc_lock(copy, committed):
    before, lock = project.snapshot(copy), (copy / "dvc.lock").read_bytes()
    if committed:
        commit(copy)
    (copy / "dvc.lock").write_text("")
    fix = "git checkout HEAD -- dvc.lock" if committed else "rm -f dvc.lock"
    assert repair(copy, "dvc.lock: empty or missing") == [fix, "dvc repro"]
    assert project.snapshot(copy) == before
    assert (copy / "dvc.lock").read_bytes() == lock
    assert intact(copy)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (" \n", "empty or missing"),
        (CONFLICT, "has both sides of a merge"),
        ("schema: '2.0'\nstages:\n  train: [", "broken, line 3: expected the node content"),
        ("schema: '2.0'\nstages: 5\n", "broken, "),
        ("schema: '2.0'\nstages:\n  train:\n    outs:\n    - md5: 0\n", "broken, "),
        ("stages: {}\n", "broken, "),
        ("\0", "broken, "),
        ("a: &a [*a]\n", "broken, "),
    ],
)
def test_a_text_that_is_not_a_dvc_lock(text, why):
    with pytest.raises(ValueError, match=why) as raised:
        doctor.parse(text)
    assert "\n" not in str(raised.value)


def test_every_truncated_dvc_lock_that_dvc_rejects_is_found():
    text = (project.ROOT / "dvc.lock").read_text(encoding="utf-8")
    rejected = 0
    for end in range(1, text.index("\n  preprocess:"), 5):
        try:
            COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(text[:end]))
        except (Invalid, YAMLError):
            rejected += 1
            with pytest.raises(ValueError, match="broken"):
                doctor.parse(text[:end])
    assert rejected > 100


def test_a_conflict_in_dvc_lock_in_the_middle_of_a_merge(copy):
    lock = (copy / "dvc.lock").read_bytes()
    commit(copy)
    project.run(copy, "git", "switch", "--quiet", "--create", "other")
    for branch, bins in (("other", 10), ("main", 12)):
        project.run(copy, "git", "switch", "--quiet", branch)
        (copy / "dvc.lock").write_bytes(lock.replace(b"calibration_bins: 15", b"calibration_bins: %d" % bins))
        commit(copy)
    assert project.run(copy, "git", "merge", "other").returncode == 1
    assert repair(copy, "dvc.lock: has both sides of a merge") == ["git checkout HEAD -- dvc.lock", "dvc repro"]
    assert (copy / "dvc.lock").read_bytes() == lock  # with the parameters that are there
    assert intact(copy)


def test_git_on_no_branch_after_a_killed_experiment(copy):
    commit(copy)
    head = project.run(copy, "git", "rev-parse", "HEAD").stdout.strip()
    project.run(copy, "git", "checkout", "--quiet", head)
    assert intact(copy)  # this may be intended
    project.run(copy, "git", "update-ref", "refs/exps/exec/EXEC_HEAD", head)
    fix = ["git switch main", "git update-ref -d refs/exps/exec/EXEC_HEAD", "dvc repro"]
    assert repair(copy, "Git's HEAD is detached: a killed `dvc exp run` left it so") == fix
    assert project.run(copy, "git", "branch", "--show-current").stdout == "main\n"
    assert intact(copy)


def test_a_truncated_lock_of_dvc(copy):
    rwlock = copy / ".dvc/tmp/rwlock"
    for text in ("[1]", '{"write": {', ""):
        rwlock.write_text(text)
        assert "a truncated lock of DVC" in examine(copy)[1]
    assert repair(copy) == ["rm -f .dvc/tmp/rwlock", "dvc repro"]
    assert intact(copy)


def test_while_something_is_running_it_refuses(copy):
    holder = {"pid": os.getpid(), "cmd": "dvc repro"}
    rwlock = copy / ".dvc/tmp/rwlock"
    rwlock.write_text(json.dumps({"write": {"x": holder}, "read": {"y": [holder]}}))
    assert (
        "a lock of DVC whose process has ended" in examine(copy)[1]
    )  # the number is that of another program, this one
    name = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", "dvc"]
    with subprocess.Popen(name, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        rwlock.write_text(json.dumps({"write": {"x": {"pid": process.pid, "cmd": "dvc repro"}}, "read": {}}))
        said = f"doctor: `dvc repro` is running here, process {process.pid}: try again when it has ended\n"
        assert examine(copy) == (1, said)
    rwlock.unlink()
    holding = """
import sys
from stages.pipeline import stage
with stage.lock(stage.LOCK):
    print(flush=True)
    sys.stdin.read()
"""
    environment = {**os.environ, "PYTHONPATH": str(project.ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", holding], cwd=copy, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        said = f"doctor: another stage is running here, process {process.pid}: wait for it, or end it\n"
        assert examine(copy) == (1, said)


def test_before_anything_has_run(tmp_path):
    project.make(tmp_path / "new")
    assert intact(tmp_path / "new")


@pytest.mark.parametrize("entry", ["bad: 5\n", "bad: {files: {train_images: {name: a}}}\n", "bad: [\n"])
def test_a_file_that_is_not_a_catalog(copy, entry):
    with (copy / "data/catalog.yaml").open("a") as file:
        file.write(entry)
    code, output = examine(copy)
    assert code == 1
    assert "data/catalog.yaml: not a catalog, " in output
    assert "fix what was changed\n    git diff data/catalog.yaml\n" in output
