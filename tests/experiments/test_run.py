"""Runs: what is missing is run, each trial once, whatever fails or is killed meanwhile."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments import arrays, engine, recipes, results
from experiments import run as runner
from stages.pipeline import files
from tests.helpers import project
from tests.helpers.processes import wait_for, workers

ENDLESS = '{about: "", change: {train: {epochs: 100000}}, seeds: 1}'


def run():
    _, trials = recipes.load()
    runner.run(trials, results.missing(trials, results.read()))


def rows():
    return [(row.recipe, row.seed) for row in results.read()]


@pytest.fixture
def start(lab):
    """Starts `python -m experiments.run` with one worker, in a process group of its own."""
    processes = []

    def inner():
        process = subprocess.Popen(
            [sys.executable, "-m", "experiments.run"],
            cwd=lab,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
        )
        processes.append(process)
        return process

    yield inner
    for process in processes:
        process.kill()
        process.communicate(timeout=120)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_run_does_all_that_is_missing_and_the_next_one_nothing(lab, monkeypatch):
    first = project.run(lab, "python", "-m", "experiments.run")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("trials to run: default 2, teacher 1, student 1, no-decay 2\n")
    assert rows() == [("default", 0), ("default", 1), ("teacher", 0), ("student", 0), ("no-decay", 0), ("no-decay", 1)]
    table = {(row.recipe, row.seed): row for row in results.read()}
    assert table["default", 0].test_accuracy == files.read_json("reports/metrics.json")["accuracy"]
    assert table["default", 0].model == files.digest("models/network.npz")[:16]
    assert table["no-decay", 0].test_accuracy is None
    assert {row.code for row in table.values()} == {results.code_digest()}

    before = results.RESULTS.read_bytes()
    monkeypatch.setattr(engine, "cluster", lambda: pytest.fail("a cluster was started"))
    run()
    assert results.RESULTS.read_bytes() == before


def test_an_unknown_name_is_one_line(lab, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["run", "default", "techer"])
    with pytest.raises(SystemExit) as end:
        runner.main()
    assert end.value.code == 1
    assert capsys.readouterr().err == (
        "experiments: techer is not in experiments/recipes.yaml; did you mean teacher?\n"
    )


def test_only_what_is_new_is_run(lab, capsys, in_process):
    run()
    before = {row.key: row for row in results.read()}
    text = recipes.RECIPES.read_text()
    recipes.RECIPES.write_text(text.replace("seeds: 2", "seeds: 3", 1).replace("no-decay:", "undecayed:"))
    capsys.readouterr()
    run()
    assert "trials to run: default 1\n" in capsys.readouterr().out
    after = results.read()
    assert [row.recipe for row in after] == ["default"] * 3 + ["teacher", "student"] + ["undecayed"] * 2
    assert {row.key for row in after} >= set(before)


def test_a_row_of_older_settings_is_replaced(lab, in_process):
    run()
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("  epochs: 8", "  epochs: 7"))
    before = results.read()
    _, trials = recipes.load()
    assert results.missing(trials, before) == trials
    run()
    assert [(row.recipe, row.seed) for row in before] == rows()
    assert not {row.key for row in before} & {row.key for row in results.read()}


def test_rows_are_in_the_order_of_the_file(lab, in_process):
    run()
    before, (_, trials) = results.read(), recipes.load()
    removed = results.Row("removed", 0, 0.5, 0.2, None, None, 1.0, "code", "model", "key")
    shuffled = [removed, *before]
    random.Random(0).shuffle(shuffled)
    assert results.arrange(shuffled, trials) == [*before, removed]


def test_a_recipe_and_an_ablation_alike_are_one_trial(lab, capsys, in_process):
    recipes.RECIPES.write_text("""
alike: {about: "", base: default, seeds: 2}
default: {about: "", seeds: 1}
""")
    run()
    out = capsys.readouterr().out
    assert "trials to run: default 1, alike 1\n" in out
    assert rows() == [("alike", 0), ("alike", 1), ("default", 0)]
    assert results.read()[2].test_accuracy is not None


def test_a_trial_that_fails_costs_itself_and_its_students(lab, capsys, in_process):
    recipes.RECIPES.write_text("""
teacher: {about: "", change: {train: {learning_rate: 1000.0, schedule: constant}}, seeds: 1}
student: {about: "", teacher: {recipe: teacher, seed: 0, temperature: 2.0}, seeds: 1}
large: {about: "", change: {train: {batch_size: 100000}}, seeds: 1}
default: {about: "", seeds: 1}
""")
    with pytest.raises(ChildProcessError, match=r"^3 of 4 trials failed; the same command runs them again$"):
        run()
    first, second, third = sorted(capsys.readouterr().err.splitlines(), key=lambda line: line.split()[1])
    assert first.startswith("experiments: large, seed 0: train.batch_size is 100000, but there are 300 training images")
    assert second == "experiments: student, seed 0: not run, because teacher, seed 0, its teacher, failed"
    assert third.startswith("experiments: teacher, seed 0: the loss is ")
    assert rows() == [("default", 0)]


def test_data_that_cannot_be_had_costs_its_own_trials(lab, capsys, monkeypatch, in_process):
    recipes.RECIPES.write_text("""
default: {about: "", seeds: 1}
raw: {about: "", change: {preprocess: {deskew: false}}, seeds: 2}
""")
    original = arrays.preprocess

    def preprocess(deskew, **settings):
        if not deskew:
            raise OSError("no source has it")
        original(deskew=deskew, **settings)

    monkeypatch.setattr(arrays, "preprocess", preprocess)
    with pytest.raises(ChildProcessError, match=r"^2 of 3 trials failed"):
        run()
    assert capsys.readouterr().err.splitlines() == ["experiments: raw: no source has it"]
    assert rows() == [("default", 0)]


def test_a_student_waits_for_a_teacher_whose_model_is_missing(lab, capsys, in_process):
    run()
    student = next(trial for trial in recipes.load()[1] if trial.recipe == "student")
    before = results.RESULTS.read_text()
    results.model_path(student.teacher).unlink()
    results.write(row for row in results.read() if row.recipe != "student")
    capsys.readouterr()
    run()
    assert "trials to run: teacher 1, student 1\n" in capsys.readouterr().out
    for old, new in zip(before.splitlines(), results.RESULTS.read_text().splitlines(), strict=True):
        assert without_seconds(old) == without_seconds(new)


def without_seconds(line):
    cells = line.split(",")
    return cells[:6] + cells[7:]


def test_ctrl_c_ends_everything_with_one_line(start):
    recipes.RECIPES.write_text(f'default: {{about: "", seeds: 1}}\nendless: {ENDLESS}\n')
    process = start()
    wait_for(lambda: results.RESULTS.exists() and workers(process))
    time.sleep(0.2)
    children = workers(process)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (130, "experiments: interrupted; the same command resumes\n")
    assert rows() == [("default", 0)]
    assert not any(map(alive, children))
    _, trials = recipes.load()
    assert [trial.recipe for trial in results.missing(trials, results.read())] == ["endless"]


def test_a_trial_whose_worker_is_killed_is_run_again(start):
    recipes.RECIPES.write_text(
        'default: {about: "", seeds: 1}\nlong: {about: "", change: {train: {epochs: 400}}, seeds: 1}\n'
    )
    process = start()
    wait_for(lambda: results.RESULTS.exists())
    (worker,) = workers(process)
    os.kill(worker, signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert rows() == [("default", 0), ("long", 0)]


def test_a_run_that_is_killed_leaves_no_process_behind_and_no_lock(lab, start):
    recipes.RECIPES.write_text(f'default: {{about: "", seeds: 1}}\nendless: {ENDLESS}\n')
    process = start()
    wait_for(lambda: results.RESULTS.exists())
    (worker,) = workers(process)
    second = project.run(lab, "python", "-m", "experiments.run")
    assert second.returncode == 1
    assert "is running here" in second.stderr
    (arrays.CACHE / "tmpabc").mkdir()  # as if it had been killed while it made arrays
    process.kill()
    process.communicate(timeout=120)
    wait_for(lambda: not alive(worker))
    assert rows() == [("default", 0)]
    third = project.run(lab, "python", "-m", "experiments.run", "default")
    assert (third.returncode, third.stdout) == (0, "trials to run: none\n")
    assert not (arrays.CACHE / "tmpabc").exists()
