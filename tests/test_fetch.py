"""The stage: what it writes, what it caches, and what it says when no source has a file."""

import gzip
import hashlib
import json
import os
import shutil
import socket
import tracemalloc
from pathlib import Path

import pytest

from stages.dataset.records import RAW_FILES
from stages.download.sources import Dataset
from stages.fetch import CATALOG, DOWNLOADS, fetch
from stages.pipeline import files, params
from stages.pipeline.paths import RAW

CONTENT = {role: f"bytes of {role}".encode() for role in RAW_FILES}
DIGESTS = {role: hashlib.sha256(data).hexdigest() for role, data in CONTENT.items()}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """An own dataset of two classes in a local directory, and no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "socket", None)
    entries = {r: {"name": f"{r}.idx", "bytes": len(data), "sha256": DIGESTS[r]} for r, data in CONTENT.items()}
    entry = {"title": "Own", "license": "", "homepage": "", "classes": ["cat", "dog"], "files": entries}
    CATALOG.parent.mkdir()
    CATALOG.write_text(json.dumps({"own": entry | {"sources": [{"directory": "here"}]}}))
    Path("here").mkdir()
    for role, data in CONTENT.items():
        Path(f"here/{role}.idx.gz").write_bytes(gzip.compress(data))


def written():
    return {role: (RAW / name).read_bytes() for role, name in RAW_FILES.items()}


def test_an_own_dataset_is_written_under_the_standard_names(capsys):
    entry = json.loads(CATALOG.read_text())["own"]
    CATALOG.write_text(json.dumps({"own": entry | {"transposed": True, "first_label": 1}}))
    fetch(dataset="own", directory=None)
    assert written() == CONTENT
    assert files.read_json(RAW / "dataset.json") == {
        "title": "Own",
        "classes": ["cat", "dog"],
        "sha256": {RAW_FILES[role]: digest for role, digest in DIGESTS.items()},
        "transposed": True,
        "first_label": 1,
    }
    assert {path.name for path in RAW.iterdir()} == {*RAW_FILES.values(), "dataset.json"}
    assert capsys.readouterr().out.splitlines()[0] == "train-images-idx3-ubyte: 21 bytes from here"


def test_the_directory_of_params_is_tried_first(capsys):
    Path("first").mkdir()
    Path("first/train_images.idx").write_bytes(CONTENT["train_images"])
    fetch(dataset="own", directory="first")
    assert written() == CONTENT
    found, skipped, next_one = capsys.readouterr().out.splitlines()[:3]
    assert found == "train-images-idx3-ubyte: 21 bytes from first"
    assert skipped.startswith("first: skipped, no train_labels.idx or train_labels.idx.gz")
    assert next_one == "train-labels-idx1-ubyte: 21 bytes from here"


def test_a_tilde_is_the_home_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME" if os.name == "posix" else "USERPROFILE", str(tmp_path / "home"))
    Path("home").mkdir()
    Path("here").rename("home/digits")
    fetch(dataset="own", directory="~/digits")
    assert written() == CONTENT
    shutil.rmtree(RAW)
    shutil.rmtree(DOWNLOADS)
    with pytest.raises(OSError, match=r"~no-such-user/digits: no directory .*/~no-such-user/digits"):
        fetch(dataset="own", directory="~no-such-user/digits")


def test_cached_files_are_used_again_and_a_damaged_one_is_replaced(capsys):
    fetch(dataset="own", directory=None)
    damaged = DOWNLOADS / DIGESTS["test_labels"]
    damaged.write_bytes(b"x" * len(CONTENT["test_labels"]))
    shutil.rmtree(RAW)
    capsys.readouterr()
    fetch(dataset="own", directory=None)
    assert [line.split(" from ")[1] for line in capsys.readouterr().out.splitlines()] == [str(DOWNLOADS)] * 3 + ["here"]
    assert written() == CONTENT
    assert damaged.read_bytes() == CONTENT["test_labels"]
    shutil.rmtree(DOWNLOADS)
    shutil.rmtree("here")
    fetch(dataset="own", directory=None)  # from the files that are in place
    assert written() == CONTENT


def test_memory_does_not_grow_with_cached_files():
    entry = json.loads(CATALOG.read_text())["own"]
    content = bytes(2**24)
    entry["files"]["train_images"] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    CATALOG.write_text(json.dumps({"own": entry}))
    Path("here/train_images.idx").write_bytes(content)
    fetch(dataset="own", directory=None)
    tracemalloc.start()
    fetch(dataset="own", directory=None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(content) / 4


def test_a_failure_lists_every_reason_and_a_way_out_and_loses_nothing():
    Path("here/test_labels.idx.gz").unlink()
    with pytest.raises(OSError, match=r"put the four files into a directory and set fetch\.directory") as raised:
        fetch(dataset="own", directory="absent")
    first, absent, lacks = str(raised.value).splitlines()[:3]
    assert first == "test_labels.idx: no source has it"
    assert absent == f"  absent: no directory {Path.cwd()}/absent"
    assert lacks.startswith("  here: no test_labels.idx or test_labels.idx.gz, and no other file")
    assert {path.name for path in DOWNLOADS.iterdir()} == set(DIGESTS.values()) - {DIGESTS["test_labels"]}


def test_an_unknown_dataset_and_a_misspelled_key_of_the_catalog_are_reported():
    with pytest.raises(ValueError, match=r"^fetch\.dataset: minst is not in data/catalog\.yaml; it has own$"):
        fetch(dataset="minst", directory=None)
    CATALOG.write_text(CATALOG.read_text().replace('"directory"', '"folder"'))
    with pytest.raises(ValueError, match=r"own\.sources\[0\]\.folder: unknown.*line 1"):
        fetch(dataset="own", directory=None)


def test_the_committed_catalog_is_valid():
    catalog = params.read_as(dict[str, Dataset], Path(__file__).parents[1] / CATALOG)
    assert list(catalog) == ["mnist", "fashion-mnist"]
    for entry in catalog.values():
        assert [entry.files[role].bytes for role in RAW_FILES] == [47_040_016, 60_008, 7_840_016, 10_008]
        assert len(entry.classes) == 10
