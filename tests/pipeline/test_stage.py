import pytest

from stages.pipeline import stage


def work() -> None:
    """A stage without parameters."""
    raise OUTCOME


def ended(capsys, outcome):
    global OUTCOME
    OUTCOME = outcome
    with pytest.raises(SystemExit) as raised:
        stage.run(work)
    return raised.value.code, capsys.readouterr().err


def test_bad_input_is_a_line_a_problem(capsys):
    assert ended(capsys, ValueError("one\ntwo")) == (1, "work: one\nwork: two\n")
    assert ended(capsys, FloatingPointError("the loss is nan")) == (1, "work: the loss is nan\n")


def test_an_error_of_the_system_names_the_file(capsys):
    error = OSError(28, "No space left on device", "data/raw/x")
    assert ended(capsys, error) == (1, "work: data/raw/x: No space left on device\n")
    assert ended(capsys, MemoryError()) == (1, "work: MemoryError\n")


def test_interrupted(capsys):
    assert ended(capsys, KeyboardInterrupt()) == (130, "work: interrupted; `dvc repro` starts this stage again\n")


def test_a_fault_of_ours_keeps_its_traceback():
    global OUTCOME
    OUTCOME = TypeError("ours")
    with pytest.raises(TypeError, match="ours"):
        stage.run(work)


def test_a_traceback_for_who_asks(monkeypatch):
    global OUTCOME
    OUTCOME = ValueError("one")
    monkeypatch.setenv("TRACEBACK", "1")
    with pytest.raises(ValueError, match="one"):
        stage.run(work)
