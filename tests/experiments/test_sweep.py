"""Sweeps: the same table in any order, whatever fails; the page says what the table says."""

import re
import shutil
import sys
from concurrent.futures import CancelledError

import numpy as np
import pytest
from distributed.scheduler import KilledWorker

from experiments.cluster import connect, dispatch, execute
from experiments.recipes import resolve
from experiments.recipes import run as runner
from experiments.sweeps import plan, summary, sweep
from experiments.table import RESULTS, SWEEPS, parse, read_lines
from stages.pipeline import files
from tests.helpers import project

SWEEP = """
about: a small one
base: default
axes:
  train.learning_rate: [0.001, 0.01]
  train.hidden: [[16], [8, 8]]
  train.weight_decay: [0.0001]
seeds: 2
"""
HEAD = "about: ''\nbase: default\n"
TABLE = SWEEPS / "some.csv"


def write(text=SWEEP, name="some"):
    (SWEEPS / f"{name}.yaml").write_text(text)


def run(name="some"):
    sweep.run(plan.load(name))


def table(path=TABLE):
    """The lines of a sweep's table, without what differs from run to run."""
    return [
        {key: value for key, value in line.items() if key not in ("seconds", "worker")} for line in read_lines(path)
    ]


def page(name="some"):
    return (SWEEPS / f"{name}.md").read_text()


def test_finished_trials_are_never_run_again(lab, in_process, monkeypatch, capsys):
    write()
    run()
    before = TABLE.read_bytes()
    assert [line["train.hidden"] for line in table()] == (["[16]"] * 2 + ["[8, 8]"] * 2) * 2
    assert [line["seed"] for line in table()] == ["0", "1"] * 4
    with monkeypatch.context() as patch:
        patch.setattr(connect, "cluster", lambda: pytest.fail("a cluster was started"))
        run()
        assert TABLE.read_bytes() == before
        write(SWEEP.replace("[0.001, 0.01]", "[0.01]"), "other")  # another sweep, with some of its trials
        run("other")
        others = table(SWEEPS / "other.csv")
        assert [line | {"recipe": "some"} for line in others] == table()[4:]
        narrow = '\nnarrow: {about: "", base: default, change: {train: {hidden: [8, 8]}}, seeds: 2}\n'
        resolve.RECIPES.write_text(resolve.RECIPES.read_text() + narrow)
        runner.run(resolve.load(["narrow"])[1])
    assert [line["model"] for line in read_lines(RESULTS)] == [line["model"] for line in table()[2:4]]

    write(SWEEP.replace("[0.001, 0.01]", "[0.001, 0.01, 0.02]"))
    capsys.readouterr()
    run()
    assert "sweep some: 6 combinations x 2 seeds\n4 trials to run, 8 done before\n" in capsys.readouterr().out
    assert TABLE.read_text().startswith(before.decode())
    write(SWEEP.replace("[0.001, 0.01]", "[0.02]").replace("  train.weight_decay: [0.0001]\n", ""))
    run()
    assert [line["train.learning_rate"] for line in table()] == ["0.02"] * 4 + ["0.001"] * 4 + ["0.01"] * 4
    assert [line["train.weight_decay"] for line in table()] == [""] * 4 + ["0.0001"] * 8


def test_any_order_gives_the_same_table(lab, in_process, monkeypatch):
    write()
    run()
    before = table()
    TABLE.unlink()
    original = dispatch.run_trials
    monkeypatch.setattr(dispatch, "run_trials", lambda client, trials, kept: original(client, trials[::-1], kept))
    run()
    assert table() == before


def test_a_trial_that_fails_is_a_row_and_the_sweep_goes_on(lab, in_process, monkeypatch, capsys):
    write(HEAD + "axes: {train.learning_rate: [1000.0, 0.001], train.batch_size: [20, 100000], train.epochs: [4, 2]}\n")
    original = execute.learn

    def learn(data, settings, **options):
        if settings["epochs"] == 2:
            raise MemoryError
        return original(data, settings, **options)

    monkeypatch.setattr(execute, "learn", learn)
    run()
    problems = [line["problem"] for line in table()]
    assert problems[0].startswith("the loss is ")
    assert problems[1::2] == ["not enough memory"] * 4
    assert problems[2].startswith("train.batch_size is 100000, but there are 300 training images")
    assert problems[4] == ""
    _, err = capsys.readouterr()
    assert "some, train.learning_rate 1000.0, train.batch_size 20, train.epochs 4, seed 0: the loss is" in err
    assert "| 1000.0 | 20 | 4 | failed | 0.0 |" in page()
    assert "7 trials failed" in page()
    run()  # it knows that these fail
    assert "0 trials to run, 8 done before" in capsys.readouterr().out
    write(HEAD + "axes: {train.learning_rate: [1000.0]}\n", "all")
    with pytest.raises(ChildProcessError, match=r"^every combination failed$"):
        run("all")


class Future:
    """What Dask gives for a task that has ended."""

    def __init__(self, error):
        self.error = error

    def result(self):
        raise self.error


def test_the_end_of_a_task_is_told_apart():
    trial = type("Trial", (), {"name": "some", "seed": 0, "key": "key"})
    row, _ = dispatch.result(trial, Future(KilledWorker("trial", None, 3)))
    assert (row.problem, row.is_lost) == ("its worker died 4 times, perhaps out of memory", False)
    row, _ = dispatch.result(trial, Future(OSError("the disk\nis full")))
    assert (row.problem, row.is_lost) == ("lost: OSError, the disk is full", True)
    with pytest.raises(CancelledError):
        dispatch.result(trial, Future(CancelledError()))


def test_lost_trials_name_no_best_and_are_run_again(lab, in_process, monkeypatch, capsys):
    write(HEAD + "axes: {train.epochs: [1, 2]}\n")
    with monkeypatch.context() as patch:
        patch.setattr(execute, "learn", lambda *data, **options: exec("raise OSError('the disk is full')"))
        patch.setattr(dispatch, "RETRIES", 0)
        with pytest.raises(
            ChildProcessError, match=r"^2 of 2 trials were lost; run the same command to try them again"
        ):
            run()
    assert "some, train.epochs 2, seed 0: lost: OSError, the disk is full" in capsys.readouterr().err
    assert table() == []
    assert not (SWEEPS / "some.md").exists()
    run()
    assert len(table()) == 2


def test_halving_trains_the_best_ones_for_longer(lab, in_process, capsys):
    text = SWEEP.replace("seeds: 2", "seeds: 1") + "halving: {rungs: [1, 2, 8], keep: 0.5}\n"
    write(text)
    run()
    assert "sweep some for 2 epochs: 2 combinations x 1 seed\n2 trials to run" in capsys.readouterr().out
    rows = table()
    assert [row["train.epochs"] for row in rows] == ["1"] * 4 + ["2"] * 2 + ["8"]
    accuracy = [float(row["validation_accuracy"]) for row in rows]
    first = sorted(range(4), key=lambda i: (-accuracy[i], i))[:2]
    axes = "train.learning_rate", "train.hidden"
    assert [rows[4][axis] for axis in axes] == [rows[first[0]][axis] for axis in axes]
    assert "Combinations: 4 for 1 epochs, 2 for 2 epochs, 1 for 8 epochs; 1 seed each." in page()
    assert "Rank correlation (Spearman, 1904) of 1 with 2 epochs: unknown, from 2 combinations." in page()
    write(text.replace("[1, 2, 8], keep: 0.5", "[1, 8], keep: 1.0"), "all")
    run("all")
    assert re.search(r"of 1 with 8 epochs: -?\d\.\d\d, from 4 combinations", page("all"))


def test_the_rank_correlation_is_spearmans():
    a, b = np.array([1.0, 2.0, 2.0, 5.0]), np.array([10.0, 30.0, 20.0, 40.0])
    assert summary.rank_correlation(a, a) == pytest.approx(1)
    assert summary.rank_correlation(a, -a) == pytest.approx(-1)
    assert summary.rank_correlation(a, b) == pytest.approx(0.9486833)
    assert np.isnan(summary.rank_correlation(a, np.ones(4)))


def test_the_page_shows_the_best_and_a_base_that_has_changed_since_is_said(lab, in_process, capsys):
    write()
    run()
    out = capsys.readouterr().out
    rows = list(map(parse, read_lines(TABLE)))
    error = np.array([1 - row.validation_accuracy for row in rows]).reshape(4, 2)
    best = int(error.mean(axis=1).argmin())
    spread = f"{100 * error[best].mean():.2f} ± {100 * error[best].std(ddof=1):.2f}"
    first = next(line for line in page().splitlines() if line.startswith("| 0.0"))
    assert f"| {spread} |" in first
    assert first in out
    assert f"starts with `{rows[2 * best].model}`" in page()
    assert (SWEEPS / "some.png").stat().st_size > 20_000
    project.set_params(lab, {"train": {"epochs": 9}})
    run()
    out = capsys.readouterr().out
    assert (
        "default as it was when the sweep began, in experiments/sweeps/some.json; today's default is different" in out
    )
    assert "0 trials to run" in out


@pytest.mark.slow
def test_the_best_one_becomes_an_experiment_of_dvc_with_the_same_network(copy, monkeypatch, in_process):
    monkeypatch.chdir(copy)
    ignored = shutil.ignore_patterns("*.csv", "*.json", "cache", "models")
    shutil.copytree(project.ROOT / "experiments", copy / "experiments", ignore=ignored)
    resolve.RECIPES.write_text('default: {about: "", seeds: 1}\n')
    axes = (
        "{train.learning_rate: [0.02], train.hidden: [[8, 8]], train.augmentation: [null], preprocess.deskew: [false]}"
    )
    write(f"about: ''\nbase: default\naxes: {axes}\n")
    run()
    (command,) = (line for line in page().splitlines() if line.startswith("dvc exp run"))
    project.set_params(copy, {"train": {"epochs": 3, "momentum": 0.5}})  # the command does not depend on it
    project.run(copy, "git", "add", "--all")
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    project.run(copy, "git", *identity, "commit", "--quiet", "--message", "start")
    ran = project.run(copy, "sh", "-c", command)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    network = execute.from_arrays(files.read_arrays("models/network.npz"))
    assert execute.theta_digest(network) == read_lines(TABLE)[0]["model"]


def test_a_scheduler_that_does_not_answer_or_is_not_private_is_one_line(lab, monkeypatch, capsys):
    write()
    monkeypatch.setattr(connect, "SECONDS", 1)
    monkeypatch.setattr(sys, "argv", ["sweep", "some"])
    for address, reason in {
        "tcp://127.0.0.1:1": "",
        "tcp://192.0.2.1:8786": "tcp://192.0.2.1:8786 is neither on this machine nor tls://; docs/sweeps.md shows how",
    }.items():
        monkeypatch.setenv("SCHEDULER", address)
        with pytest.raises(SystemExit):
            sweep.main()
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"experiments: SCHEDULER={address}: no scheduler answers there, {reason}")
    monkeypatch.setattr(sys, "argv", ["sweep"])
    with pytest.raises(SystemExit):
        sweep.main()
    assert capsys.readouterr().err == "experiments: name one sweep: make sweep SWEEP=NAME; there are some\n"


def test_the_docs_show_the_sweep_that_is_in_the_repository():
    docs = (project.ROOT / "docs/sweeps.md").read_text()
    assert f"```yaml\n{(project.ROOT / SWEEPS / 'first.yaml').read_text()}```" in docs
    rows = [line for line in (project.ROOT / SWEEPS / "first.md").read_text().splitlines() if line.startswith("| ")]
    assert len(rows) == 8
    assert "\n".join(rows) in docs
