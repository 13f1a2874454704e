import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from zc import lockfile

from stages.pipeline import stage
from tests.helpers import project
from tests.helpers.processes import wait_for
from tests.helpers.unix import unix


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").touch()
    old = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, old)


def work() -> None:
    """A stage without parameters."""
    raise OUTCOME


def ended(capsys, outcome):
    global OUTCOME
    OUTCOME = outcome
    with pytest.raises(SystemExit) as raised:
        stage.run(work)
    return raised.value.code, capsys.readouterr().err


def test_bad_input_is_one_line_per_problem(capsys):
    assert ended(capsys, ValueError("one\ntwo")) == (1, "work: one\nwork: two\n")
    assert ended(capsys, FloatingPointError("the loss is nan")) == (1, "work: the loss is nan\n")


def test_an_error_of_the_system_names_the_file(capsys):
    error = OSError(28, "No space left on device", "data/raw/x")
    assert ended(capsys, error) == (1, "work: data/raw/x: No space left on device\n")
    error = OSError(13, "Permission denied", "data/raw/x")
    assert ended(capsys, error) == (1, "work: data/raw/x: Permission denied; `ls -l` shows the permissions\n")
    assert ended(capsys, MemoryError()) == (1, "work: not enough memory\n")


def test_interrupted(capsys):
    assert ended(capsys, KeyboardInterrupt()) == (130, "work: interrupted; run `dvc repro` to resume\n")


def test_a_bug_keeps_its_traceback_and_others_on_request(monkeypatch):
    global OUTCOME
    OUTCOME = TypeError("a bug")
    with pytest.raises(TypeError, match="a bug"):
        stage.run(work)
    OUTCOME = ValueError("one")
    monkeypatch.setenv("TRACEBACK", "1")
    with pytest.raises(ValueError, match="one"):
        stage.run(work)


SLEEPER = """
import signal, sys, time
from stages.pipeline import files, stage
def work() -> None:
    with files.replacing("out") as temporary:
        temporary.write_text("half")
        print("at work", flush=True)
        time.sleep(60)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it by default
stage.run(work)
"""


WRITER = """
from stages.pipeline import files, stage
def work() -> None:
    print("Gr\N{LATIN SMALL LETTER O WITH DIAERESIS}\N{LATIN SMALL LETTER SHARP S}e")
    files.write_text("out", "written\\n")
    raise ValueError("\N{GREEK SMALL LETTER ALPHA}")
stage.run(work)
"""


@unix
def test_with_closed_streams_nothing_is_printed_into_a_file(tmp_path):
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", WRITER]
    done = subprocess.run(closed, env={**os.environ, "PYTHONPATH": str(project.ROOT)}, capture_output=True, check=False)
    assert done.returncode == 1
    assert (tmp_path / "out").read_text() == "written\n"


def test_characters_that_the_streams_cannot_encode_are_escaped(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(project.ROOT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", WRITER], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("Gr\\xf6\\xdfe\n", "work: \\u03b1\n")


def start(wrapper=(), **variables):
    environment = {**os.environ, "PYTHONPATH": str(project.ROOT), **variables}
    command = [*wrapper, sys.executable, "-c", SLEEPER]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "at work\n"
    return process


def test_a_second_stage_is_refused_with_the_process_of_the_first(capsys):
    process = start()
    assert ended(capsys, ValueError("never reached")) == (
        1,
        f"work: another stage is running here, process {process.pid}: wait for it, or end it\n",
    )
    process.kill()
    process.communicate()
    assert ended(capsys, ValueError("reached")) == (
        1,
        "work: reached\n",
    )  # the system frees the lock of a process that died


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS])
def test_on_a_file_system_without_locks_a_stage_runs_and_says_so(capsys, monkeypatch, number):
    def refuse(file):
        try:
            raise OSError(number, os.strerror(number))
        except OSError:
            raise lockfile.LockError("Couldn't lock it")  # noqa: B904 (as the library does)

    monkeypatch.setattr(lockfile, "_lock_file", refuse)
    said = f"{stage.LOCK}: no locks on this file system; never run two stages here at once\nwork: reached\n"
    assert ended(capsys, ValueError("reached")) == (1, said)


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGTERM, 143, "work: terminated; run `dvc repro` to resume\n"),
        (signal.SIGINT, 130, "work: interrupted; run `dvc repro` to resume\n"),
    ],
)
def test_a_signal_leaves_no_temporary_file(tmp_path, number, code, said):
    process = start()
    assert (tmp_path / ".out.unfinished").exists()
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (code, said)
    assert {path.name for path in tmp_path.iterdir()} == {"data", "dvc.yaml"}
    assert list((tmp_path / "data").iterdir()) == [tmp_path / stage.LOCK]


@unix
@pytest.mark.parametrize("shell", [[], ["sh", "-c", '"$@"; exit', "sh"]], ids=["directly", "by a shell"])
def test_under_dvc_a_stage_ends_with_it(tmp_path, shell):
    starter = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    parent = start([sys.executable, "-c", starter, *shell], DVC_STAGE="work")
    child = int((tmp_path / stage.LOCK).read_text())
    assert child != parent.pid
    parent.kill()
    parent.communicate(timeout=30)  # returns when the child, which shares the pipes, is ending
    wait_for(lambda: not alive(child))


@unix
def test_a_stage_whose_dvc_died_while_python_was_starting_does_not_begin():
    orphan = """
import os, time
while os.getppid() == int(os.environ["STARTER"]):
    time.sleep(0.01)
"""
    starter = (
        "import os, subprocess, sys; subprocess.Popen(sys.argv[1:], env={**os.environ, 'STARTER': str(os.getpid())})"
    )
    command = [sys.executable, "-c", starter, sys.executable, "-c", orphan + SLEEPER]
    environment = {**os.environ, "PYTHONPATH": str(project.ROOT), "DVC_STAGE": "work"}
    # In its own process group, like a job of a shell.
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    out, error = process.communicate(timeout=60)
    assert out == ""
    assert error.endswith("work: the `dvc` that started this stage has ended; run `dvc repro` to start it again\n")


def test_outside_the_project_nothing_is_done(tmp_path, monkeypatch, capsys):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    said = f"work: {tmp_path}/sub: no dvc.yaml here; run stages in the project's directory\n"
    assert ended(capsys, ValueError("never reached")) == (1, said)
    assert list((tmp_path / "sub").iterdir()) == []


def test_what_killed_stages_left_is_removed(tmp_path, capsys):
    left = [tmp_path / name for name in ("data/raw/.a.unfinished", "models/.checkpoint.npz.unfinished")]
    kept = [tmp_path / name for name in ("data/mine/a.unfinished", "other/.b.unfinished", "models/.c")]
    for path in (*left, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    ended(capsys, ValueError("one"))
    assert [path for path in (*left, *kept) if path.exists()] == kept


def alive(number):
    """Whether a process with this number is running; a zombie is not."""
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
