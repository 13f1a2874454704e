"""Inject a fault into a stage at its N-th file operation, or at the N-th byte that it writes.

The stage runs in a child that is forked from this process, where its modules are already loaded, so a fault takes a
few hundredths of a second. Python calls an audit hook before it opens, renames, removes or creates a file or directory;
the hook in the child kills it, interrupts it or makes that call fail. A limit on the file size breaks off a write at an
exact byte, whether Python or NumPy writes it.

Before the fault every output has an old content. After it every output must have that content or the new one, to the
last byte. Then the stage runs again, undisturbed: all outputs must be new and no temporary file left over.
"""

import errno
import os
import re
import resource
import shutil
import signal
import sys
import traceback
from pathlib import Path

from stages import validate
from stages.pipeline import checkpoint, files, stage
from tests.faults.ledger import STAGES
from tests.helpers import project

FUNCTIONS = {f.__name__: f for f in (validate.validate, *validate.STAGES)}
EVENTS = {"open", "os.rename", "os.remove", "os.mkdir"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
ERRORS = [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EMFILE, errno.EROFS]
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


class NoFault:
    """Counts the file operations of a stage, and records the size of every file that it writes."""

    def __init__(self):
        self.count, self.sizes = 0, []

    def hook(self, event, arguments):
        if event not in EVENTS or not inside(arguments[0]):
            return
        self.count += 1
        if event == "os.rename":
            self.sizes.append(Path(arguments[0]).stat().st_size)
        self.inject(event, arguments)

    def inject(self, event, arguments):
        pass


class AtEvent(NoFault):
    """Injects a fault at the N-th event."""

    def __init__(self, n):
        super().__init__()
        self.n = n

    def inject(self, event, arguments):
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


class AtByte(NoFault):
    """Limits the N-th file that is written to `size` bytes; a longer write kills the process if `deadly`, or fails."""

    def __init__(self, n, size, deadly):
        super().__init__()
        self.n, self.size, self.deadly, self.opened = n, size, deadly, 0

    def inject(self, event, arguments):
        resource.setrlimit(resource.RLIMIT_FSIZE, UNLIMITED)
        if event == "open" and str(arguments[0]).endswith(files.UNFINISHED) and arguments[2] & os.O_TRUNC:
            if self.opened == self.n:
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL if self.deadly else signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, resource.RLIM_INFINITY))
            self.opened += 1

    def __str__(self):
        return f"file {self.n + 1}, byte {self.size}"


def inside(path):
    """Whether a path is inside the working directory, which is the project's."""
    return isinstance(path, str | bytes | os.PathLike) and (Path.cwd() / os.fsdecode(path)).is_relative_to(Path.cwd())


class Bench:
    """A small copy of the project in which faults are injected into one stage after another."""

    def __init__(self, root):
        self.root = root
        project.make(root)
        self.outs = {name: list(project.outputs(name)) for name in STAGES}
        self.new, self.events, self.sizes = {}, {}, {}
        for name in STAGES:
            self.run_undisturbed(name)
            self.new[name] = {out: (root / out).read_bytes() for out in self.outs[name]}
            self.reset(name)
            self.events[name], self.sizes[name] = self.run_undisturbed(name)

    def run_undisturbed(self, name):
        """Run a stage without a fault; return the number of its events and the sizes of the files that it wrote."""
        code, message, counts = self.run(name, NoFault())
        if code != 0:
            raise SystemExit(f"{name} fails without a fault: {message}")
        return counts

    def run(self, name, fault):
        """Run a stage in a child; return its exit code (minus the signal if killed), its message, and the counts."""
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read_end)
            self.run_as_child(name, fault, write_end)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            message, _, counts = pipe.read().decode().partition("\0")
        _, status = os.waitpid(child, 0)
        events, *sizes = [int(n) for n in counts.split()] or [0]
        return os.waitstatus_to_exitcode(status), message, (events, sizes)

    def run_as_child(self, name, fault, pipe):
        """In the child: run the stage, and end the process as the stage ends."""
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
        """Give every output of a stage its old content, and remove leftovers and, for fetch, cached downloads."""
        self.clean(name)
        for out in self.outs[name]:
            (self.root / out).write_bytes(b"old " + out.encode())

    def clean(self, name):
        (self.root / "models/checkpoint.npz").unlink(missing_ok=True)
        for path in self.left_behind():
            path.unlink()
        if name == "fetch":
            shutil.rmtree(self.root / "data/downloads", ignore_errors=True)

    def left_behind(self):
        return [path for place in files.PLACES for path in (self.root / place).rglob(f".*{files.UNFINISHED}")]

    def broken(self, name):
        """Yield each file that is neither old nor new, right after a fault."""
        for out in self.outs[name]:
            data = (self.root / out).read_bytes()
            if data not in (b"old " + out.encode(), self.new[name][out]):
                yield f"{out} has neither its old nor its new content, {len(data)} bytes"
        for path in (self.root / "data/downloads").glob("[!.]*"):
            if files.digest(path) != path.name:
                yield f"the cached download {path.name} is damaged"
        saved = self.root / "models/checkpoint.npz"
        if saved.exists():
            try:
                files.read_arrays(saved)
            except ValueError as error:
                yield f"the checkpoint is broken: {error}"

    def unrecovered(self, name):
        """Run the stage again; yield what is wrong then."""
        code, message, _ = self.run(name, NoFault())
        if code != 0:
            yield f"the next run fails: {message}"
        for out in self.outs[name]:
            if (self.root / out).read_bytes() != self.new[name][out]:
                yield f"{out} is wrong after the next run"
        left = [*self.left_behind(), *(self.root / "models").glob("checkpoint.npz")]
        if left:
            yield f"{left[0].name} is left over after the next run"

    def inject(self, name, fault, expected):
        """Inject a fault into a stage; return the problems. `expected` are the exit codes that the fault may cause."""
        self.reset(name)
        code, message, _ = self.run(name, fault)
        problems = list(self.broken(name))
        if code not in expected:
            problems.append(f"exit code {code}: {message}")
        if code > 0 and not re.fullmatch(rf"({name}: [^\n]+\n)+", message):
            problems.append(f"unclear message: {message!r}")
        if code == 0 and any((self.root / out).read_bytes() != new for out, new in self.new[name].items()):
            problems.append("exit code 0, but not every output is new")
        problems += self.unrecovered(name)
        return problems


def at_events(bench, ledger, choose):
    """Kill, terminate and interrupt a stage before each of its file operations, and make each of them fail."""
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
    """Break off each file that a stage writes at its first bytes, its last and some random ones in between."""
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
    """Run each stage on a file system with too little space for its outputs."""
    filler = bench.root / ".filler"
    for name in STAGES:
        total = sum(bench.sizes[name])
        for free in choose(sorted({0, *(rng.randrange(total) for _ in range(positions))})):
            bench.reset(name)
            fill(filler, free)
            code, message, _ = bench.run(name, NoFault())
            filler.unlink()
            problems = list(bench.broken(name))
            if code not in (0, 1) or (code == 1 and not re.fullmatch(rf"({name}: [^\n]+\n)+", message)):
                problems.append(f"exit code {code}: {message}")
            if bench.left_behind():
                problems.append("a temporary file is left over")
            problems += bench.unrecovered(name)
            ledger.record("full disk", name, f"{free} bytes free", problems)


def fill(filler, free):
    """Fill a file system except for `free` bytes."""
    with filler.open("wb", buffering=0) as file:
        status = os.statvfs(filler)
        os.posix_fallocate(file.fileno(), 0, max(status.f_bavail * status.f_frsize - free, 1))
