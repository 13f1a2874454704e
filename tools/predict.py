"""`make predict IMAGES="photo.jpg scan.png folder/"`: read the digits in pictures with the trained network.

Prints a line for each digit: the file, the answer, the confidence, "uncertain" where the page to draw digits on would
say "I don't know", and how the digit was found. With --csv, prints a table for programs. Writes a figure of each
picture, what the network saw of it, and the answers.

Exit code 1 if a picture cannot be read or has no digit, or the figure cannot be written; the others are answered all
the same.
"""

import argparse
import csv
import os
import sys
from collections.abc import Iterator
from glob import glob
from pathlib import Path

from tqdm import tqdm

from stages import predict
from stages.learning.model import Model, load
from stages.photos import decode
from stages.photos.segment import Picture
from stages.pipeline import files, stage
from stages.pipeline.paths import MODEL
from stages.report import figures, style

WORDS = 20  # at most, in a path


def split(text: str) -> list[Path]:
    """Return the paths in a text, separated by spaces: the longest that exist, so their names may have spaces, too.

    What does not exist may be a pattern such as *.jpg; quotes around a path are ignored.
    """
    words, paths = text.split(" "), list[Path]()
    while words:
        joined = [" ".join(words[:n]) for n in range(min(len(words), WORDS), 0, -1) if words[0]]
        spelled = [(name, Path(name.strip(quote)).expanduser()) for name in joined for quote in ("", "'", '"')]
        name, path = next((pair for pair in spelled if os.access(pair[1], os.F_OK)), (words[0], None))
        matches = map(Path, sorted(glob(name)))  # noqa: PTH207, as Path.glob takes no absolute pattern
        paths += [path] if path else [*matches] or [Path(name)] if name else []
        words = words[name.count(" ") + 1 :]
    return paths


def main(arguments: list[str] | None = None) -> None:
    """Answer the pictures on the command line, or in the variable IMAGES; SystemExit if there is a problem."""
    parser = argparse.ArgumentParser(prog="predict", description="Read the digits in pictures.")
    parser.add_argument("pictures", nargs="*", type=Path, metavar="PICTURE", help="a file, or a directory of them")
    parser.add_argument("--csv", action="store_true", help="print a table for programs")
    parser.add_argument("--figure", type=Path, default=Path("predict.png"), help="the figure to write [%(default)s]")
    options = parser.parse_args(arguments)
    named = options.pictures or split(os.environ.get("IMAGES", ""))
    if not named:
        stage.fail("predict", 'no picture named; make predict IMAGES="photo.jpg scan.png folder/"', 2)
    try:
        model, shown = load(MODEL), list[Picture]()
        problems = 0
        table = csv.DictWriter(sys.stdout, predict.COLUMNS, restval="", lineterminator="\n")
        if options.csv:
            table.writeheader()
        for total, picture in enumerate(read(model, named), 1):
            table.writerows(map(files.cells, predict.rows(picture))) if options.csv else predict.report(picture)
            problems += bool(picture.problem)
            shown += [picture] if total <= figures.PICTURES else []
        with files.atomic_write(options.figure) as temporary:
            style.save(figures.pictures(shown, total), temporary, dpi=150)
    except stage.EXPECTED as error:
        stage.fail("predict", stage.describe(error), 1)
    if not options.csv:
        print(f"{options.figure}: what the network saw")
    sys.exit(problems > 0)


def read(model: Model, named: list[Path]) -> Iterator[Picture]:
    """Yield the pictures that are named, and those in directories, with their answers."""
    for path in named:
        found = decode.files_in(path) if path.is_dir() else [path]
        for name in tqdm(found, "pictures", disable=None if len(found) > 1 else True):
            yield predict.read(model, name, str(name))
        if not found:
            yield Picture(str(path), problem="no picture in it")


if __name__ == "__main__":
    stage.open_streams()
    main()
