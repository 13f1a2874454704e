"""Inject a fault into a stage at its N-th file operation, or at the N-th byte that it writes.

The stage runs in a child that is forked from this process, where its modules are already loaded, so a fault takes a
few hundredths of a second. Python calls an audit hook before it opens, renames, removes or creates a file or directory;
the hook in the child kills it, interrupts it or makes that call fail. A limit on the file size breaks off a write at an
exact byte, whether Python or NumPy writes it.

Before the fault every output has an old content. After it every output must have that content or the new one, to the
last byte. Then the stage runs again, undisturbed: all outputs must be new and no temporary file left over.
"""

import errno
import json
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
from tests.helpers import project

FUNCTIONS = {function.__name__: function for function in (validate.validate, *validate.STAGES)}
EVENTS = {"open", "os.rename", "os.remove", "os.mkdir"}
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


class AtCall(NoFault):
    """Sends the process a signal before its N-th file operation, or makes that fail."""

    def __init__(self, n, number=None):
        super().__init__()
        self.n, self.number = n, number

    def __str__(self):
        return f"call {self.n}"

    def inject(self, event, arguments):
        if self.count == self.n and self.number:
            os.kill(os.getpid(), self.number)
        elif self.count == self.n:
            error = ERRORS[self.n % len(ERRORS)]
            raise OSError(error, os.strerror(error), "injected")


class AtByte(NoFault):
    """Limits the N-th file that is written to `size` bytes; a longer write kills the process if `deadly`, or fails."""

    def __init__(self, n, size, deadly):
        super().__init__()
        self.n, self.size, self.deadly, self.opened = n, size, deadly, 0

    def __str__(self):
        return f"file {self.n + 1}, byte {self.size}"

    def inject(self, event, arguments):
        resource.setrlimit(resource.RLIMIT_FSIZE, UNLIMITED)
        if event == "open" and str(arguments[0]).endswith(files.UNFINISHED) and arguments[2] & os.O_TRUNC:
            if self.opened == self.n:
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL if self.deadly else signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, resource.RLIM_INFINITY))
            self.opened += 1


def inside(path):
    """Return True if a path is inside the working directory, which is the project's."""
    return isinstance(path, str | bytes | os.PathLike) and (Path.cwd() / os.fsdecode(path)).is_relative_to(Path.cwd())


class Bench:
    """A small copy of the project in which faults are injected into one stage after another."""

    def __init__(self, root):
        self.root, self.printed = root, root.with_name("printed")
        project.make(root)
        self.outs = {name: list(project.outputs(name)) for name in FUNCTIONS}
        self.new, self.calls, self.sizes = {}, {}, {}
        for name in FUNCTIONS:
            for undisturbed in (NoFault(), NoFault()):  # the second has old outputs to replace
                code, message = self.run(name, undisturbed)
                if code != 0:
                    raise SystemExit(f"{name} fails without a fault: {message}")
                self.new[name] = {out: (root / out).read_bytes() for out in self.outs[name]}
                self.calls[name], self.sizes[name] = json.loads(message.splitlines()[-1])
                self.reset(name)
            self.run(name, NoFault())

    def run(self, name, fault):
        """Run a stage in a child; return its exit code, minus the signal if it was killed, and what it printed."""
        child = os.fork()
        if child == 0:
            os._exit(self.run_as_child(name, fault))
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status), self.printed.read_text()

    def run_as_child(self, name, fault):
        """In the child: run the stage, print the counts if it succeeds, and return its exit code."""
        with self.printed.open("w", buffering=1) as sys.stderr, Path(os.devnull).open("w") as sys.stdout:
            try:
                os.chdir(self.root)
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                signal.signal(signal.SIGINT, signal.default_int_handler)
                checkpoint.SECONDS = 0.0
                sys.addaudithook(fault.hook)
                stage.run(FUNCTIONS[name])
                print(json.dumps([fault.count, fault.sizes]), file=sys.stderr)
                return 0
            except SystemExit as error:
                return error.code
            except BaseException:
                traceback.print_exc()
                return 70

    def reset(self, name):
        """Give every output of a stage its old content, and remove leftovers and, for fetch, cached downloads."""
        for path in self.left_behind():
            path.unlink()
        if name == "fetch":
            shutil.rmtree(self.root / "data/downloads", ignore_errors=True)
        for out in self.outs[name]:
            (self.root / out).write_bytes(b"old " + out.encode())

    def left_behind(self):
        """The temporary files, and the checkpoint."""
        found = [path for place in files.PLACES for path in (self.root / place).rglob(f".*{files.UNFINISHED}")]
        return [*found, *self.root.glob("models/checkpoint.npz")]

    def broken(self, name):
        """Yield each file that is neither old nor new, right after a fault."""
        for out in self.outs[name]:
            data = (self.root / out).read_bytes()
            if data not in (b"old " + out.encode(), self.new[name][out]):
                yield f"{out} has neither its old nor its new content, {len(data)} bytes"
        for path in (self.root / "data/downloads").glob("[!.]*"):
            if files.digest(path) != path.name:
                yield f"the cached download {path.name} is damaged"
        for path in self.root.glob("models/checkpoint.npz"):
            try:
                files.read_arrays(path)
            except ValueError as error:
                yield f"the checkpoint is broken: {error}"

    def unrecovered(self, name):
        """Run the stage again; yield what is wrong then."""
        code, message = self.run(name, NoFault())
        if code != 0:
            yield f"the next run fails: {message}"
        for out in self.outs[name]:
            if (self.root / out).read_bytes() != self.new[name][out]:
                yield f"{out} is wrong after the next run"
        for path in self.left_behind():
            yield f"{path.name} is left over after the next run"

    def inject(self, name, fault, expected):
        """Inject a fault into a stage; yield the problems. `expected` are the exit codes that the fault may cause."""
        self.reset(name)
        code, message = self.run(name, fault)
        yield from self.broken(name)
        if code not in expected:
            yield f"exit code {code}: {message}"
        if code > 0 and not re.fullmatch(rf"({name}: [^\n]+\n)+", message):
            yield f"unclear message: {message!r}"
        if code == 0 and any((self.root / out).read_bytes() != new for out, new in self.new[name].items()):
            yield "exit code 0, but not every output is new"
        yield from self.unrecovered(name)


def everywhere(directory, ledger, stages, quick, rng):
    """Kill, terminate and interrupt each stage before each of its file operations, and make each of them fail.

    Then break off each file that it writes at its first bytes, its last and some random ones in between. If `quick`,
    inject one fault of each kind into each stage.
    """
    bench = Bench(directory / "bench")
    for name in stages:
        calls = range(1, bench.calls[name] + 1)
        places = [
            (n, at)
            for n, size in enumerate(bench.sizes[name])
            for at in sorted({0, 1, size // 2, size - 1, *(rng.randrange(size) for _ in range(5))})
            if at < size
        ]
        kinds = {
            "kill -9 before a call": ([AtCall(n, signal.SIGKILL) for n in calls], {-signal.SIGKILL}),
            "SIGTERM before a call": ([AtCall(n, signal.SIGTERM) for n in calls], {143}),
            "SIGINT before a call": ([AtCall(n, signal.SIGINT) for n in calls], {130}),
            "a call that fails": ([AtCall(n) for n in calls], {0, 1}),
            "killed at a byte": ([AtByte(*place, deadly=True) for place in places], {-signal.SIGXFSZ}),
            "write error at a byte": ([AtByte(*place, deadly=False) for place in places], {1}),
        }
        for kind, (faults, expected) in kinds.items():
            for fault in [rng.choice(faults)] if quick else faults:
                ledger.record(kind, f"{name} {fault}", bench.inject(name, fault, expected))
