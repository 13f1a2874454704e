"""The MD5 of a file or a directory, as DVC records it."""

import hashlib
import json
from fnmatch import fnmatch
from pathlib import Path

DVCIGNORE = Path(__file__).parents[1] / ".dvcignore"
IGNORED = [line.rstrip("/") for line in DVCIGNORE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def md5(path: Path) -> str | None:
    """Return the MD5 of a file or a directory, None if there is neither.

    That of a directory is the MD5 of the list of its files, without those that .dvcignore names, and ends in `.dir`.
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if not path.is_dir():
        return None
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
    listed = [
        {"md5": md5(file), "relpath": name}
        for name, file in files
        if not any(fnmatch(part, pattern) for part in name.split("/") for pattern in IGNORED)
    ]
    return hashlib.md5(json.dumps(listed).encode(), usedforsecurity=False).hexdigest() + ".dir"
