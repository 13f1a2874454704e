"""One trial: the pipeline's own training and scores, a function of settings and prepared arrays alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.cluster import execute
from experiments.cluster.execute import IDENTITY, train_and_score, views
from experiments.recipes import resolve
from experiments.trial import Trial, code_digest
from stages.nn.network import from_arrays
from stages.pipeline import files


def prepared(name):
    """The first trial of a recipe, and its arrays."""
    trial = resolve.load([name])[1][0]
    return trial, execute.prepare(trial)


def test_the_key_depends_on_what_is_computed_and_on_nothing_else(monkeypatch):
    train = {"seed": 0, "epochs": 3, "hidden": [8], "augmentation": {"shift": 1.0}, "blas_threads": 1}
    settings = {"fetch": {"dataset": "drawn", "directory": None}, "preprocess": {"deskew": True}, "train": train}
    trial = Trial("some", settings, ["0", "abc"])

    def changed(section, **changes):
        return replace(trial, settings={**settings, section: {**settings[section], **changes}})

    same = [
        changed("train", blas_threads=4, augmentation={"shift": 1.0, "blur": 0.0}, limit=None, mirror=False),
        changed("fetch", directory="here"),
        replace(trial, name="other", tested=True, values={"a": 1}),
    ]
    assert {each.key for each in same} == {trial.key}
    different = [
        trial,
        changed("train", seed=1),
        replace(trial, data=["1", "abc"]),
        changed("train", epochs=4),
        changed("preprocess", deskew=False),
        changed("train", augmentation={"shift": 0.0}),
        changed("train", augmentation=None),
    ]
    assert len({each.key for each in different}) == len(different)
    before = trial.key
    monkeypatch.setattr("experiments.trial.BEHAVIOR", "other")
    assert replace(trial).key != before


def test_a_recipe_that_changes_nothing_is_the_pipeline_to_the_last_bit(lab):
    row, model = train_and_score(*prepared("default"))
    files.write_arrays("network.npz", model)
    assert Path("network.npz").read_bytes() == Path("models/network.npz").read_bytes()
    assert row.model == execute.theta_digest(from_arrays(model))
    assert row.test_accuracy == files.read_json("reports/metrics.json")["accuracy"]
    assert row.validation_accuracy == files.read_json("reports/validation.json")["validation_accuracy"]
    assert 0 < row.tta_accuracy <= 1
    assert 0 < row.seconds < 60
    seed = resolve.load(["default"])[1][1]
    assert not np.array_equal(train_and_score(seed, execute.prepare(seed))[1]["W1"], model["W1"])


@pytest.mark.parametrize("name", ["train_images.npy", "test_targets.npy", "inputs.json"])
def test_damaged_arrays_are_made_again(lab, name):
    trial, (_, splits) = prepared("default")
    assert sorted(splits) == ["test", "train", "validation"]
    assert sorted(prepared("no-decay")[1][1]) == ["train", "validation"]  # an ablation does not see the test images
    before = {path: path.read_bytes() for path in execute.CACHE.glob(f"*/{name}")}
    for path, content in before.items():
        path.write_bytes(content[:-200] + bytes([content[-200] ^ 1]) + content[-199:])
    (execute.CACHE / "tmpabc").mkdir()  # left by a run that was killed
    execute.prepare(trial)
    assert sum(path.read_bytes() == content for path, content in before.items()) == 1  # the other is of `wide`
    assert not list(execute.CACHE.glob("tmp*"))


def test_what_cannot_be_prepared_leaves_nothing_behind(lab):
    trial, _ = prepared("default")
    too_many = replace(trial, settings=resolve.merge(trial.settings, {"preprocess": {"validation_size": 400}}))
    before = sorted(execute.CACHE.iterdir())
    with pytest.raises(ValueError, match=r"^preprocess: "):
        execute.prepare(too_many)
    assert sorted(execute.CACHE.iterdir()) == before


def test_the_cache_is_of_one_variant_of_the_data_and_one_of_the_code(lab):
    def directories():
        return {path.name for path in execute.CACHE.iterdir() if path.is_dir()}

    for name in ("default", "no-decay", "wide"):
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
        execute.execute(trial, True, IDENTITY + "x")
    assert execute.execute(trial, False, IDENTITY)[1] == {}
    before = IDENTITY.split("-")[1]
    for path in ("experiments/cluster/execute.py", "stages/pipeline/files.py", "stages/nn/layers.py"):
        Path(path).write_text(Path(path).read_text() + "# A comment.\n")
        after = code_digest(("stages", "experiments"))
        assert after != before
        before = after


def test_test_time_augmentation_moves_images_by_half_a_pixel():
    image = np.zeros((1, 25), np.float32)
    image[0, 12] = 1
    still, *moved = (view.reshape(5, 5) for view in views(image, (5, 5)))
    assert still[2, 2] == 1
    centers = {tuple((np.indices((5, 5)) * view).sum(axis=(1, 2))) for view in moved}
    assert centers == {(1.5, 2), (2.5, 2), (2, 1.5), (2, 2.5)}
