"""docs/reference.py runs as a program, and stages/nn agrees with its step."""

import doctest
import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import stages.nn
from docs import reference
from stages.nn.losses import softmax_cross_entropy
from stages.nn.network import multilayer_perceptron
from stages.nn.optimizers import chain

SPLITS = ("train_images", "train_targets", "test_images", "test_targets")


@pytest.fixture
def data(tmp_path):
    """The directory data/ of a project that has nothing but the program and the fixture's IDX files."""
    (tmp_path / "docs").mkdir()
    shutil.copy(reference.__file__, tmp_path / "docs")
    (tmp_path / "data/raw").mkdir(parents=True)
    for path in (Path(__file__).parents[1] / "fixture").glob("*.gz"):
        (tmp_path / "data/raw" / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    return tmp_path / "data"


def run(data):
    command = [sys.executable, data.parent / "docs/reference.py"]
    return subprocess.run(command, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}, capture_output=True, text=True)


def test_it_learns_from_idx_files_and_from_the_arrays_of_the_pipeline(data):
    arrays = reference.load(data)
    from_files = run(data)
    (data / "processed").mkdir()
    for name, array in zip(SPLITS, arrays, strict=True):
        np.save(data / f"processed/{name}.npy", array)
    shutil.rmtree(data / "raw")
    assert run(data).stdout == from_files.stdout
    *losses, accuracy = re.findall(r"(?:loss|accuracy) ([\d.]+)", from_files.stdout)
    assert len(losses) == reference.EPOCHS
    assert float(losses[0]) > 1  # the mean of the first epoch, whose last batch is below
    assert float(losses[-1]) < float(losses[0]) / 5
    assert float(accuracy) > 95
    shutil.rmtree(data)
    assert re.fullmatch(r".*train-images-idx3-ubyte: not found; run `dvc repro preprocess`, .*\n", run(data).stderr)


def problem():
    rng = np.random.default_rng(0)
    return rng.standard_normal((64, 784)), np.eye(10)[rng.integers(0, 10, 64)]


@pytest.mark.usefixtures("unrounded")
def test_the_network_agrees_with_it_to_twelve_digits():
    x, t = problem()
    own = multilayer_perceptron([784, 128, 10], dtype=np.float64)
    parameters = [array.astype(float) for array in reference.initialize(np.random.default_rng(0), 784, 128, 10)]
    own.load(dict(zip(own.parameters(), parameters, strict=True)))
    direction = chain("gradient_descent", own.weights.size)
    for _ in range(20):
        expected, gradients = reference.backward(x, t, parameters)
        parameters = [array - 0.1 * gradient for array, gradient in zip(parameters, gradients, strict=True)]
        loss, dlogits = softmax_cross_entropy(own.forward(x), t)
        own.backward(dlogits)
        own.theta -= 0.1 * direction(own.grad, own.theta)
        assert abs(loss - expected) < 1e-12
    for array, parameter in zip(own.parameters().values(), parameters, strict=True):
        np.testing.assert_allclose(array, parameter, rtol=0, atol=1e-12)
    assert loss < 0.5  # it did learn
    assert np.isfinite(reference.forward(1e4 * x, parameters)[2]).all()


def test_the_example_of_the_package_takes_a_step_downhill():
    x, targets = (array.astype(np.float32) for array in problem())
    example = doctest.DocTestParser().get_doctest(
        stages.nn.__doc__, {"np": np, "x": x, "targets": targets}, "nn", None, 0
    )
    assert doctest.DocTestRunner().run(example, clear_globs=False) == (0, 6)
    after, _ = softmax_cross_entropy(example.globs["net"].forward(x), targets)
    assert after < example.globs["loss"]


def test_the_readme_shows_lines_of_the_program_in_its_order():
    readme = (reference.DATA.parent / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    program = [line.strip() for line in Path(reference.__file__).read_text(encoding="utf-8").splitlines()]
    places = [program.index(line.strip()) for line in block.splitlines() if line]
    assert places == sorted(places)
