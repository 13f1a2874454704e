"""Servers that are broken or hostile in every way known to us, on this machine alone; Linux.

    python tests/download/hostile.py            try each once, as `fetch` would, and print what came of it (3 minutes)
    python tests/download/hostile.py KIND ...   only these

A server holds if the file then comes from the next source (or from this one, if what it sends is lenient HTTP), for the
reason that is expected, within 60 s and 200 MB. The exit code is 1 if one does not hold.
"""

import contextlib
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, cycle, repeat
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

ROOT = Path(__file__).parents[2]
SECONDS, MEGABYTES = 60, 200
SIZE = 47_040_016  # bytes of the largest file of MNIST
PAUSE = object()
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
FOUND = b"HTTP/1.1 302 Found\r\nLocation: "
LATE, GONE, BROKEN, LARGER = "timed out", "unreachable", "the connection broke", "larger than"
NO_JSON = "does not answer in JSON"


def drip(head, piece=b"x"):
    """A piece every tenth of a second, for ever."""
    return lambda: chain([head], cycle([PAUSE, piece]))


def flood(head, piece=b"x"):
    """A gibibyte of pieces, as fast as they are read."""
    return lambda: chain([head], repeat(piece * (2**16 // len(piece)), 2**14))


def body(content, status=b"200 OK", fields=b""):
    return [b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n" % (status, fields, len(content)), content]


def chunk(content):
    return b"%x\r\n%s\r\n" % (len(content), content)


def content(size):
    """The file that every test asks for."""
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def kinds(good):
    """Return (the reason to skip it or None, what it sends) of each kind of server; the file is `good`."""
    packed = gzip.compress(good, 1, mtime=0)
    length = OK + b"Content-Length: %d\r\n\r\n" % len(good)
    return {
        "silent": (LATE, drip(b"", b"")),
        "closes": (GONE, []),
        "ssh": (GONE, [b"SSH-2.0-OpenSSH_9.9\r\n"]),
        "tls-not-spoken": ("TLS failed", [b"HTTP/1.1 400 Bad Request\r\n\r\n"]),
        "status-dripped": (LATE, drip(b"HTTP/1.1 200 ")),
        "status-endless": (GONE, flood(b"HTTP/1.1 200 ")),
        "status-colored": (r"HTTP 404 \[31mno\[0m$", body(b"", b"404 \x1b[31mno\x1b[0m")),
        "status-403": ("HTTP 403 Forbidden", body(b"", b"403 Forbidden")),
        "status-206": ("truncated: 100 of", body(good[:100], b"206 Partial Content")),
        "busy-body-endless": ("HTTP 503", flood(b"HTTP/1.1 503 Busy\r\nContent-Length: 1000000000000\r\n\r\n")),
        "continue-dripped": (LATE, drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
        "continue-endless": (LATE, flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
        "hints-endless": ("truncated: 0 of", flood(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n")),
        "header-dripped": (LATE, drip(OK + b"X: ")),
        "header-endless": (GONE, flood(OK + b"X: ")),
        "headers-dripped": (LATE, lambda: chain([OK], cycle([*[PAUSE] * 20, b"X: x\r\n"]))),
        "headers-endless": (GONE, flood(OK, b"X: x\r\n")),
        "length-missing": (None, [OK + b"\r\n", good]),
        "length-missing-endless": (LARGER, flood(OK + b"\r\n")),
        "length-too-small": ("truncated: 100 of", [OK + b"Content-Length: 100\r\n\r\n", good]),
        "length-too-large": (BROKEN, [OK + b"Content-Length: 1000000000000\r\n\r\n", good]),
        "length-negative": (None, [OK + b"Content-Length: -5\r\n\r\n", good]),
        "two-lengths": ("Content-Length contained", [OK + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\n", good]),
        "body-stalls": (LATE, drip(length + good[:100], b"")),
        "body-dripped": (LATE, drip(length)),
        "body-fast-then-dripped": (LATE, drip(length + good[: len(good) // 2])),
        "body-reset": (BROKEN, [length, good[:100]]),
        "chunked": (None, [CHUNKED, chunk(good), b"0\r\n\r\n"]),
        "chunked-cut": (BROKEN, [CHUNKED, chunk(good)[:5000]]),
        "chunk-size-dripped": (LATE, drip(CHUNKED, b"0")),
        "chunk-size-endless": (BROKEN, flood(CHUNKED, b"0")),
        "chunk-size-huge": (BROKEN, [CHUNKED, b"f" * 15 + b"\r\n", good]),
        "chunk-extension-dripped": (LATE, drip(CHUNKED + b"5;x=")),
        "chunk-extension-endless": (BROKEN, flood(CHUNKED + b"5;x=")),
        "chunks-of-a-byte": ("processor time|larger than", flood(CHUNKED, b"1\r\nx\r\n")),
        "trailer-dripped": (LATE, drip(CHUNKED + chunk(good) + b"0\r\nX: ")),
        "trailers-endless": (LATE, flood(CHUNKED + chunk(good) + b"0\r\n", b"X: x\r\n")),
        "redirect-loop": ("HTTP 302 Found", body(b"", b"302 Found", b"Location: x\r\n")),
        "redirect-body-endless": (None, flood(FOUND + b"/good/\r\nContent-Length: 1000000000000\r\n\r\n")),
        "redirect-body-dripped": (None, drip(FOUND + b"/good/\r\n\r\n")),
        "redirect-to-a-file": (
            "No connection adapters",
            body(b"", b"302 Found", b"Location: file:///etc/hostname\r\n"),
        ),
        "redirect-to-nowhere": (".", body(b"", b"302 Found", b"Location: http://[::1\r\n")),
        "login-page": ("a web page", body(b"\n<!DOCTYPE html><title>Please log in</title>")),
        "a-bit-flipped": ("wrong bytes: SHA-256", body(bytes([good[0] ^ 1]) + good[1:])),
        "a-byte-less": ("truncated", body(good[:-1])),
        "a-byte-more": (LARGER, body(good + b"x")),
        "gzip": (None, body(packed)),
        "gzip-twice": (None, body(gzip.compress(packed))),
        "gzip-bomb": (LARGER, lambda: body(gzip.compress(bytes(2**28), 1))),
        "gzip-bomb-twice": (LARGER, lambda: body(gzip.compress(gzip.compress(bytes(2**28), 1)))),
        "gzip-name-endless": ("timed out|damaged gzip", flood(OK + b"\r\n\x1f\x8b\x08\x08" + bytes(6))),
        "gzip-empty-members": ("timed out|damaged gzip", flood(OK + b"\r\n", gzip.compress(b"", mtime=0))),
        "gzip-cut": ("damaged gzip", body(packed[:-9])),
        "gzip-checksum": ("damaged gzip", body(packed[:-8] + bytes(8))),
        "index-html": (NO_JSON, body(b"<a href='p.tar.gz'>p.tar.gz</a>")),
        "index-nested": (NO_JSON, body(b"[" * 2**19)),
        "index-endless": (NO_JSON, flood(OK + b"\r\n", b"{},")),
        "index-lacks-it": ("does not list p.tar.gz", body(b'{"files": []}')),
        "index-to-a-file": (
            "No connection",
            body(b'{"files": [{"filename": "p.tar.gz", "url": "file:///etc/hosts"}]}'),
        ),
        "index-to-a-flood": (LARGER, body(b'{"files": [{"filename": "p.tar.gz", "url": "/length-missing-endless/"}]}')),
    }


class Handler(StreamRequestHandler):
    """Answers as the kind that is the first component of the path; records every request."""

    def handle(self):
        with contextlib.suppress(OSError):
            line = self.rfile.readline(2**16)
            kind = (
                "tls-not-spoken" if line.startswith(b"\x16") else line.split(b"/")[2 if b"://" in line else 1].decode()
            )
            self.server.asked.append(kind)
            while not kind.startswith("tls") and self.rfile.readline(2**16).strip():
                pass
            pieces = self.server.kinds[kind][1]
            for piece in pieces() if callable(pieces) else pieces:
                if piece is PAUSE:
                    self.server.release.wait(0.1)
                else:
                    self.wfile.write(piece)
                if self.server.release.is_set():
                    return


@contextlib.contextmanager
def serving(good):
    """A server of all kinds that has the file `good`; its `address` is host and port."""
    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.asked, server.release = True, [], threading.Event()
        server.kinds = {**kinds(good), "good": (None, body(good))}
        server.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.release.set()
            server.shutdown()
            thread.join()


def source(kind, address):
    """The source that has a server of this kind; those of `index` are package indexes."""
    from stages.download.sources import File, Package, Source

    if kind.startswith("index"):
        return Source(package=Package(kind, "1", File("p.tar.gz", 10**6, "0" * 64)))
    return Source(url=f"{'https' if kind.startswith('tls') else 'http'}://{address}/{kind}/{{name}}")


def one(kind, address, digest):
    """Download from one kind of server, then from a good one; print what came of it as JSON."""
    import resource  # only on Unix

    import stages.fetch  # noqa: F401 (its memory counts)
    from stages.download.sources import Downloader, File

    lines, started = [], time.monotonic()
    sources = [source(kind, address), source("good", address)]
    _, used = Downloader(lines.append).download(File("images", SIZE, digest), sources)
    seconds = time.monotonic() - started
    status = Path("/proc/self/status").read_text()  # getrusage would count the process that started this one
    own = int(re.search(r"VmHWM:\s*(\d+)", status)[1])
    kib = own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    reason = lines[0].split(": skipped, ")[1] if used is sources[1] else None
    print(json.dumps([reason, seconds, kib * 1024 / 1e6]))


def campaign(chosen):
    """Try these kinds, or all, four at a time, and print a table; return how many do not hold."""
    good = content(SIZE)
    digest = hashlib.sha256(good).hexdigest()
    failed, most = 0, [0.0, 0.0]
    with serving(good) as server, ThreadPoolExecutor(4) as pool:
        environment = {**os.environ, "NO_PROXY": "127.0.0.1", "PIP_INDEX_URL": f"http://{server.address}"}

        def attempt(kind):
            command = [sys.executable, __file__, "--one", kind, server.address, digest]
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)

        names = chosen or list(kinds(b"x"))
        for kind, result in zip(names, pool.map(attempt, names), strict=True):
            expected = server.kinds[kind][0]
            reason, *cost = json.loads(result.stdout) if result.returncode == 0 else (result.stderr[-300:], 0, 0)
            right = reason is None if expected is None else re.search(expected, reason or "") is not None
            holds = right and not result.returncode and cost[0] <= SECONDS and cost[1] <= MEGABYTES
            failed += not holds
            most = [max(pair) for pair in zip(most, cost, strict=True)]
            outcome = f"{reason or 'delivers'}{'' if holds else '  FAILS'}"
            print(f"{kind:26} {cost[0]:5.1f} s {cost[1]:4.0f} MB  {outcome}", flush=True)
        print(f"{len(names) - failed} of {len(names)} hold; at most {most[0]:.1f} s and {most[1]:.0f} MB")
    return failed


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
    else:
        sys.exit(campaign(sys.argv[1:]) > 0)
