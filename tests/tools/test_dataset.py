"""A dataset of the catalog from what people have: `fetch` accepts it, images are upright and bright on dark."""

import csv
import shutil

import numpy as np
import pytest
import scipy.io
from PIL import Image

from stages.dataset import idx
from stages.fetch import CATALOG, fetch
from stages.pipeline import files, paths
from tests.helpers import project
from tools.dataset import main
from tools.docs.mathematics import digits

DIGITS = {"train": [array[:70] for array in digits("train")], "test": [array[:30] for array in digits("t10k")]}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    CATALOG.parent.mkdir()
    shutil.copy(project.ROOT / CATALOG, CATALOG)


def pictures(root, change=lambda image: image, parts=("train", "test")):
    for part in parts:
        for i, (image, label) in enumerate(zip(*DIGITS[part], strict=True)):
            path = root / (part if len(parts) > 1 else "") / f"{label + 5}/{i:03}.png"  # 10 comes after 9
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(change(image)).save(path)


def table(path, part, header, labeled=True):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        names = [*["label"] * labeled, *(f"pixel{i}" for i in range(784))]
        rows.writerows([names] * header)
        rows.writerows([*[label] * labeled, *image.ravel()] for image, label in zip(*DIGITS[part], strict=True))


def npz(path, change=lambda array: array, parts=("train", "test")):
    arrays = {f"{kind}_{part}": array for part in parts for kind, array in zip("xy", DIGITS[part], strict=True)}
    np.savez(path, **{name: change(array) if name[0] == "x" else array[:, None] for name, array in arrays.items()})


def mat(path):
    """As EMNIST's: transposed, the labels from 1 on, an upper and a lower case letter for each."""
    content = {"mapping": np.array([[k + 1, 65 + k, 97 + k] for k in range(10)])}
    for part, (images, labels) in DIGITS.items():
        flat = images.swapaxes(1, 2).reshape(len(images), -1)
        content[part] = {"images": flat, "labels": labels[:, None] + 1.0}
    scipy.io.savemat(path, {"dataset": content})


SOURCES = {
    "folders, dark on bright": (lambda root: pictures(root, lambda image: 255 - image), "dark on bright: inverted"),
    "folders, deeper": (lambda root: pictures(root / "name/name"), ""),
    "folders, one part": (lambda root: pictures(root, parts=["train"]), "no part for test: one image in seven"),
    "s.csv": (lambda path: table(path, "train", header=False), "no part for test"),
    "tables": (lambda root: [table(root / f"a_{part}.csv", part, header=True) for part in DIGITS], ""),
    "kaggle": (
        lambda root: (table(root / "train.csv", "train", 1), table(root / "test.csv", "test", 1, 0)),
        "left out",
    ),
    "s.npz": (npz, ""),
    "fractions.npz": (lambda path: npz(path, lambda images: images[..., None] / 255), ""),
    "s.mat": (mat, ""),
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_becomes_a_dataset_that_fetch_accepts(tmp_path, capsys, source):
    make, said = SOURCES[source]
    make(tmp_path / source)
    main([source, "--name", "own"])
    printed = capsys.readouterr().out
    assert said in printed
    fetch(dataset="own", directory=None)
    found = {}
    for part, name in (("train", "train"), ("test", "t10k")):
        found[part] = [idx.read(paths.RAW / f"{name}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")]
    if "no part" in printed:
        assert [len(labels) for _, labels in found.values()] == [60, 10]
        found = {"train": [np.concatenate(arrays) for arrays in zip(*found.values(), strict=True)]}
    for part, arrays in found.items():
        pairs = [
            sorted((image.tobytes(), label) for image, label in zip(*a, strict=True)) for a in (arrays, DIGITS[part])
        ]
        assert pairs[0] == pairs[1]
    classes = files.read_json(paths.DATASET)["classes"]
    assert classes == [*"abcdefghij"] if source == "s.mat" else classes[-1] in ("9", "14")


def test_images_on_their_side_are_noticed_and_turned(tmp_path, capsys):
    npz("s.npz", lambda images: images.swapaxes(1, 2))
    main(["s.npz", "--name", "lying"])
    assert " wide and " in capsys.readouterr().out
    main(["s.npz", "--name", "own", "--transposed"])
    assert " wide and " not in capsys.readouterr().out
    assert np.array_equal(idx.read("data/datasets/own/train-images-idx3-ubyte"), DIGITS["train"][0])


def test_pictures_of_several_sizes_are_scaled_on_request(tmp_path, capsys):
    pictures(tmp_path / "s")
    Image.fromarray(DIGITS["train"][0][0]).resize((30, 20)).save("s/train/5/x.png")
    with pytest.raises(SystemExit):
        main(["s", "--name", "own"])
    assert "pictures of 2 sizes, most are (28, 28); scale them: --size 28" in capsys.readouterr().err
    main(["s", "--name", "own", "--size", "14"])
    assert "71 training and 30 test images of 14 x 14" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "content", "said"),
    [
        ("s", None, "s: not found; give a directory, .csv, .npz or .mat"),
        ("s.zip", b"PK", "s.zip: not usable; unpack it first"),
        ("README", b"", "README: not usable; give a directory"),
        ("s.csv", b"label,pixel0\n", "s.csv: no rows"),
        ("s.csv", b"label,pixel0\na,1\n", "s.csv: could not convert string 'a'"),
        ("s.csv", b"1,2,3\n0,2,3\n", "images have shape (2, 2); gray ones"),
        ("s.csv", b"1,256\n0,2\n", "pixels are 2 to 256; 0 to 255"),
        ("s.npz", b"PK", "s.npz: "),
        ("s.mat", b"", "s.mat: "),
        ("s/a/x.png", b"no", "s: a/x.png: not an image"),
        ("s/x.txt", b"", "s: no pictures in folders"),
    ],
)
def test_what_is_no_dataset_gets_one_line_and_changes_nothing(tmp_path, capsys, source, content, said):
    if content is not None:
        (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / source).write_bytes(content)
        (tmp_path / "s/b").mkdir(parents=True, exist_ok=True)
    before = CATALOG.read_bytes()
    for arguments, expected in (
        ([source.split("/")[0], "--name", "own"], said),
        (["s", "--name", "mnist"], "data/catalog"),
    ):
        with pytest.raises(SystemExit):
            main(arguments)
        error = capsys.readouterr().err
        assert error.startswith(f"dataset: {expected}")
        assert error.count("\n") == 1
    assert CATALOG.read_bytes() == before
    assert not (tmp_path / "data/datasets").exists()
