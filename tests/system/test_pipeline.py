"""The whole pipeline, run by real `dvc` on the fixture's digits."""

import csv
import gzip
import json
import shutil
from concurrent import futures

import numpy as np
import pytest
from ruamel.yaml import YAML

from tests.helpers import project
from tests.helpers.project import STAGES, repro, snapshot


def test_a_second_repro_runs_no_stage(finished):
    assert repro(finished) == []


def test_the_trained_network_recognizes_digits_and_the_reports_agree(finished):
    metrics = json.loads((finished / "reports/metrics.json").read_text())
    assert metrics["accuracy"] > 0.8
    assert set(metrics) == {"accuracy", "loss", "errors", "confidence", "calibration_error"}
    with (finished / "reports/predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 200
    assert sum(row["actual"] != row["predicted"] for row in rows) == metrics["errors"]


def test_arrays_model_history_and_figures_have_the_documented_form(finished):
    processed = finished / "data/processed"
    for name, n in (("train", 300), ("validation", 100), ("test", 200)):
        images = np.load(processed / f"{name}_images.npy")
        targets = np.load(processed / f"{name}_targets.npy")
        assert images.shape == (n, 784)
        assert targets.shape == (n, 10)
        assert images.dtype == targets.dtype == np.float32
        assert (targets.sum(axis=1) == 1).all()
    train = np.load(processed / "train_images.npy").astype(float)
    assert train.mean() == pytest.approx(0, abs=1e-5)
    assert train.std() == pytest.approx(1, abs=1e-5)
    with np.load(finished / "models/network.npz", allow_pickle=False) as model:
        assert {"W1", "b1", "W2", "b2", "mean", "std", "deskew", "classes", "image_shape"} <= set(model)
    with (finished / "reports/history.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == [str(n) for n in range(1, 9)]
    figures = {path.name for path in (finished / "reports/figures").iterdir()}
    assert figures == {
        "confusion_matrix.png",
        "first_layer.png",
        "learning_curves.png",
        "mistakes.png",
        "predictions.png",
        "reliability.png",
    }


def test_the_same_inputs_give_the_same_bytes_in_another_directory_and_environment(finished, tmp_path):
    root = tmp_path / "Zweite Kopie \N{LATIN SMALL LETTER U WITH DIAERESIS}"
    project.make(root)
    project.run(root, "git", "init", "--quiet")
    result = project.run(root, "sh", "-c", "umask 077; dvc repro", PYTHONHASHSEED="7", TZ="Asia/Tokyo", LC_ALL="C")
    assert result.returncode == 0, result.stderr
    assert snapshot(root) == snapshot(finished)
    assert (root / "dvc.lock").read_bytes() == (finished / "dvc.lock").read_bytes()


def test_every_stage_gives_the_same_bytes_on_another_processor(copy):
    features = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    before = snapshot(copy)
    older = {"NPY_DISABLE_CPU_FEATURES": " ".join(features), "OPENBLAS_CORETYPE": "Prescott"}
    for stage in ("preprocess", "train", "evaluate", "plot"):
        result = project.run(copy, "python", "-W", "error", "-m", f"stages.{stage}", **older)
        assert (result.returncode, result.stderr) == (0, "")
    assert snapshot(copy) == before


def test_without_validation_images_everything_but_their_scores_is_there(copy):
    project.set_params(copy, {"preprocess": {"validation_size": 0}})
    assert repro(copy) == ["validate", *STAGES[2:]]
    with (copy / "reports/history.csv").open() as file:
        assert {row["validation_loss"] for row in csv.DictReader(file)} == {""}
    plots = project.run(copy, "dvc", "plots", "show", "--out", "plots")
    assert plots.returncode == 0, plots.stderr


@pytest.mark.parametrize(
    "changes",
    [
        {
            "hidden": [],
            "batch_size": None,
            "optimizer": "gradient_descent",
            "learning_rate": 0.1,
            "schedule": "constant",
        },
        {
            "hidden": [32, 16],
            "optimizer": "adamw",
            "learning_rate": 0.01,
            "schedule": "cosine",
            "dropout": 0.1,
            "input_dropout": 0.1,
            "activation": "tanh",
        },
        {
            "optimizer": "adam",
            "schedule": "linear",
            "learning_rate": 0.01,
            "averaging": 0.9,
            "clip_norm": 1.0,
            "initializer": "glorot_uniform",
        },
        {"augmentation": {"rotation": 5.0, "scaling": 0.1, "shear": 0.05, "shift": 1.0, "elastic": 0.5}},
    ],
    ids=["no hidden layer, full batch", "two hidden layers", "averaged", "augmented"],
)
def test_other_networks_and_optimizers_learn(copy, changes):
    project.set_params(copy, {"train": {"epochs": 20, "batch_size": 10, **changes}})
    for stage in ("validate", "train", "evaluate"):
        result = project.run(copy, "python", "-m", f"stages.{stage}")
        assert result.returncode == 0, result.stderr
    assert json.loads((copy / "reports/metrics.json").read_text())["accuracy"] > 0.2  # guessing gives 0.1


def repro_fails(root, *expected):
    """Run `dvc repro`, which must print every expected text, without a traceback, and change no file.

    It may remove some, as DVC does before it runs a stage. Returns the files before and after.
    """
    before = snapshot(root)
    result = project.run(root, "dvc", "repro")
    assert result.returncode != 0
    for text in expected:
        assert text in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert {name: data for name, data in snapshot(root).items() if name in before} == snapshot(root)
    return before, snapshot(root)


def test_all_bad_parameters_are_reported_before_anything_is_touched(copy):
    project.set_params(copy, {"train": {"learning_rate": -0.1, "learnig_rate": 1}, "plot": {"dpi": "high"}})
    before, after = repro_fails(
        copy,
        "validate: train.learning_rate: must be > 0, got -0.1 (params.yaml line ",
        "validate: train.learnig_rate: unknown, did you mean learning_rate? (params.yaml line ",
        'validate: plot.dpi: must be a whole number, got "high" (params.yaml line ',
    )
    assert after == before


def test_an_unknown_data_set_is_reported_before_anything_is_touched(copy):
    project.set_params(copy, {"fetch": {"dataset": "mnits"}})
    before, after = repro_fails(copy, "validate: fetch.dataset: mnits is not in data/catalog.yaml; it has mnist, ")
    assert after == before


def test_of_two_fetches_at_once_one_succeeds_and_the_other_is_refused(copy):
    before = snapshot(copy)
    shutil.rmtree(copy / "data/raw")
    shutil.rmtree(copy / "data/downloads")
    with futures.ThreadPoolExecutor() as both:
        started = [both.submit(project.run, copy, "python", "-m", "stages.fetch") for _ in range(2)]
    results = [future.result() for future in started]
    assert 0 in [result.returncode for result in results]
    for result in results:
        assert result.returncode == 0 or "fetch: another stage is running here, process " in result.stderr
    assert snapshot(copy) == before


def test_fetch_lists_every_source_that_it_tried(copy):
    shutil.rmtree(copy / "tests/fixture")
    shutil.rmtree(copy / "data/downloads")
    project.set_params(copy, {"fetch": {"directory": "nowhere"}})
    repro_fails(
        copy,
        "fetch: train-images-idx3-ubyte: no source has it",
        f"fetch:   nowhere: no directory {copy}/nowhere\n",
        f"fetch:   tests/fixture: no directory {copy}/tests/fixture\n",
        "set fetch.directory",
    )


def stage_fails(root, name, *expected):
    """Run a stage, which must fail with one line that holds every expected text, and change no file."""
    before = snapshot(root)
    result = project.run(root, "python", "-m", f"stages.{name}")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1, result.stderr
    for text in (f"{name}: ", *expected):
        assert text in result.stderr
    assert snapshot(root) == before


def test_a_truncated_raw_file_is_reported(copy):
    path = copy / "data/raw/train-images-idx3-ubyte"
    data = path.read_bytes()
    path.unlink()  # it may be a link into DVC's cache
    path.write_bytes(data[:-1])
    stage_fails(copy, "preprocess", "train-images-idx3-ubyte: truncated: ", "remove it and run `dvc repro`")


@pytest.mark.parametrize(
    ("stage", "path"),
    [
        ("preprocess", "data/raw/train-labels-idx1-ubyte"),
        ("train", "data/processed/train_images.npy"),
        ("evaluate", "models/network.npz"),
        ("plot", "reports/predictions.csv"),
    ],
)
def test_a_missing_input_is_reported(copy, stage, path):
    (copy / path).unlink()
    stage_fails(copy, stage, f"{path}: not found", "dvc repro")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 301}, "train.batch_size is 301, but there are 300 training images; null means all of them"),
        (
            {"hidden": [65536, 65536]},
            "train.hidden is [65536, 65536]: that makes 4,347,133,962 weights and biases, 16 GiB",
        ),
    ],
)
def test_a_parameter_too_large_for_the_data_or_the_machine_is_reported(copy, changes, message):
    project.set_params(copy, {"train": changes})
    stage_fails(copy, "train", message)


def test_the_documented_commands_restore_the_outputs_of_a_stage_that_failed(copy):
    """DVC removes them before the stage can refuse a parameter; the commands are in docs/reliability.md."""
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    assert project.run(copy, "git", "add", "--all").returncode == 0
    assert project.run(copy, "git", *who, "commit", "--quiet", "--message", "A run").returncode == 0
    before = snapshot(copy)
    for changes, message, removed in (
        ({"train": {"batch_size": 301}}, "train: train.batch_size is 301", "models/network.npz"),
        ({"train": {"learning_rate": 1000.0, "schedule": "constant"}}, "train: the loss is", "reports/history.csv"),
        (
            {"preprocess": {"validation_size": 400}},
            "preprocess: preprocess.validation_size is 400",
            "data/processed/inputs.json",
        ),
    ):
        project.set_params(copy, changes)
        result = project.run(copy, "dvc", "repro")
        assert result.returncode != 0
        assert message in result.stdout + result.stderr
        assert not (copy / removed).exists()
        for command in ("git restore params.yaml", "git restore dvc.lock reports", "dvc checkout"):
            result = project.run(copy, *command.split())
            assert result.returncode == 0, result.stderr
        assert snapshot(copy) == before
        assert repro(copy) == []
    assert project.run(copy, "git", "diff", "--stat", "--", "params.yaml", "dvc.lock", "reports").stdout == ""


def test_fetch_goes_past_a_directory_with_an_impossible_name(copy):
    shutil.rmtree(copy / "data/downloads")
    shutil.rmtree(copy / "data/raw")
    project.set_params(copy, {"fetch": {"directory": "no\0where"}})
    assert project.run(copy, "python", "-m", "stages.fetch").returncode == 0  # the next source has the files


def test_training_that_diverges_writes_nothing(copy):
    project.set_params(copy, {"train": {"learning_rate": 1000.0, "schedule": "constant", "weight_decay": 1.0}})
    stage_fails(copy, "train", "the loss is", "at epoch 1, step ", "learning rate 1e+03", "try a smaller learning_rate")


def test_traceback_1_shows_the_traceback(copy):
    (copy / "models/network.npz").unlink()
    result = project.run(copy, "python", "-m", "stages.evaluate", TRACEBACK="1")
    assert "Traceback" in result.stderr
    assert result.returncode == 1


def test_a_data_set_with_other_classes_and_image_sizes_needs_only_a_catalog_entry(copy):
    """Three classes with long names, 20x30 pixels, from a local directory."""
    (copy / "mine").mkdir()
    rng = np.random.default_rng(0)
    for split, n in (("train", 90), ("t10k", 30)):
        labels = (np.arange(n) % 3).astype(np.uint8)
        images = rng.integers(0, 90, (n, 20, 30), dtype=np.uint8)
        for k in range(3):
            images[labels == k, 6 * k : 6 * k + 6] += 150
        for name, array in ((f"{split}-images-idx3-ubyte", images), (f"{split}-labels-idx1-ubyte", labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (copy / f"mine/{name}.gz").write_bytes(gzip.compress(header + array.tobytes()))
    project.add_dataset(copy, "stripes", "mine")
    yaml = YAML()
    catalog = yaml.load(copy / "data/catalog.yaml")
    catalog["stripes"]["classes"] = ["upper stripe", "middle stripe", "lower stripe"]
    yaml.dump(catalog, copy / "data/catalog.yaml")
    project.set_params(copy, {"fetch": {"dataset": "stripes"}, "preprocess": {"validation_size": 30}})
    assert repro(copy) == STAGES
    assert json.loads((copy / "reports/metrics.json").read_text())["accuracy"] == 1
    assert "middle stripe" in (copy / "reports/classes.csv").read_text()
