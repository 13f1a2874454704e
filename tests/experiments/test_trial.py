"""One trial: the pipeline's own training and scores, a function of settings and prepared arrays alone."""

from pathlib import Path

import numpy as np
import pytest

from experiments.cluster import cache, execute
from experiments.cluster.execute import IDENTITY, train_and_score, views
from experiments.recipes import resolve
from stages.pipeline import files


def prepared(name):
    """The first trial of a recipe, and its arrays."""
    trial = resolve.load([name])[1][0]
    return trial, cache.prepare(trial)


def test_a_recipe_that_changes_nothing_is_the_pipeline_to_the_last_bit(lab):
    row, model = train_and_score(*prepared("default"))
    files.write_arrays("network.npz", model)
    assert Path("network.npz").read_bytes() == Path("models/network.npz").read_bytes()
    assert row.model == execute.theta_digest(execute.from_arrays(model))
    assert row.test_accuracy == files.read_json("reports/metrics.json")["accuracy"]
    assert row.validation_accuracy == files.read_json("reports/validation.json")["validation_accuracy"]
    assert 0 < row.tta_accuracy <= 1
    assert 0 < row.seconds < 60
    seed = resolve.load(["default"])[1][1]
    assert not np.array_equal(train_and_score(seed, cache.prepare(seed))[1]["W1"], model["W1"])


def test_a_student_learns_from_the_mean_of_its_teachers_and_not_from_labels(lab):
    teacher, arrays = prepared("teacher")
    models = [train_and_score(resolve.with_seed(teacher, seed), arrays)[1] for seed in (0, 1)]
    student, arrays = prepared("student")
    of_both, of_none, of_one, of_itself = (
        train_and_score(student, arrays, taught)[1]["W1"] for taught in (models, [], models[:1], models[:1] * 2)
    )
    assert np.array_equal(of_one, of_itself)
    assert not any(np.array_equal(of_both, other) for other in (of_none, of_one))
    softer = resolve.replace(student, temperature=3.0)
    row, model = train_and_score(softer, arrays, models)
    assert not np.array_equal(model["W1"], of_both)
    assert row.test_accuracy > 0.5


def test_an_ablation_does_not_look_at_the_test_images(lab):
    trial, (inputs, splits) = prepared("no-decay")
    assert sorted(splits) == ["train", "validation"]
    row, _ = train_and_score(trial, (inputs, splits))
    assert (row.test_accuracy, row.tta_accuracy) == (None, None)
    assert row.validation_accuracy > 0.5


def test_it_opens_no_file(lab, monkeypatch):
    trial, arrays = prepared("default")
    opened = []

    def opening(path, *arguments, **options):
        opened.append(str(path))
        return original(path, *arguments, **options)

    original = open
    monkeypatch.setattr("builtins.open", opening)
    monkeypatch.setattr("pathlib.Path.open", opening)
    train_and_score(trial, arrays)
    assert not [name for name in opened if not name.startswith("/proc/")]  # threadpoolctl looks for libraries there


@pytest.mark.parametrize("name", ["train_images.npy", "test_targets.npy", "inputs.json"])
def test_damaged_arrays_are_made_again(lab, name):
    trial, _ = prepared("default")
    before = {path: path.read_bytes() for path in cache.CACHE.glob(f"*/{name}")}
    for path, content in before.items():
        path.write_bytes(content[:-200] + bytes([content[-200] ^ 1]) + content[-199:])
    (cache.CACHE / "tmpabc").mkdir()  # left by a run that was killed
    cache.prepare(trial)
    assert sum(path.read_bytes() == content for path, content in before.items()) == 1  # the other is of the teacher
    assert not list(cache.CACHE.glob("tmp*"))


def test_what_cannot_be_prepared_leaves_nothing_behind(lab):
    trial, _ = prepared("default")
    too_many = resolve.replace(trial, settings=resolve.merge(trial.settings, {"preprocess": {"validation_size": 400}}))
    before = sorted(cache.CACHE.iterdir())
    with pytest.raises(ValueError, match=r"^preprocess: "):
        cache.prepare(too_many)
    assert sorted(cache.CACHE.iterdir()) == before


def test_the_cache_is_of_one_variant_of_the_data_and_one_of_the_code(lab):
    def directories():
        return {path.name for path in cache.CACHE.iterdir() if path.is_dir()}

    for name in ("default", "no-decay", "teacher"):
        prepared(name)
    before = directories()
    assert len(before) == 2
    code = Path("stages/dataset/deskew.py")
    code.write_text(code.read_text() + "# A comment.\n")
    prepared("default")
    assert len(directories()) == 3


def test_a_worker_with_other_code_does_nothing(lab, monkeypatch):
    trial, _ = prepared("default")
    monkeypatch.setattr(execute, "get_worker", lambda: type("Worker", (), {"address": "here", "name": "one"}))
    with pytest.raises(RuntimeError, match=r"^worker here has new code; restart it$"):
        execute.execute(trial, [], True, IDENTITY + "x")
    assert execute.execute(trial, [], False, IDENTITY)[1] == {}
    before = IDENTITY.split("-")[1]
    for path in ("experiments/cluster/execute.py", "stages/pipeline/files.py", "stages/nn/layers.py"):
        Path(path).write_text(Path(path).read_text() + "# A comment.\n")
        after = cache.code_digest(("stages", "experiments"))
        assert after != before
        before = after


def test_test_time_augmentation_moves_images_by_half_a_pixel():
    image = np.zeros((1, 25), np.float32)
    image[0, 12] = 1
    still, *moved = (view.reshape(5, 5) for view in views(image, (5, 5)))
    assert still[2, 2] == 1
    centers = {tuple((np.indices((5, 5)) * view).sum(axis=(1, 2))) for view in moved}
    assert centers == {(1.5, 2), (2.5, 2), (2, 1.5), (2, 2.5)}
