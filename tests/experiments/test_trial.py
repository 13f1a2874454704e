"""One trial: the pipeline's own training and scores, of settings and prepared arrays alone."""

from pathlib import Path

import numpy as np
import pytest

from experiments import arrays, recipes, results
from experiments.trial import run_trial, views
from stages.pipeline import files
from stages.preprocess import preprocess
from tests import test_architecture


def prepared(name):
    """The first trial of a recipe, and its arrays."""
    trial = next(trial for trial in recipes.load()[1] if trial.recipe == name)
    return trial, arrays.prepare(arrays.directory_of(trial), trial)


def test_a_recipe_that_changes_nothing_is_the_pipeline_to_the_last_bit(lab):
    trial, inputs = prepared("default")
    result = run_trial(trial.settings["train"], inputs)
    files.write_arrays("network.npz", result.model)
    assert Path("network.npz").read_bytes() == Path("models/network.npz").read_bytes()
    assert result.test_accuracy == files.read_json("reports/metrics.json")["accuracy"]
    assert result.validation_accuracy == files.read_json("reports/validation.json")["validation_accuracy"]
    assert 0 < result.tta_accuracy <= 1
    assert 0 < result.seconds < 60


def test_the_seed_counts(lab):
    trial, inputs = prepared("default")
    first, second = (run_trial({**trial.settings["train"], "seed": seed}, inputs).model["W1"] for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_a_student_learns_from_its_teacher_and_not_from_labels(lab):
    teacher, inputs = prepared("teacher")
    model = run_trial(teacher.settings["train"], inputs).model
    trial, inputs = prepared("student")
    plain = run_trial(trial.settings["train"], inputs)
    taught = run_trial(trial.settings["train"], inputs, teacher=model, temperature=2.0)
    softer = run_trial(trial.settings["train"], inputs, teacher=model, temperature=3.0)
    assert plain.model["W1"].shape == taught.model["W1"].shape != model["W1"].shape
    assert not np.array_equal(plain.model["W1"], taught.model["W1"])
    assert not np.array_equal(taught.model["W1"], softer.model["W1"])
    assert taught.test_accuracy > 0.5


def test_an_ablation_does_not_look_at_the_test_images(lab):
    trial, inputs = prepared("no-decay")
    for path in inputs.directory.glob("test_*.npy"):
        path.unlink()
    result = run_trial(trial.settings["train"], inputs, tested=False)
    assert (result.test_accuracy, result.tta_accuracy) == (None, None)
    assert result.validation_accuracy > 0.5


def test_it_opens_no_file_but_the_arrays(lab, monkeypatch):
    trial, inputs = prepared("default")
    opened = []

    def opening(path, *arguments, **options):
        opened.append(str(path))
        return original(path, *arguments, **options)

    original = open
    monkeypatch.setattr("builtins.open", opening)
    monkeypatch.setattr("pathlib.Path.open", opening)
    run_trial(trial.settings["train"], inputs)
    ours = {name for name in opened if not name.startswith("/proc/")}  # threadpoolctl looks for libraries there
    assert {Path(name).parent for name in ours} == {inputs.directory}
    assert {Path(name).suffix for name in ours} == {".npy"}


def test_half_made_arrays_are_not_taken_for_whole_ones(lab, monkeypatch):
    def killed(**settings):
        preprocess(**settings)
        Path("data/processed/test_images.npy").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(arrays, "preprocess", killed)
        with pytest.raises(KeyboardInterrupt):
            prepared("default")
    assert list(Path("experiments/cache").iterdir()) == []
    _, inputs = prepared("default")
    assert len(inputs.split("test")[0]) > 0
    assert [path.name for path in Path("experiments/cache").iterdir()] == [inputs.directory.name]


def test_the_cache_is_of_one_variant_of_the_data_and_one_of_the_code(lab):
    first, others = prepared("default")[1], [prepared(name)[1] for name in ("no-decay", "teacher")]
    assert [other.directory == first.directory for other in others] == [True, False]
    before = {path: path.stat().st_mtime_ns for path in first.directory.iterdir()}
    assert prepared("default")[1] == first
    assert {path: path.stat().st_mtime_ns for path in first.directory.iterdir()} == before
    code = Path("stages/dataset/deskew.py")
    code.write_text(code.read_text() + "# A comment.\n")
    assert prepared("default")[1].directory != first.directory


def test_the_arrays_come_from_any_directory_that_the_pipeline_finds(lab):
    trial, inputs = prepared("default")
    for path in [*Path("data/downloads").iterdir(), *Path("data/raw").iterdir()]:
        path.unlink()
    expected = {path.name: path.read_bytes() for path in inputs.directory.iterdir()}
    for path in inputs.directory.iterdir():
        path.unlink()
    inputs.directory.rmdir()
    inputs = arrays.prepare(inputs.directory, trial)  # the catalog's source is relative: tests/fixture
    assert {path.name: path.read_bytes() for path in inputs.directory.iterdir()} == expected


def test_the_digest_of_the_code_covers_what_a_trial_imports(lab):
    imported = test_architecture.closure(lab, "experiments/trial.py")
    imported |= test_architecture.closure(lab, "stages/preprocess.py")
    covered = {path.as_posix() for path in results.code_files()}
    left = {path for path in imported - covered if not path.startswith("stages/pipeline/")}
    assert left == {"stages/report/__init__.py"}
    assert "experiments/trial.py" in covered


def test_test_time_augmentation_moves_images_by_half_a_pixel():
    image = np.zeros((1, 25), np.float32)
    image[0, 12] = 1
    still, *moved = (view.reshape(5, 5) for view in views(image, (5, 5)))
    assert still[2, 2] == 1
    centers = {tuple((np.indices((5, 5)) * view).sum(axis=(1, 2))) for view in moved}
    assert centers == {(1.5, 2), (2.5, 2), (2, 1.5), (2, 2.5)}
