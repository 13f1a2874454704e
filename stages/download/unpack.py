"""Read a stream that may be gzipped, no further than needed."""

import gzip
import io
import zlib
from collections.abc import Iterator

CHUNK = 2**16  # bytes per read, at most
GZIP = b"\x1f\x8b"  # how a gzipped file begins


def unpack(stream: io.BufferedReader, size: int, layers: int = 2) -> Iterator[bytes]:
    """Yield at most `size` + 1 bytes of a stream, decompressed if it is gzip; ValueError if it is damaged.

    Two layers, because some servers and programs compress what is compressed already.
    """
    left = size + 1
    try:
        for _ in range(layers):
            if stream.peek(2).startswith(GZIP):
                stream = io.BufferedReader(gzip.GzipFile(fileobj=stream, mode="rb"))
        while left and (chunk := stream.read1(min(left, CHUNK))):
            left -= len(chunk)
            yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"damaged gzip file: {error}") from None
