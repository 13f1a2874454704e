"""Download the four original IDX files, and reject any wrong byte."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from pydantic import Field

from stages.dataset.records import RAW_FILES, RawDataset
from stages.download.sources import Dataset, Downloader, File, Source
from stages.pipeline import files, params, paths, stage

CATALOG = Path("data/catalog.yaml")
DOWNLOADS = Path("data/downloads")  # every verified file under its digest; DVC empties data/raw before this runs
OFFLINE = "To work offline, put the four files into a directory and set fetch.directory in params.yaml."


def fetch(*, dataset: str, directory: Annotated[str | None, Field(min_length=1)]) -> None:
    """Write the dataset's files to data/raw, uncompressed, and what describes them to data/raw/dataset.json."""
    entry = find_dataset(dataset)
    sources = [Source(directory=directory), *entry.sources] if directory else entry.sources
    downloader = Downloader(print)
    for role, local_name in RAW_FILES.items():
        file = entry.files[role]
        kept, placed = DOWNLOADS / file.sha256, paths.RAW / local_name
        origin: Path | Source
        if is_file(kept, file):
            origin = DOWNLOADS
        elif is_file(placed, file):
            origin = paths.RAW
            copy(placed, kept)
        else:
            try:
                data, origin = downloader.download(file, sources)
            except OSError as error:
                raise OSError(f"{error}\n{OFFLINE}") from None
            with files.atomic_write(kept) as temporary:
                temporary.write_bytes(data)
        copy(kept, placed)
        print(f"{local_name}: {file.bytes:,} bytes from {origin}")
    sha256 = {local_name: entry.files[role].sha256 for role, local_name in RAW_FILES.items()}
    raw = RawDataset(entry.title, entry.classes, sha256, entry.transposed, entry.first_label)
    files.write_json(paths.DATASET, files.sealed(asdict(raw)))


def find_dataset(name: str) -> Dataset:
    """Return the entry of the catalog; ValueError when the catalog is broken or has none of that name."""
    catalog: dict[str, Dataset] = params.read_as(dict[str, Dataset], CATALOG)
    if name not in catalog:
        raise ValueError(f"fetch.dataset: {name} is not in {CATALOG}; it has {', '.join(catalog)}")
    return catalog[name]


def is_file(path: Path, file: File) -> bool:
    """Return True if an earlier run left the bytes of `file` at `path`; memory stays flat."""
    return path.is_file() and path.stat().st_size == file.bytes and files.digest(path) == file.sha256


def copy(old: Path, new: Path) -> None:
    """Copy a file, whole or not at all."""
    with files.atomic_write(new) as temporary:
        shutil.copyfile(old, temporary)


if __name__ == "__main__":
    stage.run(fetch)
