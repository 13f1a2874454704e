"""dvc.lock held against the checkout, for which no data is needed, and against what this machine made of it."""

import hashlib
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

SAME_EVERYWHERE = ("validate", "fetch", "preprocess")  # the others multiply matrices of fractions


def load(text):
    return YAML(typ="safe").load(text)


def stale(root):
    """What of dvc.lock, or of the results in Git, does not belong to the code and the parameters here; a line each.

    A file that a stage made, and that is not in Git, is compared in dvc.lock itself: what one stage read must be what
    another one made.
    """
    declared = load(root / "dvc.yaml")["stages"]
    locked = load(root / "dvc.lock")["stages"]
    params = load(root / "params.yaml")
    made = {out["path"]: out["md5"] for stage in locked.values() for out in stage.get("outs", [])}
    lines = [f"{name}: not both in dvc.yaml and in dvc.lock" for name in declared.keys() ^ locked.keys()]
    for name in declared.keys() & locked.keys():
        stage, lock = declared[name], locked[name]
        outs = [*stage["outs"], *stage.get("metrics", [])]
        in_git = {path for out in outs if isinstance(out, dict) for path in out}  # cache: false
        wanted = (stage["cmd"], set(stage["deps"]), {out if isinstance(out, str) else next(iter(out)) for out in outs})
        if wanted != (lock["cmd"], paths(lock["deps"]), paths(lock["outs"])):
            lines.append(f"{name}: dvc.yaml lists other files, or another command")
        sections = params if isinstance(stage["params"][0], dict) else {key: params[key] for key in stage["params"]}
        used = lock["params"]["params.yaml"]
        lines += [
            f"{name}: section {key} of params.yaml was another one"
            for key in sections.keys() | used.keys()
            if sections.get(key) != used.get(key)
        ]
        for dep in lock["deps"]:
            if dep["md5"] != made.get(dep["path"], md5(root / dep["path"])):
                lines.append(f"{name}: {dep['path']} was another one")
        for out in lock["outs"]:
            if out["path"] in in_git and out["md5"] != md5(root / out["path"]):
                lines.append(f"{name}: {out['path']} is not the one that it made")
    return sorted(lines)


def paths(entries):
    return {entry["path"] for entry in entries}


def md5(path):
    """The digest of a file as DVC takes it; None for no file."""
    return hashlib.md5(path.read_bytes()).hexdigest() if path.is_file() else None


def different(recorded, found):
    """The outputs that differ between two lock files, as (stage, path)."""
    hashes = [
        {(name, out["path"]): out["md5"] for name, stage in lock["stages"].items() for out in stage["outs"]}
        for lock in (recorded, found)
    ]
    return sorted(key for key in hashes[0].keys() | hashes[1].keys() if hashes[0].get(key) != hashes[1].get(key))


def main():
    """Say what differs between the committed dvc.lock and the one here; fail if it may not."""
    committed = subprocess.run(["git", "show", "HEAD:dvc.lock"], capture_output=True, text=True, check=True).stdout
    differences = different(load(committed), load(Path("dvc.lock")))
    for stage, path in differences:
        print(f"{stage}: {path} differs from the one recorded in Git")
    wrong = [stage for stage, _ in differences if stage in SAME_EVERYWHERE]
    if wrong:
        sys.exit(f"What {', '.join(SAME_EVERYWHERE)} make does not depend on the machine: this is a fault.")
    if differences:
        print("Another processor rounds the last bits of a matrix product otherwise, and training magnifies that.")
    else:
        print("Every output is the recorded one, bit for bit.")


if __name__ == "__main__":
    main()
