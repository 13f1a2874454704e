"""`make predict IMAGES="photo.jpg scan.png folder/"`: read the digits in pictures with the trained network.

Prints a line for each digit: the file, the answer, the confidence, "uncertain" where the page to draw digits on would
say "I don't know", and how dark on light was decided. With --csv, prints a table for programs. Writes a figure of each
picture, what the network saw of it, and the answers.

Exit code 1 when a picture cannot be read or has no digit; the others are answered all the same.
"""

import argparse
import sys
from pathlib import Path

from stages import predict
from stages.dataset import photos
from stages.pipeline import files, stage
from stages.report import figures


def main(arguments: list[str] | None = None) -> int:
    """Answer the pictures on the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="predict", description="Read the digits in pictures.")
    parser.add_argument("pictures", nargs="*", type=Path, metavar="PICTURE", help="a file, or a directory of them")
    parser.add_argument("--csv", action="store_true", help="print a table for programs")
    parser.add_argument("--figure", type=Path, default=Path("predict.png"), help="the figure to write [%(default)s]")
    options = parser.parse_args(arguments)
    if not options.pictures:
        print('predict: no picture named; make predict IMAGES="photo.jpg scan.png folder/"', file=sys.stderr)
        return 2
    try:
        reader = predict.load()
        pictures = []
        for path in options.pictures:
            names = photos.files_in(path) if path.is_dir() else [path]
            pictures += [reader.read(name, str(name)) for name in names]
            if not names:
                pictures.append(predict.Picture(str(path), problem="no picture in this directory"))
        with files.replacing(options.figure) as temporary:
            figures.save(figures.pictures(predict.shown(pictures)), temporary, dpi=150)
    except stage.EXPECTED as error:
        print(f"predict: {stage.describe(error)}", file=sys.stderr)
        return 1
    if options.csv:
        print(predict.table(pictures), end="")
        return int(any(picture.problem for picture in pictures))
    problems = predict.report(pictures)
    print(f"{options.figure}: what the network saw")
    return int(problems > 0)


if __name__ == "__main__":
    stage.open_streams()
    sys.exit(main())
