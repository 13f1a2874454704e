"""Sources that fail in every way known from practice, on local servers; no test leaves this machine."""

import contextlib
import gzip
import hashlib
import io
import json
import os
import random
import re
import subprocess
import sys
import tarfile

import pytest

from stages.download import get, sources
from stages.download.sources import Dataset, Downloader, File, Package, Source
from stages.download.unpack import unpack
from tests.download.hostile import LATE, body, content, kinds, serving, source
from tests.helpers.unix import unix

GOOD = content(10_240)
PACKED = gzip.compress(GOOD, mtime=0)
FILE = File("images", len(GOOD), hashlib.sha256(GOOD).hexdigest())
SAMPLE = random.Random(0).sample(sorted(kinds(b"x")), 8)


def archive(*members):
    """Return a .tar.gz of (name, content)."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def package(packed, sha256=None):
    file = File("p.tar.gz", len(packed), sha256 or hashlib.sha256(packed).hexdigest())
    return Source(package=Package("index", "1", file))


@pytest.fixture(scope="module")
def running():
    with serving(GOOD) as server:
        yield server


@pytest.fixture
def server(running, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://{running.address}")
    running.asked.clear()
    return running


@pytest.fixture
def downloader():
    lines = []
    downloader = Downloader(lines.append, patience=60.0)  # on a busy machine
    downloader.lines = lines
    return downloader


@pytest.mark.parametrize("kind", [*SAMPLE, "gzip-twice", "redirect-body-endless", "trailer-dripped"])
def test_a_hostile_server_delivers_the_file_or_a_reason(server, downloader, kind):
    expected = server.kinds[kind][0]
    if expected and LATE in expected:
        downloader.patience = 0.5
    if expected is None:
        assert downloader.download(FILE, [source(kind, server.address)])[0] == GOOD
    else:
        with pytest.raises(OSError, match=expected):
            downloader.download(FILE, [source(kind, server.address)])


def test_the_next_source_is_tried_and_a_failed_one_is_not_asked_again(server, downloader):
    address = f"user:secret@{server.address}"
    bad, good = source("status-403", address), source("good", server.address)
    assert downloader.download(FILE, [bad, good]) == (GOOD, good)
    assert downloader.download(FILE, [bad, good]) == (GOOD, good)
    assert server.asked == ["status-403", "good", "good"]
    assert downloader.lines == [f"{server.address}/status-403: skipped, HTTP 403 Forbidden"]


@pytest.mark.parametrize(
    ("arrived", "checks"),
    [([0], 1), ([9, 9.9], 2), ([9, 10, 11, 11.9], 4), (range(1, 99), sources.PERIODS)],
    ids=["silent", "fast, then slow", "slow at last", "as slow as may be, for ever"],
)
def test_a_server_is_given_up_when_it_is_slow_not_when_it_delivers(server, downloader, monkeypatch, arrived, checks):
    """At each check, so many times the bytes that must arrive between two."""
    downloader.patience, seen = 1 / 64, []
    sizes = iter(arrived)

    def fstat(number):
        seen.append(next(sizes) * sources.SLOWEST * downloader.patience)
        return os.stat_result([0] * 6 + [seen[-1]] + [0] * 3)

    monkeypatch.setattr(sources.os, "fstat", fstat)
    with pytest.raises(OSError, match=LATE):
        downloader.download(FILE, [source("silent", server.address)])
    assert len(seen) == checks


def test_no_memory_is_a_reason(server, downloader, monkeypatch):
    monkeypatch.setattr(sources, "read_local", lambda *_: bytes(2**62))
    good = source("good", server.address)
    assert downloader.download(FILE, [Source(directory="here"), good]) == (GOOD, good)
    assert downloader.lines == ["here: skipped, not enough memory"]


def test_addresses_are_of_this_machine_private_or_public():
    hosts = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "10.0.0.1", "1.1.1.1"]
    assert [get.distance(host) for host in hosts] == [get.LOOPBACK] * 4 + [get.PRIVATE, get.PUBLIC]


@pytest.mark.parametrize(
    ("distances", "delivers"),
    [("PUBLIC, LOOPBACK", False), ("PUBLIC, PRIVATE", False), ("PRIVATE, LOOPBACK", False), ("LOOPBACK, PUBLIC", True)],
)
def test_a_redirect_never_leads_to_a_nearer_address(server, distances, delivers):
    """In its own process, where the addresses that are connected to, both this machine's, count as so far away."""
    code = (
        "from stages.download.get import *; from stages.download import get; far = iter([" + distances + "]);"
        "get.distance = lambda host: next(far);"
        f"Hops({{}}, None).open('http://{server.address}/redirect-body-endless/x')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ("ValueError: a redirect or link to a private address" in result.stderr) != delivers
    assert server.asked == ["redirect-body-endless", *["good"] * delivers]


def test_a_proxy_decides_for_itself_and_pips_comes_before_that_of_the_environment(server, downloader, monkeypatch):
    packed = archive(("p/images.idx", GOOD))
    page = {"files": [{"filename": "p.tar.gz", "url": "//files.invalid/p.tar.gz"}]}
    server.kinds["index.invalid"] = (None, body(json.dumps(page).encode()))
    server.kinds["files.invalid"] = (None, body(packed))
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple")
    monkeypatch.setenv("PIP_PROXY", f"http://{server.address}")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert downloader.download(FILE, [package(packed)])[0] == GOOD
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(OSError, match="the proxy refused the connection or is unreachable"):
        downloader.download(FILE, [source("good", "mirror.invalid")])


@pytest.mark.parametrize(
    ("packed", "sha256", "why"),
    [
        (archive(("p/a", GOOD[::-1]), ("p/b", GOOD)), None, None),
        (archive(("p/images", GOOD[:-1])), None, "no file in the archive matches the SHA-256 of images"),
        (gzip.compress(GOOD), None, "invalid header"),
        (archive(("p/images", GOOD)), "0" * 64, "wrong bytes: SHA-256"),
    ],
    ids=["any name", "truncated", "no tar", "not verified"],
)
def test_a_package_is_downloaded_once_and_its_digest_decides(monkeypatch, downloader, packed, sha256, why):
    downloads = [packed]
    monkeypatch.setattr(downloader, "get", lambda *_: downloads.pop())
    with pytest.raises(OSError, match=why) if why else contextlib.nullcontext():
        assert [downloader.download(FILE, [package(packed, sha256)])[0] for _ in range(2)] == [GOOD, GOOD]


def test_pips_files_and_variables_name_the_package_index(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    (tmp_path / "pip.conf").write_text("[global]\ncert = /a.pem\nproxy = http://a\n[download]\nindex-url = https://b\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_CERT", "/c.pem")
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert get.package_index() == ("https://b", {"http": "http://a", "https": "http://a"}, "/c.pem")
    (tmp_path / "pip.conf").write_text("[global")
    with pytest.raises(ValueError, match="pip does not tell where the package index is"):
        get.package_index()


@pytest.mark.parametrize(
    ("where", "data", "says"),
    [
        ("images", GOOD, None),
        ("images.gz", gzip.compress(PACKED), None),
        ("MNIST/raw/images.gz", PACKED, None),
        ("images/images", GOOD, None),
        ("images.idx3-ubyte", PACKED, "images.idx3-ubyte: matches the SHA-256 of images; using it"),
        ("images", GOOD[::-1], "wrong bytes: SHA-256"),
        ("x", GOOD + b"x", "no images or images.gz, and no other file matches its SHA-256, in .*/here$"),
        ("mnist.zip", b"PK", "in .*/here; unpack mnist.zip, or see docs/datasets.md$"),
        ("a/mnist.npz", b"PK", "in .*/here; unpack mnist.npz, or see docs/datasets.md$"),
        (".", GOOD, "here is a file, not a directory"),
    ],
    ids=["plain", "twice-gzipped", "torchvision", "kaggle", "renamed", "wrong", "other", "zip", "npz", "file"],
)
def test_a_directory_has_the_file_or_gets_one_line(tmp_path, monkeypatch, downloader, where, data, says):
    """Others are there, too: of the right size, of none, and what is not a file."""
    monkeypatch.setattr(sources.subprocess, "Popen", None)
    here = tmp_path / "here"
    others = {"b": GOOD[::-1], "c.gz": gzip.compress(GOOD[::-1]), "d": b"", "e": b"\x1f\x8b"} if where != "." else {}
    for name, holds in {**others, where: data}.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(holds)
    found = says is None or "using" in says
    with contextlib.nullcontext() if found else pytest.raises(OSError, match=says):
        assert downloader.download(FILE, [Source(directory=str(here))])[0] == GOOD
    assert len(downloader.lines) == (says is not None)
    assert re.search(says or "", "".join(downloader.lines))


@unix
def test_a_pipe_in_a_directory_is_not_opened(tmp_path, downloader):
    os.mkfifo(tmp_path / "images")
    (tmp_path / "x").write_bytes(GOOD)
    assert downloader.download(FILE, [Source(directory=str(tmp_path))])[0] == GOOD


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (PACKED + b"junk", "Not a gzipped file"),
        (gzip.compress(GOOD[:100]) + gzip.compress(GOOD[100:]), None),
        (PACKED + bytes(512), None),
        (PACKED[:10] + b"\xff" * 100, "Error -3 while decompressing"),
    ],
    ids=["junk after", "in two members", "padded", "no deflate"],
)
def test_gzip_is_good_to_its_last_byte_or_a_reason(data, why):
    with pytest.raises(ValueError, match=why) if why else contextlib.nullcontext():
        assert sources.verify(b"".join(unpack(io.BufferedReader(io.BytesIO(data)), len(GOOD))), FILE) == GOOD


def test_a_download_ends_with_the_process_that_started_it(server):
    silent = subprocess.Popen([sys.executable, sources.GET], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    request = {"url": f"http://{server.address}/silent/x", "name": "x", "size": 1, "package": None}
    silent.stdin.write(f"{json.dumps(request)}\n".encode())
    silent.stdin.close()  # as when the other process is killed
    assert silent.wait(60) == 1
    silent.stdout.close()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (File, ("a", 0, "0" * 64)),
        (File, ("a", 1, "A" * 64)),
        (Source, ()),
        (Source, ("https://a/{name}", "b")),
        (Source, ("file:///a/{name}",)),
        (Source, ("https://a/b",)),
        (Dataset, ("", "", "", ["0", "1"], {"train_images": FILE}, [])),
        (Dataset, ("", "", "", ["0", "0"], dict.fromkeys(sources.ROLES, FILE), [])),
        (Dataset, ("", "", "", ["0", "1\r"], dict.fromkeys(sources.ROLES, FILE), [])),
    ],
)
def test_a_wrong_entry_is_refused(kind, values):
    with pytest.raises(ValueError, match=r"must|is one of"):
        kind(*values)
