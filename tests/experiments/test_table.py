"""Tables: what is missing is run, each trial once, and no row is wrong in silence."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.cluster import connect, dispatch
from experiments.pages import mean_and_sd
from experiments.recipes import other_writers, resolve
from experiments.recipes import run as runner
from experiments.table import RESULTS, SWEEPS, Table, finished, parse, read_lines
from stages.pipeline import files
from tests.helpers import project


def rows(path=RESULTS):
    return [parse(line) for line in read_lines(path)]


def names():
    return [(row.recipe, row.seed) for row in rows()]


def run(*recipes):
    return runner.run(resolve.load(recipes)[1])


def write_recipes(text):
    resolve.RECIPES.write_text(text)


def rewrite(change):
    """Change the rows of results.csv."""
    table = Table(RESULTS)
    table.others = [{**line, **change(parse(line))} for line in table.others]
    table.write()


def results():
    return [replace(row, seconds=None, worker="") for row in rows()]


@pytest.fixture
def no_cluster(monkeypatch):
    monkeypatch.setattr(connect, "cluster", lambda: pytest.fail("a cluster was started"))


def test_a_run_does_all_that_is_missing_and_the_next_one_nothing(lab, in_process, request):
    run()
    assert names() == [("default", 0), ("default", 1), ("wide", 0), ("no-decay", 0), ("no-decay", 1)]
    assert rows()[0].test_accuracy == files.read_json("reports/metrics.json")["accuracy"]
    assert rows()[3].test_accuracy is None
    before = RESULTS.read_bytes()
    request.getfixturevalue("no_cluster")
    run()
    write_recipes(resolve.RECIPES.read_text().replace("no-decay:", "undecayed:"))
    run()
    assert RESULTS.read_bytes() == before.replace(b"no-decay", b"undecayed")


def test_rows_of_other_settings_are_kept_and_stale_ones_are_not(lab, in_process, capsys):
    run("no-decay")
    before = rows()
    project.set_params(lab, {"train": {"epochs": 7}})
    run("no-decay")
    new, old = rows()[:2], rows()[2:]
    assert old == before
    assert not {row.key for row in new} & {row.key for row in old}
    rewrite(lambda row: {"behavior": "0ld"} if row in old else {})
    capsys.readouterr()
    run("no-decay")
    assert rows() == new
    assert capsys.readouterr().err == f"{RESULTS}: 2 rows are stale: today's code computes something else\n"


def test_two_results_of_one_trial_are_an_alarm(lab, in_process):
    run("no-decay")
    (SWEEPS / "some.csv").write_text(RESULTS.read_text())
    finished()
    rewrite(lambda row: {"validation_loss": 0.5, "worker": "elsewhere"} if row.seed else {})
    with pytest.raises(ValueError, match=r"^two results of a trial differ in validation_loss: no-decay and no-decay"):
        run("no-decay")
    (SWEEPS / "some.csv").unlink()
    rewrite(lambda row: {"model": "0"} if row.seed else {"test_accuracy": 0.5})
    finished()  # what only one of them has is no difference


def test_a_recipe_and_an_ablation_alike_are_one_trial(lab, in_process, capsys):
    write_recipes('alike: {about: "", base: default, seeds: 2}\ndefault: {about: "", seeds: 1}\n')
    run()
    assert "2 trials to run, 0 done before\n" in capsys.readouterr().out
    assert names() == [("alike", 0), ("alike", 1), ("default", 0)]
    assert rows()[2].test_accuracy is not None


def test_a_trial_that_fails_is_a_row_and_an_error_each_time(lab, in_process):
    write_recipes('bad: {about: "", change: {train: {learning_rate: 1000.0, schedule: constant}}, seeds: 1}\n')
    for _ in range(2):
        with pytest.raises(ChildProcessError, match=r"^1 of 1 trials failed; their rows in .*results\.csv say why$"):
            run()
    assert names() == [("bad", 0)]


def test_data_that_cannot_be_had_costs_its_own_trials(lab, in_process, capsys):
    project.add_dataset(lab, "other", "tests/fixture")
    catalog = Path("data/catalog.yaml")
    head, tail = catalog.read_text().split("\nother:")
    catalog.write_text(f"{head}\nother:{re.sub('sha256: .{4}', 'sha256: 0000', tail)}")
    write_recipes('default: {about: "", seeds: 1}\nother: {about: "", change: {fetch: {dataset: other}}, seeds: 1}\n')
    with pytest.raises(ChildProcessError, match=r"^1 of 2 trials were lost"):
        run()
    assert "other, seed 0: lost: OSError, fetch: " in capsys.readouterr().err
    assert names() == [("default", 0)]


def test_a_model_that_is_missing_or_not_its_own_is_made_again(lab, in_process, capsys):
    trials = resolve.load(["default"])[1]
    paths = [dispatch.model_path(trial) for trial in trials]
    runner.run(trials, trials)
    before, models = results(), [path.read_bytes() for path in paths]
    paths[0].unlink()
    paths[1].write_bytes(models[0])  # of another seed
    head, first, second = RESULTS.read_text().splitlines(keepends=True)
    RESULTS.write_text(head + first + second[:-20])  # half a line, as a kill may leave it
    assert len(rows()) == 1
    runner.run(trials, trials)
    assert "2 trials to run, 1 done before" in capsys.readouterr().out
    assert [path.read_bytes() for path in paths] == models
    assert results() == before


def test_digits_of_other_writers(lab, in_process, monkeypatch):
    image = np.zeros((1, 8, 8))
    image[0, 1:3, 5:7] = 100
    larger = other_writers.enlarge(image)
    assert larger.shape == (1, 20, 20)
    assert larger.sum() == pytest.approx(image.sum() * 2.5**2)  # as much ink per area
    monkeypatch.setattr(other_writers, "read_digits", lambda: (np.zeros((4, 28, 28), np.uint8), np.array([1] * 4)))
    monkeypatch.setattr(other_writers, "COMPARED", {"default": "deskewed"})
    page = Path("docs/recipes.md")
    page.write_text("<!-- other writers: here -->\n\n\n\n<!-- end of other writers -->\n")
    other_writers.main()
    accuracies = [row.validation_accuracy for row in rows()]
    assert f"| deskewed | {mean_and_sd(accuracies)} | " in page.read_text()
