"""The MD5 of a file or a directory, as DVC records it."""

import hashlib
import json
from fnmatch import fnmatch
from pathlib import Path


def md5(root: Path, name: str) -> str | None:
    """Return the MD5 of a file or a directory of the project in `root`, None if there is neither.

    That of a directory is the MD5 of the list of its files, without those that .dvcignore names, and ends in `.dir`.
    """
    path = root / name
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if not path.is_dir():
        return None
    lines = (root / ".dvcignore").read_text(encoding="utf-8").splitlines()
    ignored = [line.rstrip("/") for line in lines if not line.startswith("#")]
    files = [
        {"md5": md5(root, f"{name}/{relative}"), "relpath": relative.as_posix()}
        for relative in sorted(file.relative_to(path) for file in path.rglob("*") if file.is_file())
        if not any(fnmatch(part, pattern) for part in relative.parts for pattern in ignored)
    ]
    return hashlib.md5(json.dumps(files).encode(), usedforsecurity=False).hexdigest() + ".dir"
