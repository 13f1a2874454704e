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


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (ValueError("one\ntwo"), "one\nwork: two"),
        (FloatingPointError("the loss is nan"), "the loss is nan"),
        (OSError(28, "No space left on device", "data/raw/x"), "data/raw/x: No space left on device"),
        (OSError(13, "Permission denied", "x"), "x: Permission denied; `ls -l` shows the permissions"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_bad_input_and_an_error_of_the_system_are_one_line_per_problem(capsys, outcome, said):
    assert ended(capsys, outcome) == (1, f"work: {said}\n")


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
    with files.atomic_write("out") as temporary:
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
@pytest.mark.parametrize(
    ("redirect", "printed"), [("<&- >&- 2>&-", ("", "")), ("", ("Gr\\xf6\\xdfe\n", "work: \\u03b1\n"))]
)
def test_streams_may_be_closed_or_lack_characters(tmp_path, redirect, printed):
    """Nothing is printed into a file, and what cannot be encoded is escaped."""
    environment = {**os.environ, "PYTHONPATH": str(project.ROOT), "PYTHONIOENCODING": "ascii"}
    command = ["sh", "-c", f'exec "$@" {redirect}', "sh", sys.executable, "-c", WRITER]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, (done.stdout, done.stderr)) == (1, printed)
    assert (tmp_path / "out").read_text() == "written\n"


def start(wrapper=(), **variables):
    environment = {**os.environ, "PYTHONPATH": str(project.ROOT), **variables}
    command = [*wrapper, sys.executable, "-c", SLEEPER]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "at work\n"
    return process


def test_a_second_stage_is_refused_with_the_process_of_the_first(capsys):
    process = start()
    said = f"work: another stage is running here, process {process.pid}: wait for it, or stop it\n"
    assert ended(capsys, ValueError("never reached")) == (1, said)
    process.kill()
    process.communicate()
    assert ended(capsys, ValueError("reached")) == (1, "work: reached\n")  # the system frees the lock of the dead


def test_on_a_file_system_without_locks_a_stage_runs_and_says_so(capsys, monkeypatch):
    def refuse(file):
        try:
            raise OSError(errno.ENOLCK, "No locks available")
        except OSError:
            raise lockfile.LockError("Couldn't lock it")  # noqa: B904 (as the library does)

    monkeypatch.setattr(lockfile, "_lock_file", refuse)
    lacks = "this file system does not support locks; never run two stages here at once"
    said = f"{stage.LOCK}: {lacks}\nwork: reached\n"
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
    orphan = "import os, sys, time\nwhile os.getppid() == int(sys.argv[1]): time.sleep(0.01)\n"
    starter = "import os, subprocess, sys; subprocess.Popen([*sys.argv[1:], str(os.getpid())])"
    command = [sys.executable, "-c", starter, sys.executable, "-c", orphan + SLEEPER]
    environment = {**os.environ, "PYTHONPATH": str(project.ROOT), "DVC_STAGE": "work"}
    # In its own process group, like a job of a shell. Ends with the orphan, which shares the streams.
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, start_new_session=True, timeout=60, check=False
    )
    assert done.stdout == ""
    assert done.stderr.endswith(
        "work: the `dvc` that started this stage has ended; run `dvc repro` to start it again\n"
    )


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
    """Return True if a process is running; a zombie is not."""
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
