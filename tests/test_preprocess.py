"""The stage: what it writes for any data set, and how much memory that takes."""

import json
import tracemalloc

import numpy as np
import pytest

from stages.dataset import arrays
from stages.dataset.records import RAW_FILES
from stages.pipeline import files
from stages.pipeline.paths import DATASET, PROCESSED, RAW
from stages.preprocess import preprocess
from tests.helpers.project import idx_file


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """An empty directory for data."""
    monkeypatch.chdir(tmp_path)
    RAW.mkdir(parents=True)


def write_raw(train, test, classes, **keys):
    """Write data/raw as fetch does: for training and test, images (N, rows, columns) and labels (N,)."""
    sha256 = {}
    for name, array in zip(RAW_FILES.values(), [*train, *test], strict=True):
        (RAW / name).write_bytes(idx_file(array))
        sha256[name] = files.digest(RAW / name)
    names = [f"class {k}" for k in range(classes)]
    files.write_json(DATASET, {"title": "Own", "classes": names, "sha256": sha256, **keys})


def made(train, test, *, deskew=False, **keys):
    """The bytes of what the stage makes of three classes of images."""
    write_raw(train, test, 3, **keys)
    preprocess(seed=0, validation_size=10, deskew=deskew)
    return {path.name: path.read_bytes() for path in PROCESSED.iterdir()}


def random_set(n, shape, classes, seed=0):
    """Images (n, rows, columns) uint8 and labels (n,), every class at least once."""
    rng = np.random.default_rng(seed)
    labels = np.append(np.arange(classes), rng.integers(0, classes, n - classes))
    return rng.integers(0, 256, (n, *shape), dtype=np.uint8), labels.astype(np.uint8 if classes <= 256 else np.int16)


TRAIN, TEST = random_set(60, (6, 5), 3), random_set(20, (6, 5), 3, seed=1)


@pytest.mark.parametrize("deskew", [False, True])
def test_the_size_of_the_chunks_changes_no_byte(monkeypatch, deskew):
    whole = made(TRAIN, TEST, deskew=deskew)
    monkeypatch.setattr(arrays, "CHUNK", 100)
    assert made(TRAIN, TEST, deskew=deskew) == whole
    assert len(whole) == 8


@pytest.mark.parametrize(("n", "test", "classes"), [(15_000, 50, 10), (9000, 4000, 3832)])
def test_memory_is_that_of_the_labels_and_a_few_chunks(monkeypatch, n, test, classes):
    monkeypatch.setattr(arrays, "CHUNK", 2**16)
    write_raw(random_set(n, (28, 28), classes), random_set(test, (28, 28), classes), classes)
    raw = sum(path.stat().st_size for path in RAW.iterdir())
    tracemalloc.start()
    preprocess(seed=0, validation_size=100, deskew=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < raw / 2  # images are mapped
    assert sum(path.stat().st_size for path in PROCESSED.iterdir()) > 4 * raw


def test_transposed_images_and_labels_from_one_give_the_same_arrays():
    upright = made(TRAIN, TEST, deskew=True)
    assert json.loads(upright["inputs.json"])["image_shape"] == [6, 5]
    others = [(images.swapaxes(1, 2), labels + 1) for images, labels in (TRAIN, TEST)]
    assert made(*others, deskew=True, transposed=True, first_label=1) == upright
    with pytest.raises(ValueError, match=r"label 3 at index 2 is outside 0\.\.2; .* entry in data/catalog\.yaml"):
        made(*others)


def test_labels_may_be_wider_than_a_byte():
    images, labels = random_set(700, (4, 4), 600)
    write_raw((images, labels), (images[:600], labels[:600].astype(np.int32)), 600)
    preprocess(seed=0, validation_size=0, deskew=False)
    for name, n in (("train", 700), ("test", 600)):
        targets = np.load(PROCESSED / f"{name}_targets.npy")
        assert targets.shape == (n, 600)
        assert np.array_equal(targets.argmax(axis=1), labels[:n])
