"""Break a stage at the N-th thing that it does to a file, or at the N-th byte that it writes.

A stage runs in a child that is forked from here, where its modules are loaded already; that makes a fault cost some
hundredths of a second. An audit hook in the child, which Python calls before it opens, renames, removes or makes
anything, kills the child, interrupts it, or makes that very call fail. A limit of the file size breaks a write at an
exact byte, whoever writes it, Python or NumPy.

Before a fault every output has an old content; after it every one must have either that or the new one, to the last
byte. Then the stage runs again, undisturbed: everything must be new and nothing left over.
"""

import contextlib
import errno
import os
import re
import resource
import shutil
import signal
import sys
import traceback
from pathlib import Path

import project
from ledger import STAGES
from ruamel.yaml import YAML

from stages.evaluate import evaluate
from stages.fetch import fetch
from stages.pipeline import checkpoint, files, stage
from stages.plot import plot
from stages.preprocess import preprocess
from stages.train import train
from stages.validate import validate

FUNCTIONS = {f.__name__: f for f in (validate, fetch, preprocess, train, evaluate, plot)}
EVENTS = {"open", "os.rename", "os.remove", "os.mkdir"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
ERRORS = [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EMFILE, errno.EROFS]
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


class Nothing:
    """No fault: counts what a stage does, and notes the size of every file that it writes."""

    def __init__(self):
        self.count, self.sizes = 0, []

    def hook(self, event, arguments):
        if event not in EVENTS or not inside(arguments[0]):
            return
        self.count += 1
        if event == "os.rename":
            self.sizes.append(Path(arguments[0]).stat().st_size)
        self.strike(event, arguments)

    def strike(self, event, arguments):
        pass


class AtEvent(Nothing):
    """Strikes at the N-th event."""

    def __init__(self, n):
        super().__init__()
        self.n = n

    def strike(self, event, arguments):
        if self.count == self.n:
            self.act()

    def __str__(self):
        return f"event {self.n}"


class Kill(AtEvent):
    def act(self):
        os.kill(os.getpid(), signal.SIGKILL)


class Terminate(AtEvent):
    def act(self):
        os.kill(os.getpid(), signal.SIGTERM)


class Interrupt(AtEvent):
    def act(self):
        os.kill(os.getpid(), signal.SIGINT)


class Fail(AtEvent):
    def act(self):
        number = ERRORS[self.n % len(ERRORS)]
        raise OSError(number, os.strerror(number), "injected")


class AtByte(Nothing):
    """Lets the N-th file that is written grow to so many bytes and no further."""

    def __init__(self, n, size, deadly):
        super().__init__()
        self.n, self.size, self.deadly, self.opened = n, size, deadly, 0

    def strike(self, event, arguments):
        resource.setrlimit(resource.RLIMIT_FSIZE, UNLIMITED)
        if event == "open" and str(arguments[0]).endswith(files.UNFINISHED) and arguments[2] & os.O_TRUNC:
            if self.opened == self.n:
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL if self.deadly else signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, resource.RLIM_INFINITY))
            self.opened += 1

    def __str__(self):
        return f"file {self.n + 1}, byte {self.size}"


def inside(path):
    """Whether a path lies in the project, which is the working directory."""
    return isinstance(path, str | bytes | os.PathLike) and (Path.cwd() / os.fsdecode(path)).is_relative_to(Path.cwd())


class Bench:
    """A small copy of the project in which one stage after another is broken."""

    def __init__(self, root):
        self.root = root
        project.make(root)
        declared = YAML(typ="safe").load(root / "dvc.yaml")["stages"]
        self.outs = {
            name: [key(out) for part in ("outs", "metrics") for out in declared[name].get(part, [])] for name in STAGES
        }
        self.new, self.events, self.sizes = {}, {}, {}
        for name in STAGES:
            self.must(name)
            self.new[name] = {out: (root / out).read_bytes() for out in self.outs[name]}
            self.reset(name)
            self.events[name], self.sizes[name] = self.must(name)

    def must(self, name):
        """Run a stage undisturbed; return how much it did, and the sizes of the files that it wrote."""
        code, said, seen = self.run(name, Nothing())
        if code != 0:
            raise SystemExit(f"{name} fails undisturbed: {said}")
        return seen

    def run(self, name, fault):
        """Run a stage in a child; return its exit code or minus its signal, what it said, what the fault counted."""
        ours, its = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(ours)
            self.become(name, fault, its)
        os.close(its)
        with os.fdopen(ours, "rb") as pipe:
            said = pipe.read().decode()
        _, status = os.waitpid(child, 0)
        said, _, seen = said.partition("\0")
        counted = [int(n) for n in seen.split()] or [0]
        return os.waitstatus_to_exitcode(status), said, (counted[0], counted[1:])

    def become(self, name, fault, pipe):
        """In the child: be the stage."""
        code = 70
        try:
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            os.dup2(pipe, 2)
            sys.stderr = os.fdopen(2, "w", closefd=False)
            os.chdir(self.root)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.signal(signal.SIGINT, signal.default_int_handler)
            checkpoint.SECONDS = 0.0
            sys.addaudithook(fault.hook)
            stage.run(FUNCTIONS[name])
            code = 0
        except SystemExit as error:
            code = error.code
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os.write(pipe, f"\0{fault.count} {' '.join(map(str, fault.sizes))}".encode())
            os._exit(code)

    def reset(self, name):
        """Give every output of a stage its old content; for fetch, nothing was ever kept."""
        self.sweep(name)
        for out in self.outs[name]:
            (self.root / out).write_bytes(b"old " + out.encode())

    def sweep(self, name):
        (self.root / "models/checkpoint.npz").unlink(missing_ok=True)
        for path in self.left_behind():
            path.unlink()
        if name == "fetch":
            shutil.rmtree(self.root / "data/downloads", ignore_errors=True)

    def left_behind(self):
        return [path for place in files.PLACES for path in (self.root / place).rglob(f".*{files.UNFINISHED}")]

    def torn(self, name):
        """What does not hold at any moment, whatever happened."""
        for out in self.outs[name]:
            data = (self.root / out).read_bytes()
            if data not in (b"old " + out.encode(), self.new[name][out]):
                yield f"{out} is torn, {len(data)} bytes"
        for path in (self.root / "data/downloads").glob("[!.]*"):
            if files.digest(path) != path.name:
                yield f"{path.name} is torn"
        kept = self.root / "models/checkpoint.npz"
        if kept.exists():
            with contextlib.suppress(ValueError):
                files.read_arrays(kept)
                return
            yield "the checkpoint is torn"

    def recovered(self, name):
        """What does not hold once the stage has run again."""
        code, said, _ = self.run(name, Nothing())
        if code != 0:
            yield f"the next run fails: {said}"
        for out in self.outs[name]:
            if (self.root / out).read_bytes() != self.new[name][out]:
                yield f"{out} is not what it should be after the next run"
        left = [*self.left_behind(), *(self.root / "models").glob("checkpoint.npz")]
        if left:
            yield f"{left[0].name} is left over after the next run"

    def inject(self, name, fault, expected):
        """Break a stage once; return what did not hold. `expected` are the exit codes that the fault may lead to."""
        self.reset(name)
        code, said, _ = self.run(name, fault)
        problems = list(self.torn(name))
        if code not in expected:
            problems.append(f"exit code {code}: {said}")
        if code > 0 and not re.fullmatch(rf"({name}: [^\n]+\n)+", said):
            problems.append(f"said {said!r}")
        if code == 0 and any((self.root / out).read_bytes() != new for out, new in self.new[name].items()):
            problems.append("not all is new, and it said nothing")
        problems += self.recovered(name)
        return problems


def key(entry):
    """The name of an entry of a list in dvc.yaml: the entry itself, or the key under which its options stand."""
    return entry if isinstance(entry, str) else next(iter(entry))


def at_events(bench, ledger, choose):
    """Each thing that a stage does to a file, killed, terminated, interrupted and failing."""
    kinds = [
        ("kill -9 before a call", Kill, {-signal.SIGKILL}),
        ("SIGTERM before a call", Terminate, {143}),
        ("SIGINT before a call", Interrupt, {130}),
        ("a call that fails", Fail, {0, 1}),
    ]
    for kind, fault, expected in kinds:
        for name in STAGES:
            for n in choose(range(1, bench.events[name] + 1)):
                ledger.record(kind, name, f"event {n}", bench.inject(name, fault(n), expected))


def at_bytes(bench, ledger, choose, positions, rng):
    """Each file that a stage writes, broken off at its first and last bytes and at some in between."""
    for kind, deadly, expected in (
        ("killed at a byte", True, {-signal.SIGXFSZ}),
        ("write error at a byte", False, {1}),
    ):
        for name in STAGES:
            places = [
                (n, at)
                for n, size in enumerate(bench.sizes[name])
                for at in sorted({0, 1, size // 2, size - 1, *(rng.randrange(size) for _ in range(positions))})
                if at < size
            ]
            for n, at in choose(places):
                fault = AtByte(n, at, deadly)
                ledger.record(kind, name, str(fault), bench.inject(name, fault, expected))


def full_disk(bench, ledger, choose, positions, rng):
    """A file system without room for all that a stage writes."""
    filler = bench.root / ".filler"
    for name in STAGES:
        total = sum(bench.sizes[name])
        for room in choose(sorted({0, *(rng.randrange(total) for _ in range(positions))})):
            bench.reset(name)
            fill(filler, room)
            code, said, _ = bench.run(name, Nothing())
            filler.unlink()
            problems = list(bench.torn(name))
            if code not in (0, 1) or (code == 1 and not re.fullmatch(rf"({name}: [^\n]+\n)+", said)):
                problems.append(f"exit code {code}: {said}")
            if bench.left_behind():
                problems.append("a temporary file is left")
            problems += bench.recovered(name)
            ledger.record("full disk", name, f"{room} bytes free", problems)


def fill(filler, room):
    """Take all space of a file system but so many bytes."""
    with filler.open("wb", buffering=0) as file:
        status = os.statvfs(filler)
        os.posix_fallocate(file.fileno(), 0, max(status.f_bavail * status.f_frsize - room, 1))
