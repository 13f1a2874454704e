"""Sweeps: the same table in any order, whatever fails; the page says what the table says."""

import shutil
import sys
import threading
from concurrent.futures import CancelledError
from itertools import chain, pairwise
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from distributed.scheduler import KilledWorker
from scipy.stats import spearmanr

from experiments.cluster import connect, dispatch, execute
from experiments.pages import mean_and_sd
from experiments.recipes import resolve
from experiments.recipes import run as runner
from experiments.sweeps import plan, sweep
from experiments.table import RESULTS, SWEEPS, read_lines
from experiments.trial import Row
from stages.nn.network import from_arrays
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


def test_a_trial_that_fails_is_a_row_and_the_sweep_goes_on(lab, in_process, monkeypatch, capsys):
    write(HEAD + "axes: {train.learning_rate: [1000.0, 0.001], train.batch_size: [20, 100000, 30]}\n")
    learn = execute.learn
    out = Mock(side_effect=MemoryError)
    monkeypatch.setattr(
        execute, "learn", lambda data, s, **how: (out if s["batch_size"] == 30 else learn)(data, s, **how)
    )
    run()
    starts = ["the loss is ", "train.batch_size is 100000, but there are 300 training images", "not enough memory", "*"]
    problems = [line["problem"] or "*" for line in table()]
    assert [p.startswith(s) for p, s in zip(problems, [*starts, *starts[1:3]], strict=True)] == [True] * 6
    assert f"some, train.learning_rate 1000.0, train.batch_size 20, seed 0: {starts[0]}" in capsys.readouterr().err
    assert "| 1000.0 | 20 | failed | 0.0 |" in page()
    assert "5 trials failed" in page()
    run()  # it knows that these fail
    assert "0 trials to run, 6 done before" in capsys.readouterr().out
    write(HEAD + "axes: {train.learning_rate: [1000.0]}\n", "all")
    with pytest.raises(ChildProcessError, match=r"^every combination failed$"):
        run("all")


def test_the_end_of_a_task_is_told_apart():
    trial, future = SimpleNamespace(name="some", seed=0, key="key"), Mock()
    future.result.side_effect = [KilledWorker("trial", None, 3), OSError("the disk\nis full"), CancelledError()]
    row, _ = dispatch.result(trial, future)
    assert (row.problem, row.is_lost) == ("its worker died 4 times, perhaps out of memory", False)
    row, _ = dispatch.result(trial, future)
    assert (row.problem, row.is_lost) == ("lost: OSError, the disk is full", True)
    with pytest.raises(CancelledError):
        dispatch.result(trial, future)
    with pytest.raises(ConnectionError, match=r"^lost the scheduler; run the same command to resume$"):
        next(dispatch.run_trials(SimpleNamespace(status="closed"), [trial], keep_models=False))


def test_a_trial_that_hangs_is_given_to_another_worker_as_well(lab, in_process, monkeypatch, capsys):
    write(HEAD + "axes: {train.weight_decay: [0.0, 0.0001, 0.001, 0.01]}\n")
    monkeypatch.setattr(dispatch, "PATIENCE", 0.5)
    monkeypatch.setattr(dispatch, "SLOWER", 0)
    seen, second, train_and_score = [], threading.Event(), execute.train_and_score

    def hang(trial, *arguments):
        seen.append(decay := trial.settings["train"]["weight_decay"])
        if decay == 0 and seen.count(0) == 1:
            assert second.wait(60)
        if seen.count(0) == 2:
            second.set()
        return train_and_score(trial, *arguments)

    monkeypatch.setattr(execute, "train_and_score", hang)
    run()
    assert seen.count(0) == 2
    assert [line["problem"] for line in table()] == [""] * 4
    assert "some, train.weight_decay 0.0, seed 0: no result after " in capsys.readouterr().err


def test_halving_trains_the_best_ones_for_longer(lab, in_process, capsys):
    write(SWEEP.replace("seeds: 2", "seeds: 1") + "halving: {rungs: [1, 8], keep: 0.75}\n")
    run()
    assert "sweep some for 8 epochs: 3 combinations x 1 seed\n" in capsys.readouterr().out
    assert [row["train.epochs"] for row in table()][:7] == ["1"] * 4 + ["8"] * 3
    short, long = {}, {}
    for row in table():
        (short if row["train.epochs"] == "1" else long)[tuple(row.values())[:2]] = float(row["validation_accuracy"])
    assert list(long) == sorted(short, key=short.get, reverse=True)[:3]
    assert "Combinations: 4 for 1 epochs, 3 for 8 epochs; 1 seed each." in page()
    rho = spearmanr([short[axes] for axes in long], list(long.values())).statistic
    assert f"Rank correlation (Spearman, 1904) of 1 with 8 epochs: {rho:.2f}, from 3 combinations." in page()


def test_the_page_shows_the_best_and_a_base_that_has_changed_since_is_said(lab, in_process, capsys):
    write()
    run()
    errors = np.array([100 * (1 - float(line["validation_accuracy"])) for line in table()]).reshape(4, 2)
    best = int(errors.mean(axis=1).argmin())
    first = next(line for line in page().splitlines() if line.startswith("| 0.0"))
    assert f"| {errors[best].mean():.2f} ± {errors[best].std(ddof=1):.2f} |" in first
    assert first in capsys.readouterr().out
    assert f"starts with `{table()[2 * best]['model']}`" in page()
    gaps = errors[best] - errors[0]  # the base is the first combination
    compared = f"{mean_and_sd([*errors[0]], 1)}. The best minus the base, seed by seed: {gaps.mean():+.2f} ± "
    assert f"The base, default: {compared}{gaps.std(ddof=1) / 2**0.5:.2f}." in page()
    assert (SWEEPS / "some.png").stat().st_size > 20_000
    project.set_params(lab, {"train": {"epochs": 9}})
    run()
    out = capsys.readouterr().out
    assert "default as it was when the sweep began, in experiments/sweeps/some.json; today's default is" in out
    assert "0 trials to run" in out


def test_a_figure_of_many_is_a_density_with_all_rungs_and_labels_that_do_not_overlap(lab, monkeypatch):
    rates = "train.learning_rate: {log_uniform: [0.03, 0.3]}, train.weight_decay: {log_uniform: [1e-9, 0.1]}"
    hidden = "train.hidden: [[1024, 1024, 1024], [512, 512], [256, 256], [16]], train.clip_norm: [null, 1.0]"
    write(HEAD + f"axes: {{{rates}, {hidden}}}\ntrials: 300\nhalving: {{rungs: [1, 2], keep: 0.1}}\n")
    of = plan.load("some")
    rungs = [of.rung(of.trials, 1), of.rung(of.trials[:30], 2)]
    for n, candidate in enumerate(chain(*rungs)):
        candidate.rows = [Row("some", 0, "", 0.9 + n / 10_000, seconds=1 + n / 50)]
    rungs[0][5].rows = [Row("some", 0, "", problem="diverged")]
    monkeypatch.setattr(sweep, "MANY", 200)
    figure = sweep.picture(of, rungs)
    figure.draw_without_rendering()
    assert [panel.get_xlabel() for panel in figure.axes] == [*of.sweep.axes, "seconds"]
    for panel in figure.axes:
        (density, *_) = panel.collections
        assert density.get_array().sum() == 299
        points, best = panel.lines
        assert (len(points.get_ydata()), best.get_ydata()) == (30, [rungs[1][-1].mean])
        boxes = [label.get_window_extent() for label in panel.get_xticklabels() if label.get_text()]
        shown = [box for box in boxes if panel.bbox.x0 <= (box.x0 + box.x1) / 2 <= panel.bbox.x1]
        assert all(one.x1 < other.x0 for one, other in pairwise(shown)), panel.get_xlabel()


@pytest.mark.slow
def test_the_best_one_becomes_an_experiment_of_dvc_with_the_same_network(copy, monkeypatch, in_process):
    monkeypatch.chdir(copy)
    ignored = shutil.ignore_patterns("*.csv", "*.json", "cache", "models")
    shutil.copytree(project.ROOT / "experiments", copy / "experiments", ignore=ignored)
    resolve.RECIPES.write_text('default: {about: "", seeds: 1}\n')
    write(HEAD + "axes: {train.hidden: [[8, 8]], train.augmentation: [null], preprocess.deskew: [false]}\n")
    run()
    (command,) = (line for line in page().splitlines() if line.startswith("dvc exp run"))
    project.set_params(copy, {"train": {"epochs": 3, "momentum": 0.5}})  # the command does not depend on it
    identity = "-c user.name=Test -c user.email=test@example.com"
    project.must(copy, "sh", "-c", f"git add --all && git {identity} commit --quiet --message start && {command}")
    network = from_arrays(files.read_arrays("models/network.npz"))
    assert execute.theta_digest(network) == table()[0]["model"]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("tcp://127.0.0.1:1", ""),
        (
            "tcp://192.0.2.1:8786",
            "tcp://192.0.2.1:8786 is neither on this machine nor tls://; docs/sweeps.md shows how",
        ),
    ],
)
def test_a_scheduler_that_does_not_answer_or_is_not_private_is_one_line(lab, monkeypatch, capsys, address, reason):
    write()
    monkeypatch.setattr(connect, "SECONDS", 1)
    monkeypatch.setattr(sys, "argv", ["sweep", "some"])
    monkeypatch.setenv("SCHEDULER", address)
    with pytest.raises(SystemExit):
        sweep.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"experiments: SCHEDULER={address}: no scheduler answers there, {reason}")


ANSWERS = """
import socket
from threading import Thread
from experiments.cluster import connect
connect.SECONDS = 0.5

def greet(server, banner):
    client, _ = server.accept()
    client.sendall(banner)
    while client.recv(2**20):
        pass

for banner in (b"", b"SSH-2.0-OpenSSH_9.2p1"):
    server = socket.create_server(("127.0.0.1", 0))
    Thread(target=greet, args=[server, banner], daemon=True).start()
    try:
        connect.connect(f"127.0.0.1:{server.getsockname()[1]}")
    except OSError as error:
        print(str(error).partition(": no scheduler answers there, ")[2])
"""


def test_a_port_that_is_silent_or_of_another_server_and_a_broken_configuration_are_one_line(tmp_path):
    """In a process of its own, whose end takes the client that waits for ever."""
    printed = project.must(project.ROOT, sys.executable, "-c", ANSWERS)
    assert printed == "TimeoutError\na different kind of server\n"
    (tmp_path / "broken.yaml").write_text("a: [1\n")
    done = project.run(
        project.ROOT, sys.executable, "-c", "import experiments.cluster.connect", DASK_CONFIG=str(tmp_path)
    )
    assert (done.returncode, done.stderr) == (
        1,
        f"A dask config file at '{tmp_path}/broken.yaml' is malformed, original error message:\n",
    )


def test_the_docs_show_the_sweep_that_is_in_the_repository():
    docs = (project.ROOT / "docs/sweeps.md").read_text()
    assert f"```yaml\n{(project.ROOT / SWEEPS / 'first.yaml').read_text()}```" in docs
    rows = [line for line in (project.ROOT / SWEEPS / "first.md").read_text().splitlines() if line.startswith("| ")]
    assert len(rows) == 8
    assert "\n".join(rows) in docs
