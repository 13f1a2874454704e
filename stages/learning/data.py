"""Read the arrays that a network learns from."""

from math import prod

from stages.dataset.arrays import Split, check_examples
from stages.dataset.records import TrainingInputs
from stages.pipeline import files, paths


def read_split(name: str, inputs: TrainingInputs) -> Split:
    """Return the images (N, D) and targets (N, K) of a split, checked and memory-mapped."""
    images_path, targets_path = (paths.PROCESSED / f"{name}_{part}.npy" for part in ("images", "targets"))
    images = files.read_array(images_path, (None, prod(inputs.image_shape)), inputs.sha256[images_path.name])
    targets = files.read_array(targets_path, (None, len(inputs.classes)), inputs.sha256[targets_path.name])
    check_examples(images, targets, images_path)
    return images, targets
