"""`make verify`: compare what is on this machine, byte by byte, with what the committed dvc.lock records."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from stages.pipeline.yaml_reader import load, parse

COMMITTED = ["git", "show", "HEAD:./dvc.lock"]


def digest(path: Path) -> str:
    """Return the MD5 that DVC gives to a file, or to a directory by those of its files."""
    if path.is_dir():
        files = sorted((file.relative_to(path).as_posix(), digest(file)) for file in path.rglob("*") if file.is_file())
        listed = [{"md5": md5, "relpath": name} for name, md5 in files]
        return hashlib.md5(json.dumps(listed).encode(), usedforsecurity=False).hexdigest() + ".dir"
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def different(lock: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the outputs that are not as a lock file records them, as (stage, path)."""
    outs = [(name, out["path"], out["md5"]) for name, stage in lock["stages"].items() for out in stage["outs"]]
    return [(name, path) for name, path, md5 in outs if digest(Path(path)) != md5]


def main() -> None:
    """Print each output that differs from the one in the committed dvc.lock, and the first stage; exit code 1 then."""
    try:
        committed = subprocess.run(COMMITTED, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        sys.exit(f"verify: {reason.splitlines()[0]}; without a dvc.lock in Git there is nothing to compare with")
    recorded = parse(committed, "HEAD:dvc.lock")[0]
    try:
        differences = different(recorded)
    except FileNotFoundError as error:
        sys.exit(f"verify: {error.filename} is missing; run `make repro` first")
    for stage, path in differences:
        print(f"{stage}: {path} differs from the one recorded in Git")
    if differences:
        changed = {stage for stage, _ in differences}
        first = next(stage for stage in load(Path("dvc.yaml"))[0]["stages"] if stage in changed)
        one, other = (lock["stages"].get(first, {}) for lock in (recorded, load(Path("dvc.lock"))[0]))
        same = all(one.get(kind) == other.get(kind) for kind in ("cmd", "deps", "params"))
        bug = "They are the same on every machine: one was changed here, or this is a bug."
        sys.exit(f"{first} is the first stage whose outputs differ. {bug if same else 'So do its inputs.'}")
    print("Every output is the recorded one, bit for bit.")


if __name__ == "__main__":
    main()
