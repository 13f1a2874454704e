"""What `dvc repro` does with bad parameters and other data, and how results come back."""

import gzip
import json
import os
import re

import numpy as np
from ruamel.yaml import YAML

from tests.helpers import project
from tests.helpers.project import STAGES, must, repro, snapshot


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
    after = snapshot(root)
    assert {name: before[name] for name in after} == after
    return before, after


def test_all_bad_parameters_are_reported_before_anything_is_touched(copy):
    project.set_params(copy, {"train": {"learning_rate": -0.1, "learnig_rate": 1}, "plot": {"dpi": "high"}})
    before, after = repro_fails(
        copy,
        "validate: train.learning_rate: must be > 0, got -0.1 (params.yaml line ",
        "validate: train.learnig_rate: unknown, did you mean learning_rate? (params.yaml line ",
        'validate: plot.dpi: must be a whole number, got "high" (params.yaml line ',
    )
    assert after == before


def test_the_documented_commands_restore_the_outputs_of_a_stage_that_failed(copy):
    """DVC removes them before the stage can refuse a parameter; the commands are in docs/reliability.md."""
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    must(copy, "git", "add", "--all")
    must(copy, "git", *who, "commit", "--quiet", "--message", "A run")
    project.set_params(copy, {"train": {"learning_rate": 1000.0, "schedule": "constant"}})
    before, after = repro_fails(copy, "train: the loss is")
    assert before.keys() - after.keys() >= {"models/network.npz", "reports/history.csv"}
    for command in ("git restore params.yaml", "git restore dvc.lock reports", "dvc checkout"):
        must(copy, *command.split())
    assert snapshot(copy) == before
    assert repro(copy) == []
    assert must(copy, "git", "diff", "--stat", "--", "params.yaml", "dvc.lock", "reports") == ""


def test_a_damaged_cache_object_that_dvc_trusts_is_repaired_as_the_troubleshooting_page_says(copy):
    """It is read-only, so DVC does not check it; even `dvc repro --force` would keep the bad bytes."""
    page = (project.ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    images = copy / "data/processed/test_images.npy"
    good = images.read_bytes()
    (cached,) = [path for path in (copy / ".dvc/cache/files/md5").glob("*/*") if path.read_bytes() == good]
    status = cached.stat()
    cached.chmod(0o644)
    cached.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    cached.chmod(status.st_mode)
    os.utime(cached, ns=(status.st_atime_ns, status.st_mtime_ns))
    project.set_params(copy, {"evaluate": {"calibration_bins": 10}})
    images.unlink()
    rejected = "evaluate: data/processed/test_images.npy: SHA-256 is "
    assert rejected in project.run(copy, "dvc", "repro").stderr
    images.unlink()
    assert project.run(copy, "sh", "-c", re.search("`(find .dvc/cache .*?)`", page)[1]).returncode == 0
    assert project.repro(copy, "evaluate") == ["preprocess", "evaluate"]
    assert images.read_bytes() == good


def test_a_link_into_the_cache_is_replaced_and_not_written_through(copy):
    must(copy, "dvc", "config", "cache.type", "symlink")
    must(copy, "dvc", "checkout", "--relink")
    model = copy / "models/network.npz"
    cached, before = model.resolve(), model.read_bytes()
    project.set_params(copy, {"train": {"seed": 1}})
    must(copy, "python", "-m", "stages.train")  # without DVC, which would remove the links first
    assert cached != model
    assert cached.read_bytes() == before != model.read_bytes()


def test_a_dataset_with_other_classes_and_image_sizes_needs_only_a_catalog_entry(copy):
    """Three classes with long names, 20 x 30 pixels, from a local directory, without validation images."""
    (copy / "mine").mkdir()
    rng = np.random.default_rng(0)
    for split, n in (("train", 90), ("t10k", 30)):
        labels = (np.arange(n) % 3).astype(np.uint8)
        images = rng.integers(0, 90, (n, 20, 30), dtype=np.uint8)
        for k in range(3):
            images[labels == k, 6 * k : 6 * k + 6] += 150
        for name, array in ((f"{split}-images-idx3-ubyte", images), (f"{split}-labels-idx1-ubyte", labels)):
            (copy / f"mine/{name}.gz").write_bytes(gzip.compress(project.idx_file(array)))
    project.add_dataset(copy, "stripes", "mine")
    yaml = YAML()
    catalog = yaml.load(copy / "data/catalog.yaml")
    catalog["stripes"]["classes"] = ["upper stripe", "middle stripe", "lower stripe"]
    yaml.dump(catalog, copy / "data/catalog.yaml")
    project.set_params(copy, {"fetch": {"dataset": "stripes"}, "preprocess": {"validation_size": 0}})
    assert repro(copy) == STAGES
    assert json.loads((copy / "reports/metrics.json").read_text())["accuracy"] == 1
    assert "middle stripe" in (copy / "reports/classes.csv").read_text()
    assert ",,\n" in (copy / "reports/history.csv").read_text()  # no validation scores
    must(copy, "dvc", "plots", "show", "--out", "plots")
