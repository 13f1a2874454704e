"""Read the arrays that a network learns from."""

from math import prod

from stages.dataset.arrays import Split
from stages.dataset.records import TrainingInputs
from stages.pipeline import files, paths


def read_split(name: str, inputs: TrainingInputs) -> Split:
    """Return the images (N, D) and targets (N, K) of a split, verified and memory-mapped."""
    sizes = {f"{name}_images.npy": prod(inputs.image_shape), f"{name}_targets.npy": len(inputs.classes)}
    images, targets = (
        files.read_array(paths.PROCESSED / name, (None, size), inputs.sha256[name]) for name, size in sizes.items()
    )
    return images, targets
