"""Bring the four original IDX files, and refuse any wrong byte."""

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from pydantic import Field
from tqdm import tqdm

from stages.dataset.records import RAW_FILES, RawDataset
from stages.download.sources import Dataset, Fetcher, File, Source, checked
from stages.pipeline import files, params, stage

CATALOG = Path("data/catalog.yaml")
RAW = Path("data/raw")
KEPT = Path("data/downloads")  # every file that was ever right, by its digest: DVC empties data/raw before this runs


def fetch(
    *,
    dataset: Annotated[
        str, Field(description="an entry of data/catalog.yaml: mnist, fashion-mnist or one of your own")
    ],
    directory: Annotated[
        str | None, Field(min_length=1, description="a local directory that is searched first; null for none")
    ],
) -> None:
    """Write the data set's files to data/raw, uncompressed, and its title and classes to data/raw/dataset.json."""
    entry = find_dataset(dataset)
    sources = [Source(directory=directory), *entry.sources] if directory else entry.sources
    with tqdm(unit="B", unit_scale=True, disable=None, leave=False) as bar:  # None: only on a terminal

        def progress(name: str, done: int, total: int) -> None:
            bar.set_description(name, refresh=False)
            bar.total = total or None
            bar.update(done - bar.n)

        fetcher = Fetcher(progress, tqdm.write)
        for role, local_name in RAW_FILES.items():
            data, origin = kept(entry.files[role], local_name) or bring(fetcher, entry.files[role], sources)
            with files.replacing(RAW / local_name) as temporary:
                temporary.write_bytes(data)
            tqdm.write(f"{local_name}: {len(data):,} bytes from {origin}")
    sha256 = {local_name: entry.files[role].sha256 for role, local_name in RAW_FILES.items()}
    files.write_json(RAW / "dataset.json", asdict(RawDataset(entry.title, entry.classes, sha256)))


def find_dataset(name: str) -> Dataset:
    """Return the entry of the catalog; ValueError when the catalog is broken or has none of that name."""
    catalog: dict[str, Dataset] = params.read_as(dict[str, Dataset], CATALOG)
    if name not in catalog:
        raise ValueError(f"fetch.dataset: {name} is not in {CATALOG}; it has {', '.join(catalog)}")
    return catalog[name]


def kept(file: File, local_name: str) -> tuple[bytes, str] | None:
    """Return the bytes of `file` and the place where an earlier run left them, or None if they are not right."""
    for path in (KEPT / file.sha256, RAW / local_name):
        if path.is_file() and path.stat().st_size == file.bytes:
            with suppress(ValueError):  # then it is fetched again and replaced
                return checked(path.read_bytes(), file), str(path.parent)
    return None


def bring(fetcher: Fetcher, file: File, sources: list[Source]) -> tuple[bytes, str]:
    """Return the bytes of `file` and its source's name, and keep them for the next run."""
    try:
        data, source = fetcher.bring(file, sources)
    except OSError as error:
        raise OSError(
            f"{error}\nTo go on without a network, put the four files into a directory and set fetch.directory "
            "in params.yaml."
        ) from None
    with files.replacing(KEPT / file.sha256) as temporary:
        temporary.write_bytes(data)
    return data, str(source)


if __name__ == "__main__":
    stage.run(fetch)
