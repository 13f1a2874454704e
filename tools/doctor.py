"""`make doctor`: check everything that DVC and the stages left, report what is broken and how to repair it.

DVC trusts a read-only file in its cache, whatever its bytes have become, and a lock that a killed process left behind.
Nothing is changed here: each fault is reported with the commands that fix it, and `dvc repro` does the rest.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

import psutil
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from pydantic import TypeAdapter
from voluptuous import Invalid

from stages.pipeline import files, stage, yaml_reader
from tools.git import git, run
from tools.md5 import md5

LOCK = Path("dvc.lock")
RAW = Path("data/raw")
DOWNLOADS = Path("data/downloads")
CATALOG = Path("data/catalog.yaml")
DVC_UNFINISHED = re.compile(r".*\.[\w-]{22}\.tmp")  # DVC's name for a file that it is writing


@dataclass(frozen=True)
class Holder:
    """A process in DVC's lock."""

    pid: int
    cmd: str


@dataclass(frozen=True)
class ReadersAndWriters:
    """DVC's lock: which process reads or writes each path."""

    write: dict[str, Holder] = field(default_factory=dict)
    read: dict[str, list[Holder]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """What is broken, and the commands that fix it before `dvc repro`."""

    what: str
    fix: list[str]


class Examination:
    """Checks one thing after another and counts what is intact."""

    def __init__(self) -> None:
        self.intact: dict[str, int] = {"outputs": 0, "cache objects": 0, "original files": 0}
        self.outs: dict[str, str] = {}  # the MD5 of each output by its path

    def faults(self) -> Iterator[Fault]:
        """Yield all that is broken."""
        yield from self.locks()
        yield from self.unfinished()
        yield from self.experiments()
        yield from self.lock_file()
        yield from self.cache()
        yield from self.outputs()
        yield from self.originals()

    def locks(self) -> Iterator[Fault]:
        """Check DVC's lock; OSError when its holder is running."""
        rwlock = Path(run("dvc", "root").strip(), ".dvc/tmp/rwlock")
        if not rwlock.exists():
            return
        try:
            held: ReadersAndWriters = files.read_json(rwlock, ReadersAndWriters)
        except ValueError:
            yield Fault(f"{rwlock}: a truncated lock of DVC", [remove(rwlock)])
            return
        holders = [*held.write.values(), *(holder for readers in held.read.values() for holder in readers)]
        for holder in holders:
            if is_dvc(holder.pid):
                raise OSError(f"`{holder.cmd}` is running here, process {holder.pid}: try again when it has ended")
        if holders:
            gone = ", ".join(sorted({str(holder.pid) for holder in holders}))
            yield Fault(f"{rwlock}: a lock of DVC whose process has ended ({gone})", [remove(rwlock)])

    def unfinished(self) -> Iterator[Fault]:
        """Find files that a killed stage or a killed DVC was writing."""
        ours = files.left_behind()
        theirs = [path for place in files.PLACES for path in Path(place).rglob("*.tmp")]
        for path in [*ours, *(path for path in theirs if DVC_UNFINISHED.fullmatch(path.name))]:
            yield Fault(f"{path}: left unfinished by a run that was killed", [remove(path)])

    def experiments(self) -> Iterator[Fault]:
        """Check Git's HEAD, which a killed `dvc exp run` leaves detached."""
        references = git("for-each-ref", "--format=%(refname)", "refs/exps/exec").split()
        if references and not git("symbolic-ref", "--quiet", "HEAD"):
            moves = re.findall(r"checkout: moving from (\S+) to [0-9a-f]{40}", git("reflog", "--format=%gs"))
            branch = next((name for name in moves if git("rev-parse", "--verify", f"refs/heads/{name}")), "BRANCH")
            fix = [f"git switch {quote(branch)}", *(f"git update-ref -d {quote(name)}" for name in references)]
            yield Fault("Git's HEAD is detached: a killed `dvc exp run` left it so", fix)

    def lock_file(self) -> Iterator[Fault]:
        """Check dvc.lock, which has the digests of the outputs."""
        committed = git("show", f"HEAD:./{LOCK}")
        try:
            text = LOCK.read_text(encoding="utf-8") if LOCK.exists() or not committed else ""
            self.outs = parse(text)
        except FileNotFoundError:
            return  # nothing has run yet
        except ValueError as error:
            try:
                parse(committed)
                fix = f"git checkout HEAD -- {LOCK}"  # also in a conflict, where `git restore` refuses
            except ValueError:
                fix = remove(LOCK)  # DVC's run cache knows what has run
            yield Fault(f"{LOCK}: {error}; the outputs cannot be checked until it is repaired", [fix])

    def cache(self) -> Iterator[Fault]:
        """Check DVC's cache, where the name of a file is the MD5 of its content."""
        directory = Path(run("dvc", "cache", "dir").strip())
        if directory.is_relative_to(Path.cwd()):
            directory = directory.relative_to(Path.cwd())
        used = {digest: path for path, digest in self.outs.items()}
        for path in sorted((directory / "files/md5").glob("*/*")):
            digest = path.parent.name + path.name
            if not re.fullmatch(r"[0-9a-f]{32}(\.dir)?", digest):
                yield Fault(f"{path}: left unfinished by a DVC that was killed", [remove(path)])
            elif md5(path) != digest.removesuffix(".dir"):
                use = f"; DVC would use it as {used[digest]}" if digest in used else ""
                yield Fault(f"{path}: its bytes do not match its name{use}", [remove(path)])
            else:
                self.intact["cache objects"] += 1

    def outputs(self) -> Iterator[Fault]:
        """Check the outputs of the stages; `dvc repro` makes those that are missing."""
        for name, digest in self.outs.items():
            path = Path(name)
            if not os.path.lexists(path):
                continue
            if md5(path) == digest:
                self.intact["outputs"] += 1
            elif path.is_file():
                yield Fault(f"{path}: its bytes are not those that {LOCK} records", [remove(path)])
            else:
                what = "its files are not those" if digest.endswith(".dir") else "not the regular file"
                yield Fault(f"{path}: {what} that {LOCK} records", [f"rm -rf {quote(name)}"])

    def originals(self) -> Iterator[Fault]:
        """Check the data set's files, whose digests are in the catalog."""
        for path in sorted(DOWNLOADS.glob("*")):
            if path.is_file() and files.digest(path) != path.name:
                yield Fault(f"{path}: its bytes do not match its name", [remove(path)])
        record = RAW / "dataset.json"
        if not record.exists():
            return
        try:
            catalog, _ = yaml_reader.load(CATALOG)
            known = [sorted(file["sha256"] for file in entry["files"].values()) for entry in catalog.values()]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            yield Fault(f"{CATALOG}: not a catalog, {first_line(error)}; fix what was changed", [f"git diff {CATALOG}"])
            return
        try:
            sha256: dict[str, str] = TypeAdapter(dict[str, str]).validate_python(files.read_json(record)["sha256"])
            if sorted(sha256.values()) not in known:
                raise ValueError(f"its digests are not those of a data set in {CATALOG}")
        except (ValueError, TypeError, KeyError) as error:
            yield Fault(f"{record}: {first_line(error)}", [remove(record)])
            return
        for name, digest in sha256.items():
            path = RAW / name
            if path.is_file() and files.digest(path) != digest:
                yield Fault(f"{path}: its bytes are not those of the data set", [remove(path)])
            elif path.is_file():
                self.intact["original files"] += 1


def parse(text: str) -> dict[str, str]:
    """Return the MD5 of each output that the text of a dvc.lock records; ValueError when DVC would reject the text."""
    if not text.strip():
        raise ValueError("empty or missing")
    if re.search("^<<<<<<< ", text, re.MULTILINE):
        raise ValueError("has both sides of a merge")
    try:
        content = COMPILED_LOCKFILE_SCHEMA(yaml_reader.parse(text, LOCK)[0])
    except (ValueError, Invalid) as error:
        raise ValueError(f"broken, {first_line(error).removeprefix(f'{LOCK} ')}") from None
    outs = [out for stage in content.get("stages", {}).values() for out in stage.get("outs", [])]
    return {out["path"]: out["md5"] for out in outs if "md5" in out}


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says."""
    return (str(error) or type(error).__name__).splitlines()[0]


def remove(path: Path) -> str:
    """Return the command that removes a file."""
    return f"rm -f {quote(path.as_posix())}"


def is_dvc(pid: int) -> bool:
    """Whether a process with this number is running and is DVC: numbers are reused."""
    try:
        return "dvc" in " ".join(psutil.Process(pid).cmdline())
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:
        return False


def doctor() -> None:
    """Print every fault with its fix, or that there is none; exit code 1 when there is one."""
    examination = Examination()
    found: dict[str, Fault] = {}
    for fault in examination.faults():
        found.setdefault(" && ".join(fault.fix), fault)  # a file can be broken in two ways
    if not found:
        counts = ", ".join(f"{count} {what}" for what, count in examination.intact.items())
        print(f"All is well: {counts} are intact; no stale locks, no unfinished files.")
        return
    for fault in found.values():
        print(fault.what, *(f"    {command}" for command in fault.fix), sep="\n")
    print("Then this makes all that is missing:", "    dvc repro", sep="\n")
    raise SystemExit(1)


def main() -> None:
    """Examine a checkout in which nothing else is running."""
    try:
        stage.check_directory()
        with stage.lock(stage.LOCK):
            doctor()
    except stage.EXPECTED as error:
        stage.fail("doctor", stage.describe(error), 1)


if __name__ == "__main__":
    main()
