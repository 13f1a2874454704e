import numpy as np
import pytest

from stages.dataset.split import split

LABELS = np.repeat([0, 1, 2], [500, 300, 200])


@pytest.mark.parametrize("size", [0, 1, 10, 137, 999])
def test_the_two_splits_partition_the_examples_and_are_stratified(size):
    train, validation = split(LABELS, size, np.random.default_rng(0))
    assert len(validation) == size
    assert np.array_equal(np.sort(np.concatenate([train, validation])), np.arange(1000))
    assert (np.diff(train) > 0).all()
    assert (np.diff(validation) > 0).all()
    share = np.bincount(LABELS[validation], minlength=3)
    assert np.abs(share - size * np.array([0.5, 0.3, 0.2])).max() <= 1


def test_the_split_depends_on_its_generator():
    drawn = [split(LABELS, 100, np.random.default_rng(seed))[1] for seed in (1, 1, 2)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


@pytest.mark.parametrize("size", [1000, 1001])
def test_a_training_example_must_be_left(size):
    with pytest.raises(ValueError, match=rf"preprocess.validation_size is {size}, but there are 1000 training images"):
        split(LABELS, size, np.random.default_rng(0))
