"""Sweeps with real workers: the same table whoever runs the trials, in whatever order, and whatever is killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
from distributed.scheduler import KilledWorker

from experiments import engine, plan, recipes, remote, results, sweep, sweep_report
from experiments import run as runner
from stages.pipeline import files
from tests.helpers import project
from tests.helpers.processes import wait_for, workers

SWEEP = """
about: a small one
base: default
axes:
  train.learning_rate: [0.001, 0.01]
  train.hidden: [[16], [8, 8]]
  train.weight_decay: [0.0001]
seeds: 2
"""
LONG = """
about: two short trials, then one that takes a few seconds
base: default
axes: {train.epochs: [2, 4, 300]}
"""
TABLE = results.SWEEPS / "some.csv"


def write(text=SWEEP, name="some"):
    (results.SWEEPS / f"{name}.yaml").write_text(text)


def run(name="some"):
    sweep.run(plan.load(name))


def table(path=TABLE):
    """The lines of a sweep's table, without what differs from run to run."""
    return [
        {key: value for key, value in line.items() if key not in ("seconds", "worker")}
        for line in files.read_rows(path)
    ]


def lines():
    """The number of finished trials."""
    return len(TABLE.read_text().splitlines()) - 1 if TABLE.exists() else 0


@contextmanager
def started(*command, directory=".", **variables):
    """A process in a group of its own, killed at the end."""
    environment = {**os.environ, **variables}
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, command)],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


@pytest.fixture
def scheduler(lab, monkeypatch):
    """Starts a scheduler whose file SCHEDULER names."""
    path = lab / "scheduler.json"
    monkeypatch.setenv("SCHEDULER", str(path))

    @contextmanager
    def inner():
        path.unlink(missing_ok=True)
        arguments = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", path]
        saturation = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION": "1.0"}
        with started("distributed.cli.dask_scheduler", *arguments, **saturation) as process:
            wait_for(path.exists)
            yield process

    return inner


def worker(directory=".", name="one", **variables):
    """Start a worker in a directory."""
    path = os.environ["SCHEDULER"]
    arguments = ["--nthreads", "1", "--no-dashboard", "--no-nanny", "--name", name]
    return started("experiments.worker", "--scheduler-file", path, *arguments, directory=directory, **variables)


def test_any_number_of_workers_gives_the_same_table(lab):
    tables = []
    for count in "124":
        write(name=f"with{count}")
        for path in results.SWEEPS.glob("*.csv"):
            path.rename(path.with_suffix(".done"))  # or nothing would be run
        done = project.run(lab, "python", "-m", "experiments.sweep", f"with{count}", WORKERS=count)
        assert done.returncode == 0, done.stderr
        assert f"sweep with{count}: 8 trials (4 combinations x 2 seeds), 0 finished before" in done.stdout
        assert f"{count} worker" in done.stdout
        tables.append(table(results.SWEEPS / f"with{count}.csv"))
    assert tables[0] == tables[1] == tables[2]
    assert [line["train.hidden"] for line in tables[0]] == ["[16]"] * 2 + ["[8, 8]"] * 2 + ["[16]"] * 2 + ["[8, 8]"] * 2
    assert [line["seed"] for line in tables[0]] == ["0", "1"] * 4
    assert tables[0][0]["model"] == files.digest("models/network.npz")[:16]  # the default recipe's


def test_another_order_gives_the_same_rows(lab, in_process, monkeypatch):
    write()
    run()
    before = TABLE.read_bytes()
    TABLE.unlink()
    original = sweep.Work
    monkeypatch.setattr(sweep, "Work", lambda client, trials, **options: original(client, trials[::-1], **options))
    expected = [line.split(b",")[:6] for line in before.splitlines()]
    run()
    assert [line.split(b",")[:6] for line in TABLE.read_bytes().splitlines()] == expected


def test_finished_trials_are_never_run_again(lab, in_process, monkeypatch, capsys):
    write()
    run()
    before = TABLE.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(engine, "cluster", lambda: pytest.fail("a cluster was started"))
        run()
        assert TABLE.read_bytes() == before
        write(SWEEP.replace("[0.001, 0.01]", "[0.01]"), "other")  # another sweep, with some of its trials
        run("other")
        assert table(results.SWEEPS / "other.csv") == table()[4:]
        recipes.RECIPES.write_text(
            recipes.RECIPES.read_text()
            + 'narrow: {about: "", base: default, change: {train: {hidden: [8, 8]}}, seeds: 2}\n'
        )
        _, trials = recipes.load()
        runner.run(trials, [trial for trial in trials if trial.recipe == "narrow"])
    assert [(row.recipe, row.model) for row in results.read()] == [("narrow", line["model"]) for line in table()[2:4]]

    capsys.readouterr()
    write(SWEEP.replace("[0.001, 0.01]", "[0.001, 0.01, 0.02]"))
    run()
    assert "12 trials (6 combinations x 2 seeds), 8 finished before" in capsys.readouterr().out
    assert TABLE.read_text().startswith(before.decode())


def test_a_table_keeps_the_rows_of_axes_that_were_removed(lab, in_process):
    write()
    run()
    before = {line["key"] for line in table()}
    write(SWEEP.replace("[0.001, 0.01]", "[0.02]").replace("  train.weight_decay: [0.0001]\n", ""))
    run()
    after = table()
    assert [line["train.learning_rate"] for line in after] == ["0.02"] * 4 + ["0.001"] * 4 + ["0.01"] * 4
    assert {line["key"] for line in after} > before
    assert [line["train.weight_decay"] for line in after] == [""] * 4 + ["0.0001"] * 8


def test_a_trial_that_fails_is_a_row_and_the_sweep_goes_on(lab, in_process, capsys):
    write("about: ''\nbase: default\naxes: {train.learning_rate: [1000.0, 0.001], train.batch_size: [20, 100000]}\n")
    run()
    rows = results.read(TABLE)
    assert [bool(row.problem) for row in rows] == [True, True, False, True]
    assert rows[0].problem.startswith("the loss is ")
    assert rows[1].problem.startswith("train.batch_size is 100000, but there are 300 training images")
    out, err = capsys.readouterr()
    assert err.count("some, seed 0: the loss is") == 1
    assert "-S 'train.seed" not in out  # the seed is that of params.yaml
    page = (results.SWEEPS / "some.md").read_text()
    assert "| 1000.0 | 20 | failed |  |" in page
    assert "3 trials failed:" in page
    run()  # it knows that these fail
    assert "4 finished before" in capsys.readouterr().out


def test_a_trial_that_runs_out_of_memory_is_a_row_and_the_sweep_goes_on(lab, in_process, monkeypatch):
    write("about: ''\nbase: default\naxes: {train.epochs: [1, 2]}\n")

    def work(job):
        if job.settings["epochs"] == 2:
            raise MemoryError
        return remote.work(job)

    monkeypatch.setattr(engine, "work", work)
    run()
    assert [line["problem"] for line in table()] == ["", "not enough memory"]
    assert "| 2 | failed |  |" in (results.SWEEPS / "some.md").read_text()


def test_a_trial_that_kills_its_worker_is_a_row_and_the_sweep_goes_on():
    outcome = engine.failure(KilledWorker("trial", None, 3))
    assert outcome == engine.Failure("its worker died 4 times, perhaps out of memory", lost=False)


def test_halving_trains_the_best_ones_for_longer(lab, in_process, capsys):
    text = SWEEP.replace("seeds: 2", "seeds: 1") + "halving: {rungs: [1, 2, 8], keep: 0.5}\n"
    write(text)
    run()
    assert (
        "7 trials (combinations: 4 with 1 epochs, 2 with 2 epochs, 1 with 8 epochs; x 1 seed)"
        in capsys.readouterr().out
    )
    rows = table()
    assert [row["train.epochs"] for row in rows] == ["1"] * 4 + ["2"] * 2 + ["8"]
    accuracy = [float(row["validation_accuracy"]) for row in rows]
    first = sorted(range(4), key=lambda i: (-accuracy[i], i))[:2]
    assert [rows[4]["train.learning_rate"], rows[4]["train.hidden"]] == [
        rows[first[0]]["train.learning_rate"],
        rows[first[0]]["train.hidden"],
    ]
    page = (results.SWEEPS / "some.md").read_text()
    assert "each rung a whole training: 4 for 1, 2 for 2, 1 for 8 epochs" in page
    assert "Too few combinations went from 1 to 2 epochs for a rank correlation." in page
    write(text.replace("[1, 2, 8], keep: 0.5", "[1, 8], keep: 1.0"), "all")
    run("all")
    assert "Rank correlation (Spearman, 1904) of 1 with 8 epochs: " in (results.SWEEPS / "all.md").read_text()


def test_the_rank_correlation_is_spearmans():
    a, b = np.array([1.0, 2.0, 2.0, 5.0]), np.array([10.0, 30.0, 20.0, 40.0])
    assert sweep_report.rank_correlation(a, a) == pytest.approx(1)
    assert sweep_report.rank_correlation(a, -a) == pytest.approx(-1)
    assert sweep_report.rank_correlation(a, b) == pytest.approx(0.9486833)
    assert np.isnan(sweep_report.rank_correlation(a, np.ones(4)))


def test_the_page_shows_the_best_and_how_to_run_it(lab, in_process, capsys):
    write()
    run()
    out = capsys.readouterr().out
    page = (results.SWEEPS / "some.md").read_text()
    rows = results.read(TABLE)
    error = np.array([1 - row.validation_accuracy for row in rows]).reshape(4, 2)
    best = int(error.mean(axis=1).argmin())
    spread = f"{100 * error[best].mean():.2f} ± {100 * error[best].std(ddof=1):.2f}"
    first = next(line for line in page.splitlines() if line.startswith("| 0.0"))
    assert f"| {spread} |" in first
    assert first in out
    assert f"starts with {rows[2 * best].model}" in page
    assert (results.SWEEPS / "some.png").stat().st_size > 20_000
    write("about: ''\nbase: default\naxes: {train.learning_rate: [0.001]}\n", "single")
    run("single")  # one combination makes no figure
    assert not (results.SWEEPS / "single.png").exists()
    assert ".png" not in (results.SWEEPS / "single.md").read_text()


def test_the_best_one_becomes_an_experiment_of_dvc_with_the_same_model(copy, monkeypatch):
    monkeypatch.chdir(copy)
    shutil.copytree(
        project.ROOT / "experiments", copy / "experiments", ignore=shutil.ignore_patterns("*.csv", "cache", "models")
    )
    recipes.RECIPES.write_text('default: {about: "", seeds: 1}\n')
    axes = "{train.learning_rate: [0.02], train.hidden: [[8, 8]], preprocess.deskew: [false]}"
    write(f"about: ''\nbase: default\naxes: {axes}\n")
    done = project.run(copy, "python", "-m", "experiments.sweep", "some")
    assert done.returncode == 0, done.stderr
    (command,) = (line for line in done.stdout.splitlines() if line.startswith("dvc exp run"))
    assert command == ("dvc exp run -S 'preprocess.deskew=false' -S 'train.hidden=[8,8]' -S 'train.learning_rate=0.02'")
    project.run(copy, "git", "add", "--all")
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    project.run(copy, "git", *identity, "commit", "--quiet", "--message", "start")
    ran = project.run(copy, "sh", "-c", command)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert files.digest("models/network.npz")[:16] == results.read(TABLE)[0].model


def test_a_client_that_is_killed_loses_the_trials_that_were_running(lab):
    write(LONG)
    with started("experiments.sweep", "some", WORKERS="1") as process:
        wait_for(lambda: lines() == 2)
        time.sleep(1)
        process.kill()
    before = TABLE.read_text()
    done = project.run(lab, "python", "-m", "experiments.sweep", "some", WORKERS="1")
    assert done.returncode == 0, done.stderr
    assert "2 finished before" in done.stdout
    assert TABLE.read_text().startswith(before)
    assert lines() == 3


def test_a_worker_that_is_killed_loses_nothing_and_its_trial_resumes(lab):
    write(LONG)
    checkpoints = lab / remote.CHECKPOINTS
    with started("experiments.sweep", "some", WORKERS="1") as process:
        (path,) = wait_for(lambda: list(checkpoints.glob("*.npz")) if checkpoints.exists() else [])
        (pid,) = workers(process)
        os.kill(pid, signal.SIGKILL)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert lines() == 3
    assert not path.exists()
    resumed = table()
    TABLE.unlink()
    again = project.run(lab, "python", "-m", "experiments.sweep", "some", WORKERS="2")
    assert again.returncode == 0, again.stderr
    assert table() == resumed


def test_a_scheduler_that_is_killed_names_no_best_and_the_same_command_goes_on(lab, scheduler):
    write(LONG)
    with scheduler() as first, worker():
        with started("experiments.sweep", "some") as process:
            wait_for(lambda: lines() == 2)
            first.kill()
            out, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert err.splitlines()[-1] == "experiments: the scheduler is lost; the same command resumes"
        assert "dvc exp run" not in out
        assert not (results.SWEEPS / "some.md").exists()
    before = TABLE.read_text()
    with scheduler(), worker():
        run()
    assert TABLE.read_text().startswith(before)
    assert lines() == 3


def test_workers_elsewhere_get_the_arrays_and_those_with_other_code_are_refused(lab, scheduler, tmp_path, capfd):
    write()
    far, other = tmp_path / "far", tmp_path / "other"
    for root in (far, other):
        shutil.copytree(lab, root, ignore=shutil.ignore_patterns("cache", "scheduler.json"))
    losses = other / "stages/nn/losses.py"
    losses.write_text(losses.read_text() + "# changed\n")
    with scheduler(), worker(far, "far", OPENBLAS_CORETYPE="Nehalem"), worker(other, "other"), worker(name="near"):
        with engine.cluster() as client:
            client.wait_for_workers(3, timeout=60)
        run()
    _, err = capfd.readouterr()
    (refusal,) = (line for line in err.splitlines() if "is shut down" in line)
    assert f"and this program code {results.code_digest()} and NumPy {np.__version__}" in refusal
    rows = results.read(TABLE)
    assert {row.worker for row in rows} == {"near", "far"}
    assert len(list((far / "experiments/cache").glob("*/train_images.npy"))) == 1
    assert not list((other / "experiments").glob("cache/*"))

    found = table()
    TABLE.unlink()
    os.environ.pop("SCHEDULER")
    done = project.run(lab, "python", "-m", "experiments.sweep", "some", WORKERS="1")
    assert done.returncode == 0, done.stderr
    assert table() == found


CALLS = []


def refuse_once(job):
    """Do a job, but not the first one. As a function of a module it is not copied when it is sent to a worker."""
    CALLS.append(job.key)
    if len(CALLS) == 1:
        return remote.Refusal(remote.Identity("0123abcd", "1.0"), "inproc://elsewhere")
    return remote.work(job)


def test_a_worker_that_comes_later_with_other_code_is_refused(lab, in_process, monkeypatch, capfd):
    write(SWEEP.replace("seeds: 2", "seeds: 1"))
    CALLS.clear()
    monkeypatch.setattr(engine, "work", refuse_once)
    run()
    _, err = capfd.readouterr()
    assert "worker inproc://elsewhere is shut down: it has code 0123abcd and NumPy 1.0, and this program" in err
    assert sorted(CALLS) == sorted([CALLS[0], *(line["key"] for line in table())])


def test_a_scheduler_that_does_not_answer_is_one_line(lab, monkeypatch, capsys):
    write()
    monkeypatch.setattr(engine, "SECONDS", 1)
    monkeypatch.setattr(sys, "argv", ["sweep", "some"])
    for address, reason in [("tcp://127.0.0.1:1", ""), ("nowhere.json", "no such file")]:
        monkeypatch.setenv("SCHEDULER", address)
        with pytest.raises(SystemExit):
            sweep.main()
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"experiments: SCHEDULER={address}: no scheduler answers there, {reason}")


def test_a_name_is_needed(lab, monkeypatch, capsys):
    write()
    monkeypatch.setattr(sys, "argv", ["sweep"])
    with pytest.raises(SystemExit):
        sweep.main()
    assert capsys.readouterr().err == "experiments: name one sweep: make sweep SWEEP=NAME; there are some\n"


def test_a_lost_trial_is_a_row_that_is_run_again(lab, in_process, monkeypatch, capsys):
    write("about: ''\nbase: default\naxes: {train.epochs: [1, 2]}\n")

    def work(job):
        if job.settings["epochs"] == 2:
            raise OSError("the network is down")
        return remote.work(job)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "work", work)
        with pytest.raises(ChildProcessError, match=r"^1 of 2 trials were lost, so nobody knows the best combination"):
            run()
    assert [line["problem"] for line in table()] == ["", "lost: the network is down"]
    assert not (results.SWEEPS / "some.md").exists()
    run()
    assert [line["problem"] for line in table()] == ["", ""]
    assert "2 trials (2 combinations x 1 seed), 1 finished before" in capsys.readouterr().out


def test_the_docs_show_the_sweep_that_is_in_the_repository():
    page = (project.ROOT / "docs/sweeps.md").read_text()
    assert f"```yaml\n{(project.ROOT / 'experiments/sweeps/first.yaml').read_text()}```" in page
    made = (project.ROOT / "experiments/sweeps/first.md").read_text()
    table = [line for line in made.splitlines() if line.startswith("| ")]
    assert len(table) == 8
    assert "\n".join(table) in page
    (command,) = (line for line in made.splitlines() if line.startswith("dvc exp run"))
    assert command in page
