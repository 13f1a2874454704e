"""`make verify`: compare dvc.lock with the checkout, and with what this machine made of it."""

import sys
from pathlib import Path
from typing import Any

from stages.pipeline.yaml_reader import load, parse
from tools.git import run
from tools.md5 import md5


def stale(root: Path) -> list[str]:
    """Return what in dvc.lock, or among the results in Git, does not belong to this code and these parameters.

    Each is a line. No data is needed: of a file that is not in Git, dvc.lock itself must have the same digest where a
    stage wrote it and where one read it.
    """
    declared, locked = (load(root / name)[0]["stages"] for name in ("dvc.yaml", "dvc.lock"))
    params, _ = load(root / "params.yaml")
    made = {out["path"]: out["md5"] for stage in locked.values() for out in stage.get("outs", [])}
    lines = [f"{name}: not in both dvc.yaml and dvc.lock" for name in declared.keys() ^ locked.keys()]
    for name in declared.keys() & locked.keys():
        stage, lock = declared[name], locked[name]
        outs = {key(out): out for out in [*stage["outs"], *stage.get("metrics", [])]}
        if (stage["cmd"], set(stage["deps"]), set(outs)) != (lock["cmd"], paths(lock["deps"]), paths(lock["outs"])):
            lines.append(f"{name}: dvc.yaml lists other files or another command")
        used = lock["params"]["params.yaml"]
        sections = params if key(stage["params"][0]) == "params.yaml" else {name: params[name]}
        lines += [
            f"{name}: section {section} of params.yaml has changed"
            for section in sections.keys() | used.keys()
            if sections.get(section) != used.get(section)
        ]
        for dep in lock["deps"]:
            if dep["md5"] != made.get(dep["path"], md5(root / dep["path"])):
                lines.append(f"{name}: {dep['path']} has changed")
        for out in lock["outs"]:
            in_git = isinstance(outs.get(out["path"]), dict)  # cache: false
            if in_git and out["md5"] != md5(root / out["path"]):
                lines.append(f"{name}: {out['path']} is not the one that it made")
    return sorted(lines)


def key(entry: Any) -> str:
    """Return the name in a list of dvc.yaml, where an entry with options is a mapping from its name to them."""
    return entry if isinstance(entry, str) else str(next(iter(entry)))


def paths(entries: list[dict[str, Any]]) -> set[str]:
    """Return the paths in a list of dvc.lock."""
    return {entry["path"] for entry in entries}


def different(recorded: dict[str, Any], found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the outputs that differ between the contents of two lock files, as (stage, path)."""
    one, other = (
        {(name, out["path"]): out["md5"] for name, stage in lock["stages"].items() for out in stage["outs"]}
        for lock in (recorded, found)
    )
    return sorted(place for place in one.keys() | other.keys() if one.get(place) != other.get(place))


def main() -> None:
    """Print each output that differs from the one in the committed dvc.lock, and the first stage; exit code 1 then."""
    try:
        committed = run("git", "show", "HEAD:./dvc.lock")
    except OSError as error:
        sys.exit(f"verify: {error}; without a dvc.lock in Git there is nothing to compare with")
    recorded, found = parse(committed, "HEAD:dvc.lock")[0], load(Path("dvc.lock"))[0]
    for out in (out for stage in found["stages"].values() for out in stage["outs"]):
        if not Path(out["path"]).exists():
            sys.exit(f"verify: {out['path']} is missing; run `make repro` first")
    differences = different(recorded, found)
    for stage, path in differences:
        print(f"{stage}: {path} differs from the one recorded in Git")
    if differences:
        changed = {stage for stage, _ in differences}
        first = next(stage for stage in load(Path("dvc.yaml"))[0]["stages"] if stage in changed)
        one, other = (lock["stages"].get(first, {}) for lock in (recorded, found))
        same = all(one.get(kind) == other.get(kind) for kind in ("cmd", "deps", "params"))
        reason = "They are the same on every machine: this is a bug" if same else "So do its inputs"
        sys.exit(f"{first} is the first stage whose outputs differ. {reason}.")
    print("Every output is the recorded one, bit for bit.")


if __name__ == "__main__":
    main()
