"""`make verify`: compare what this machine made with what the committed dvc.lock records."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from stages.pipeline.yaml_reader import load, parse

COMMITTED = ["git", "show", "HEAD:./dvc.lock"]


def outputs(lock: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Return the MD5 of each output in a lock file, by stage and path."""
    return {(name, out["path"]): out["md5"] for name, stage in lock["stages"].items() for out in stage["outs"]}


def main() -> None:
    """Print each output that differs from the one in the committed dvc.lock, and the first stage; exit code 1 then."""
    try:
        committed = subprocess.run(COMMITTED, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        sys.exit(f"verify: {reason.splitlines()[0]}; without a dvc.lock in Git there is nothing to compare with")
    recorded, found = parse(committed, "HEAD:dvc.lock")[0], load(Path("dvc.lock"))[0]
    one, other = outputs(recorded), outputs(found)
    if missing := [path for _, path in other if not Path(path).exists()]:
        sys.exit(f"verify: {missing[0]} is missing; run `make repro` first")
    differences = sorted(place for place in one.keys() | other.keys() if one.get(place) != other.get(place))
    for stage, path in differences:
        print(f"{stage}: {path} differs from the one recorded in Git")
    if differences:
        changed = {stage for stage, _ in differences}
        first = next(stage for stage in load(Path("dvc.yaml"))[0]["stages"] if stage in changed)
        then, now = (lock["stages"].get(first, {}) for lock in (recorded, found))
        same = all(then.get(kind) == now.get(kind) for kind in ("cmd", "deps", "params"))
        reason = "They are the same on every machine: this is a bug" if same else "So do its inputs"
        sys.exit(f"{first} is the first stage whose outputs differ. {reason}.")
    print("Every output is the recorded one, bit for bit.")


if __name__ == "__main__":
    main()
