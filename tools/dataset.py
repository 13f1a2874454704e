"""Make a dataset of the catalog from what people have: `python -m tools.dataset SOURCE --name letters`.

SOURCE is one of
- a directory with a folder of pictures per class, or with two directories of such folders, train and test
- a CSV file with a label and the pixels in each row, as on Kaggle, or a directory with one for train and one for test
- an .npz file with x_train, y_train, x_test and y_test, as of Keras
- a .mat file of EMNIST

Writes four IDX files to data/datasets/NAME and their entry to data/catalog.yaml. There, images are upright and bright
on dark, and labels count from 0. Without a part for test, a seventh of each class becomes that.
"""

import argparse
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from math import isqrt
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image
from tqdm import tqdm

from stages.dataset.idx import check_labeled
from stages.dataset.records import RAW_FILES
from stages.dataset.split import split
from stages.download.sources import PACKED, Dataset, File
from stages.fetch import CATALOG
from stages.photos import decode
from stages.pipeline import files, params, stage

Part = tuple[np.ndarray, np.ndarray]  # images (N, ...) of any type, labels (N,)
PLACE = Path("data/datasets")
CODES = {"uint8": 0x08, "int16": 0x0B, "int32": 0x0C}
text = partial(json.dumps, ensure_ascii=False)  # which YAML reads


def idx_file(array: np.ndarray) -> bytes:
    """Return the bytes of an IDX file with an array of uint8, int16 or int32."""
    header = bytes([0, 0, CODES[array.dtype.name], array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def read(source: Path, size: int | None) -> list[Part]:
    """Return the parts that a source has: train and test, or all in one. ValueError, in one line, if it has none."""
    paths = find_parts(source) if source.is_dir() else [source]
    reader = READERS.get("" if paths[0].is_dir() else paths[0].suffix.lower() or "none")
    if not reader:
        what = "unpack it first" if source.name.endswith(PACKED) else "give a directory, .csv, .npz or .mat"
        raise ValueError(f"{source}: {'not usable' if source.exists() else 'not found'}; {what}")
    try:
        if not (parts := [part for path in paths for part in reader(path, size)]):
            raise ValueError("no labels")
        return parts
    except (OSError, MemoryError):
        raise
    except Exception as error:  # parsers raise errors of any type on bytes that are not theirs
        raise ValueError(f"{source}: {(str(error) or type(error).__name__).splitlines()[0]}") from error


def find_parts(directory: Path) -> list[Path]:
    """Return what in a directory is for train and for test, or else the directory; either may be a folder deeper."""
    inside = sorted(path for path in directory.glob("[!.]*") if path.is_dir() or path.suffix.lower() == ".csv")
    train, test = ([path for path in inside if part in path.name.lower()] for part in ("train", "test"))
    if len(train) == len(test) == 1:
        return train + test
    if len(inside) == 1:
        return inside if inside[0].is_file() else find_parts(inside[0])
    return [directory]


def read_pictures(directory: Path, size: int | None) -> list[Part]:
    """Return the pictures in the folders of a directory, scaled to size x size if given, and the folders' names."""
    images = []
    paths = [path for path in decode.files_in(directory) if path.parent != directory]
    for path in tqdm(paths, "pictures", disable=None):
        try:
            image = Image.fromarray(decode.read(path)).convert("L")
        except decode.Refused as error:
            raise ValueError(f"{path.relative_to(directory).as_posix()}: {error}") from None
        images.append(np.asarray(image.resize((size, size), Image.Resampling.BOX) if size else image))
    if len(sizes := Counter(image.shape for image in images).most_common()) > 1:
        raise ValueError(f"pictures of {len(sizes)} sizes, most are {sizes[0][0]}; scale them: --size 28")
    if not images:
        raise ValueError("no pictures in folders, one for each class")
    return [(np.stack(images), np.array([path.relative_to(directory).parts[0] for path in paths]))]


def read_csv(path: Path, size: int | None) -> list[Part]:
    """Return the pixels and labels of a table, with a header or without; nothing if it has no labels."""
    with path.open(encoding="utf-8-sig") as file:
        first, second = file.readline().strip('"'), file.readline()
    if first.startswith("pixel"):  # the test part of a competition
        print(f"{path}: left out, it has no labels")
        return []
    skip = int(not first[:1].isdecimal())
    if not (second if skip else first):
        raise ValueError("no rows")
    table = np.loadtxt(path, np.int32, delimiter=",", skiprows=skip, encoding="utf-8-sig", ndmin=2)
    return [(table[:, 1:], table[:, 0])]


def read_npz(path: Path, size: int | None) -> list[Part]:
    """Return the parts of an .npz file."""
    with np.load(path, allow_pickle=False) as arrays:
        if not {"x_train", "y_train"} <= {*arrays}:
            raise ValueError(f"no arrays x_train and y_train; it has {', '.join(arrays)}")
        return [(arrays[f"x_{p}"], arrays[f"y_{p}"].squeeze()) for p in ("train", "test") if f"x_{p}" in arrays]


def read_mat(path: Path, size: int | None) -> list[Part]:
    """Return the parts of EMNIST, whose images are transposed, with the characters as labels."""
    content = scipy.io.loadmat(path, simplify_cells=True)["dataset"]
    names = {int(row[0]): chr(row[-1]) for row in content["mapping"]}
    parts = content["train"], content["test"]
    return [(as_images(p["images"]).swapaxes(1, 2), np.array([names[int(k)] for k in p["labels"]])) for p in parts]


READERS: dict[str, Callable[[Path, int | None], list[Part]]] = {
    "": read_pictures,
    ".csv": read_csv,
    ".npz": read_npz,
    ".mat": read_mat,
}


def as_images(pixels: np.ndarray) -> np.ndarray:
    """Return images (N, rows, columns) as uint8, from 0 to 255, for what may be flat, of floats, or from 0 to 1."""
    if pixels.ndim == 2 and isqrt(pixels.shape[1]) ** 2 == pixels.shape[1]:
        pixels = pixels.reshape(-1, isqrt(pixels.shape[1]), isqrt(pixels.shape[1]))
    if pixels.ndim == 4 and pixels.shape[3] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim != 3 or not pixels.size:
        raise ValueError(f"images have shape {pixels.shape}; gray ones are needed, (N, rows, columns), or flat squares")
    scale = 255 if pixels.dtype.kind == "b" or (pixels.dtype.kind == "f" and pixels.max() <= 1) else 1
    if not (pixels.min() >= 0 and scale * pixels.max() <= 255):  # nor nan
        raise ValueError(f"pixels are {pixels.min()} to {pixels.max()}; 0 to 255 is needed, or fractions of 1")
    return np.rint(pixels * np.float32(scale)).astype(np.uint8)


def upright(images: np.ndarray, transposed: bool) -> np.ndarray:
    """Return uint8 images (N, rows, columns) bright on dark and not on their side; print what was, or may be, wrong."""
    images = images.swapaxes(1, 2) if transposed else images
    top = images.max()
    if np.median(images[:, [0, -1]].mean(axis=(1, 2))) > top / 2:
        print("dark on bright: inverted")
        images = top - images
    high, wide = ((images > top / 2).any(axis=axis).sum(axis=1).mean() for axis in (2, 1))
    if wide > 1.1 * high:
        print(f"on average {wide:.1f} wide and {high:.1f} high: if they lie on their side, --transposed turns them")
    return images


def make(name: str, parts: list[Part], seed: int, transposed: bool) -> None:
    """Write the files of a dataset and its entry in the catalog."""
    images = upright(np.concatenate([as_images(pixels) for pixels, _ in parts]), transposed)
    found = np.concatenate([labels for _, labels in parts]).astype(str).tolist()
    numbers = all(map(str.isdecimal, found))
    classes = sorted({*found}, key=lambda label: int(label) if numbers else label)
    labels = np.array([*map({label: k for k, label in enumerate(classes)}.get, found)], np.int32)
    labels = labels.astype(np.uint8) if len(classes) <= 256 else labels
    rows = np.split(np.arange(len(images)), [len(parts[0][0])])
    if len(parts) == 1:
        print("no part for test: one image in seven becomes that")
        rows = list(split(labels, len(labels) // 7, np.random.default_rng(seed)))
    entries = {}
    for part, chosen in zip(("train", "test"), rows, strict=True):
        check_labeled(images[chosen], labels[chosen], range(len(classes)), Path(part), Path(part))
        for kind, array in (("images", images), ("labels", labels)):
            path, data = PLACE / name / RAW_FILES[f"{part}_{kind}"], idx_file(array[chosen])
            with files.atomic_write(path) as temporary:
                temporary.write_bytes(data)
            entries[f"{part}_{kind}"] = File(path.name, len(data), hashlib.sha256(data).hexdigest())
    entry = asdict(Dataset(name, "", "", classes, entries, []))  # checks the classes
    entry["sources"] = [{"directory": (PLACE / name).as_posix()}]
    plain = ("title", "license", "homepage", "classes", "sources")
    lines = [f"{name}:", *(f"  {key}: {text(entry[key])}" for key in plain), "  files:"]
    lines += [f"    {role}: {text(file)}" for role, file in entry["files"].items()]
    files.write_text(CATALOG, "\n".join([CATALOG.read_text(encoding="utf-8").rstrip(), "", *lines, ""]))
    size = " x ".join(map(str, images.shape[1:]))
    print(f"{len(rows[0])} training and {len(rows[1])} test images of {size}; classes: {', '.join(classes)}")
    print(f"{CATALOG} has the entry {name}; now: dvc exp run -n {name} -S fetch.dataset={name}")


def main(arguments: list[str] | None = None) -> None:
    """Make the dataset that the command line names; SystemExit, with one line, if that is not possible."""
    parser = argparse.ArgumentParser(prog="dataset", description="Make a dataset of the catalog.")
    parser.add_argument("source", type=Path, help="class folders of pictures, .csv, .npz or .mat")
    parser.add_argument("--name", required=True, help="of the entry in the catalog")
    parser.add_argument("--size", type=int, help="scale pictures to so many rows and columns")
    parser.add_argument("--transposed", action="store_true", help="turn images that lie on their side")
    parser.add_argument("--seed", type=int, default=0, help="selects the test images, if the source has no test part")
    options = parser.parse_args(arguments)
    try:
        if not re.fullmatch(r"[a-zA-Z][\w-]*", options.name):
            raise ValueError(f"--name {options.name}: a letter first, then letters, digits, - and _")
        if options.name in params.read_as(dict[str, Dataset], CATALOG):
            raise ValueError(f"{CATALOG} has the entry {options.name}; remove it there, or choose another --name")
        make(options.name, read(options.source, options.size), options.seed, options.transposed)
    except stage.EXPECTED as error:
        stage.fail("dataset", stage.describe(error), 1)


if __name__ == "__main__":
    stage.open_streams()
    main()
