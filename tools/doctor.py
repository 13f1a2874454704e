"""`make doctor`: read everything that DVC and the stages left, trust nothing, say what is broken and how to repair it.

DVC believes a file of its cache that nobody may write, whatever its bytes have become, and believes a lock that a
killed process left. Nothing is changed here: each fault comes with the commands that mend it, `dvc repro` does the
rest.
"""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from pydantic import TypeAdapter
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.pipeline import files, params, stage

LOCK = Path("dvc.lock")
RWLOCK = Path(".dvc/tmp/rwlock")
RAW = Path("data/raw")
KEPT = Path("data/downloads")
CATALOG = Path("data/catalog.yaml")
DVC_UNFINISHED = re.compile(r".*\.[\w-]{22}\.tmp")  # what DVC calls a file that it is writing


@dataclass(frozen=True)
class Out:
    """A file that a stage made, as dvc.lock records it."""

    path: str
    md5: str


@dataclass(frozen=True)
class Stage:
    """A stage, as dvc.lock records it."""

    outs: list[Out] = field(default_factory=list)


@dataclass(frozen=True)
class Lock:
    """What is of use here in dvc.lock."""

    schema: str
    stages: dict[str, Stage] = field(default_factory=dict)


@dataclass(frozen=True)
class Holder:
    """A process in DVC's record of who reads and writes what."""

    pid: int
    cmd: str


@dataclass(frozen=True)
class ReadersAndWriters:
    """DVC's record of who reads and writes what."""

    write: dict[str, Holder] = field(default_factory=dict)
    read: dict[str, list[Holder]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """What is broken, and the commands that mend it before `dvc repro`."""

    what: str
    cure: list[str]


class Examination:
    """Looks at one thing after another and counts what it found sound."""

    def __init__(self) -> None:
        self.sound: dict[str, int] = {"outputs": 0, "cache objects": 0, "original files": 0}
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
        """DVC's lock; OSError when its holder is at work."""
        if not RWLOCK.exists():
            return
        try:
            held: ReadersAndWriters = files.read_json(RWLOCK, ReadersAndWriters)
        except ValueError:
            yield Fault(f"{RWLOCK}: a torn lock of DVC", [remove(RWLOCK)])
            return
        holders = [*held.write.values(), *(holder for readers in held.read.values() for holder in readers)]
        for holder in holders:
            if is_dvc(holder.pid):
                raise OSError(f"`{holder.cmd}` is at work here, process {holder.pid}: ask again when it has ended")
        if holders:
            gone = ", ".join(sorted({str(holder.pid) for holder in holders}))
            yield Fault(f"{RWLOCK}: a lock of DVC whose holder is gone (process {gone})", [remove(RWLOCK)])

    def unfinished(self) -> Iterator[Fault]:
        """Files that a killed stage or a killed DVC was writing."""
        ours = files.left_behind()
        theirs = [path for place in files.PLACES for path in Path(place).rglob("*.tmp")]
        for path in [*ours, *(path for path in theirs if DVC_UNFINISHED.fullmatch(path.name))]:
            yield Fault(f"{path}: left half written by a run that was killed", [remove(path)])

    def experiments(self) -> Iterator[Fault]:
        """Git's HEAD, which a killed `dvc exp run` leaves on no branch."""
        references = git("for-each-ref", "--format=%(refname)", "refs/exps/exec").split()
        if references and not git("symbolic-ref", "--quiet", "HEAD"):
            moves = re.findall(r"checkout: moving from (\S+) to [0-9a-f]{40}", git("reflog", "--format=%gs"))
            branch = next((name for name in moves if git("rev-parse", "--verify", f"refs/heads/{name}")), "BRANCH")
            cure = [f"git switch {quote(branch)}", *(f"git update-ref -d {quote(name)}" for name in references)]
            yield Fault("Git is on no branch: a killed `dvc exp run` left it so", cure)

    def lock_file(self) -> Iterator[Fault]:
        """dvc.lock, without which nobody knows what the outputs should be."""
        committed = git("show", f"HEAD:./{LOCK}")
        try:
            text = LOCK.read_text(encoding="utf-8") if LOCK.exists() or not committed else ""
            recorded = parse(text)
        except FileNotFoundError:
            return  # nothing has run yet
        except ValueError as error:
            try:
                parse(committed)
                cure = f"git checkout HEAD -- {LOCK}"  # also out of a conflict, where `git restore` refuses
            except ValueError:
                cure = remove(LOCK)  # DVC remembers by itself what it has run
            yield Fault(f"{LOCK}: {error}; the outputs are checked when it is whole, ask again then", [cure])
            return
        self.outs = {out.path: out.md5 for stage in recorded.stages.values() for out in stage.outs}

    def cache(self) -> Iterator[Fault]:
        """DVC's cache, where a file bears the MD5 of its content as its name."""
        directory = Path(run(sys.executable, "-m", "dvc", "cache", "dir").strip())
        if directory.is_relative_to(Path.cwd()):
            directory = directory.relative_to(Path.cwd())
        used = {md5: path for path, md5 in self.outs.items()}
        for path in sorted((directory / "files/md5").glob("*/*")):
            md5 = path.parent.name + path.name
            if not re.fullmatch(r"[0-9a-f]{32}(\.dir)?", md5):
                yield Fault(f"{path}: left half written by a DVC that was killed", [remove(path)])
            elif md5_of(path) != md5.removesuffix(".dir"):
                use = f"; DVC would take it for {used[md5]}" if md5 in used else ""
                yield Fault(f"{path}: its bytes are not those that its name stands for{use}", [remove(path)])
            else:
                self.sound["cache objects"] += 1

    def outputs(self) -> Iterator[Fault]:
        """What the stages made, as far as it is there: what is missing, `dvc repro` makes."""
        for name, md5 in self.outs.items():
            path = Path(name)
            if md5.endswith(".dir") or not os.path.lexists(path):
                continue
            if not path.is_file():
                yield Fault(f"{path}: not a regular file", [f"rm -rf {quote(name)}"])
            elif md5_of(path) != md5:
                yield Fault(f"{path}: its bytes are not those that {LOCK} records", [remove(path)])
            else:
                self.sound["outputs"] += 1

    def originals(self) -> Iterator[Fault]:
        """The data set's files, whose digests stand in the catalog."""
        for path in sorted(KEPT.glob("*")):
            if path.is_file() and files.digest(path) != path.name:
                yield Fault(f"{path}: its bytes are not those that its name stands for", [remove(path)])
        record = RAW / "dataset.json"
        if not record.exists():
            return
        try:
            catalog, _ = params.load(CATALOG)
            known = [sorted(file["sha256"] for file in entry["files"].values()) for entry in catalog.values()]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            yield Fault(
                f"{CATALOG}: is no catalog, {first_line(error)}; mend what was changed", [f"git diff {CATALOG}"]
            )
            return
        try:
            sha256: dict[str, str] = TypeAdapter(dict[str, str]).validate_python(files.read_json(record)["sha256"])
            if sorted(sha256.values()) not in known:
                raise ValueError(f"its digests are of no data set in {CATALOG}")
        except (ValueError, TypeError, KeyError) as error:
            yield Fault(f"{record}: {first_line(error)}", [remove(record)])
            return
        for name, digest in sha256.items():
            path = RAW / name
            if path.is_file() and files.digest(path) != digest:
                yield Fault(f"{path}: its bytes are not those of the data set", [remove(path)])
            elif path.is_file():
                self.sound["original files"] += 1


def parse(text: str) -> Lock:
    """Return the content of a dvc.lock, or raise ValueError."""
    if not text.strip():
        raise ValueError("empty or missing")
    if re.search("^<<<<<<< ", text, re.MULTILINE):
        raise ValueError("holds the two sides of a merge")
    try:
        lock: Lock = TypeAdapter(Lock).validate_python(YAML(typ="safe", pure=True).load(text))
    except (YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"broken, {first_line(error)}") from None
    return lock


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says."""
    return (str(error) or type(error).__name__).splitlines()[0]


def remove(path: Path) -> str:
    """Return the command that removes a file."""
    return f"rm -f {quote(str(path))}"


def md5_of(path: Path) -> str:
    """Return the MD5 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def is_dvc(pid: int) -> bool:
    """Whether a process of this number runs and, where the system tells, is DVC: numbers are given again."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    command = Path(f"/proc/{pid}/cmdline")
    return not command.exists() or b"dvc" in command.read_bytes()


def run(*command: str) -> str:
    """Return what a command prints; OSError with its first line when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command[-3:])}: {(done.stderr.strip() or 'failed').splitlines()[0]}")
    return done.stdout


def git(*arguments: str) -> str:
    """Return what Git prints, nothing when it fails: not every copy is a repository."""
    try:
        return run("git", *arguments)
    except OSError:
        return ""


def doctor() -> None:
    """Tell every fault with its cure, or that there is none; end with exit code 1 when there is one."""
    examination = Examination()
    found: dict[str, list[str]] = {}
    for fault in examination.faults():
        key = " && ".join(fault.cure)  # one thing may be wrong in two ways
        found.setdefault(key, [fault.what, *fault.cure])
    if not found:
        counts = ", ".join(f"{count} {what}" for what, count in examination.sound.items())
        print(f"All is well: {counts} hold the bytes they should; no stale lock, no torn file.")
        return
    for what, *cure in found.values():
        print(what, *(f"    {command}" for command in cure), sep="\n")
    print("When that is done, this makes all that is missing:", "    dvc repro", sep="\n")
    raise SystemExit(1)


def main() -> None:
    """Examine a checkout in which nobody is at work."""
    try:
        stage.check_directory()
        with stage.lock(stage.LOCK):
            doctor()
    except stage.EXPECTED as error:
        stage.fail("doctor", stage.describe(error), 1)


if __name__ == "__main__":
    main()
