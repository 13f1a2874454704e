"""Where the stages find each other's files, relative to the project."""

from pathlib import Path

RAW = Path("data/raw")  # the original files, and dataset.json, which describes them
DATASET = RAW / "dataset.json"
TEST_IMAGES = RAW / "t10k-images-idx3-ubyte"
PROCESSED = Path("data/processed")  # the arrays, and what describes them:
INPUTS = PROCESSED / "inputs.json"  # what training reads, and how new images are prepared,
TEST = PROCESSED / "test.json"  # and what only evaluation reads
PHOTOS = Path("data/photos")  # the user's own pictures
MODEL = Path("models/network.npz")
CHECKPOINT = Path("models/checkpoint.npz")  # of a run that was interrupted
HISTORY = Path("reports/history.csv")
VALIDATION = Path("reports/validation.json")
METRICS = Path("reports/metrics.json")
PREDICTIONS = Path("reports/predictions.csv")
MISTAKES = Path("reports/mistakes.csv")
CLASSES = Path("reports/classes.csv")
FIGURES = Path("reports/figures")
PAGE = Path("reports/index.html")
PHOTO_ANSWERS = Path("reports/photos.csv")
PHOTO_FIGURE = Path("reports/photos.png")
