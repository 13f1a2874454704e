"""Split off the validation examples."""

import numpy as np


def split(labels: np.ndarray, validation_size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the training and the validation examples, each in ascending order.

    The validation examples are stratified: every class has the same share as in `labels`, to within one example.
    Raises ValueError when no training example would be left.
    """
    if validation_size >= len(labels):
        raise ValueError(
            f"preprocess.validation_size is {validation_size}, but there are {len(labels)} training images: "
            "choose a smaller size, so that some are left to train on"
        )
    # Spread each class evenly over [0, 1), in random order: the lowest positions hold each class in its share.
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        position[members] = (rng.permutation(len(members)) + 0.5) / len(members)
    order = np.argsort(position, kind="stable")
    return np.sort(order[validation_size:]), np.sort(order[:validation_size])
