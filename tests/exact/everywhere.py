"""Train the same small networks on every kind of system that can be set up here; all must produce the same digest.

`make everywhere` calls it. Programs for other processors run in QEMU's user mode, with Debian's Python for them and
NumPy's wheels or Debian's NumPy. All that goes to build/everywhere; nothing is installed. Needs Debian, or a
derivative, with qemu-user-static. The table goes to docs/exactness.md, if every system could be set up and agrees.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

# NumPy has no public description of the processor.
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__  # type: ignore[import-not-found]

from tests.helpers import project
from tools.docs import fill

ROOT = project.ROOT
CACHE = ROOT / "build/everywhere"
DIGEST = ROOT / "tests/exact/digest.py"
PAGE = ROOT / "docs/exactness.md"
COLUMNS = ["system", "machine", "Python", "NumPy", "BLAS", "kernel", "threads", "digest", "seconds", "pipeline"]
OLDEST_NUMPY = "numpy==1.26.0"  # Debian's, below, is older still
NUMPY = f"numpy=={version('numpy')}"
COMPILED = [
    f"{name}=={version(name)}"
    for name in ("contourpy", "kiwisolver", "matplotlib", "pillow", "psutil", "pydantic-core")  # used by the stages
]
MACHINES = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "ppc64el": "ppc64le",
    "s390x": "s390x",
}  # Debian's names, and Linux's
PACKAGES = ("python3-numpy", "libblas3", "liblapack3", "libopenblas0-pthread", "libstdc++6")

# The kernels of OpenBLAS, and what a processor must have for each, in NumPy's words.
KERNELS = {
    "x86_64": {
        "Katmai": ["SSE3"],
        "Nehalem": ["SSE42"],
        "Sandybridge": ["AVX"],
        "Haswell": ["AVX2", "FMA3"],
        "SkylakeX": ["AVX512_SKX"],
    },
    "aarch64": {"cortexa57": ["ASIMD"], "neoversen1": ["ASIMDHP", "ASIMDDP"], "armv8sve": ["SVE"]},
}

# Runs the script that is its second argument, then describes the Python that ran it. What the first one names is
# searched for modules after all else: threadpoolctl is there, but another NumPy too.
PROBE = """
import json, platform, runpy, sys
directory, *sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
sys.path.append(directory)
import numpy, threadpoolctl
blas = next((pool for pool in threadpoolctl.threadpool_info() if pool["internal_api"] == "openblas"), None)
print(json.dumps({
    "machine": platform.machine(),
    "python": platform.python_version(),
    "numpy": numpy.__version__,
    "blas": f"OpenBLAS {blas['version']}" if blas else "reference",
    "kernel": blas["architecture"] if blas else "",
    "threads": blas["num_threads"] if blas else 1,
}))
"""


class Failure(Exception):
    """A system that could not be set up, or where a program failed; the message is one line."""


def call(command: list[str], **options: Any) -> str:
    """Return what a command prints; raise Failure, with the last line of its error message."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    except FileNotFoundError:
        raise Failure(f"there is no {command[0]} here") from None
    if result.returncode:
        lines = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
        raise Failure(lines[-1] if lines else f"{command[0]} ended with {result.returncode}")
    return result.stdout


@dataclass(frozen=True)
class System:
    """A way to run Python: the command that stands before its arguments, and what is added to the environment."""

    command: list[str]
    environment: dict[str, str]

    def run(self, *arguments: str, cwd: Path = ROOT) -> str:
        """Return what Python prints; raise Failure."""
        return call([*self.command, *arguments], cwd=cwd, env={**os.environ, **self.environment})

    def train(self) -> tuple[str, dict[str, Any]]:
        """Return the digest of the small networks, and a description of the Python that trained them."""
        packages = sysconfig.get_path("purelib")
        digest, facts = self.run("-c", PROBE, packages, str(DIGEST)).splitlines()
        return digest, json.loads(facts)

    def outputs(self) -> dict[str, str]:
        """Return the digest of each file that the pipeline makes of the tests' digits."""
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory) / "project"
            project.make(root)
            project.set_params(root, {"plot": {"dpi": 150}})
            for stage in project.STAGES:
                self.run("-m", f"stages.{stage}", cwd=root)
            return {path: hashlib.sha256(data).hexdigest() for path, data in project.snapshot(root).items()}


def kernels() -> list[str]:
    """Return the kernels of OpenBLAS that the processor here can run."""
    known = KERNELS.get(platform.machine(), {})
    return [kernel for kernel, needs in known.items() if all(__cpu_features__[feature] for feature in needs)]


def extensions() -> str:
    """Return the extensions of the processor here that NumPy uses but can do without."""
    return " ".join(name for name in __cpu_dispatch__ if __cpu_features__[name])


def native(numpy: str | None = None, **environment: str) -> System:
    """Return the machine itself, with another NumPy if one is named."""
    if numpy:
        environment["PYTHONPATH"] = str(wheels([numpy]))
    return System([sys.executable], environment)


def emulated(architecture: str, cpu: str | None = None, blas: str | None = None) -> System:
    """Return a system of another architecture.

    With `cpu`, its processor is that one, and compiled packages are those that are installed here, from their wheels.
    With `blas`, NumPy is Debian's and uses the library in that directory.
    """
    machine = MACHINES[architecture]
    qemu = f"qemu-{machine}-static"
    if not shutil.which(qemu):
        raise Failure(f"there is no {qemu} here; install qemu-user-static")
    root = debian(architecture)
    python = next(root.glob("usr/bin/python3.??"))
    environment = {"PYTHONPYCACHEPREFIX": str(CACHE / "pycache" / architecture)}
    if blas:
        directories = [str(next(root.glob(f"usr/lib/*/{name}"))) for name in (blas, "lapack")]
        return System(
            [qemu, "-E", f"LD_LIBRARY_PATH={':'.join(directories)}", "-L", str(root), str(python)], environment
        )
    command = [qemu, "-cpu", str(cpu), "-L", str(root), str(python)]
    full_version = call([*command, "-c", "import platform; print(platform.python_version())"]).strip()
    tags = [f"--platform={tag}_{machine}" for tag in ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17")]
    compiled = wheels([NUMPY, *COMPILED], ["--implementation=cp", f"--python-version={full_version}", *tags])
    environment["PYTHONPATH"] = os.pathsep.join([str(compiled), sysconfig.get_path("purelib")])
    return System(command, environment)


def wheels(requirements: list[str], options: list[str] | None = None) -> Path:
    """Return a directory with packages from their wheels, without those that they depend on."""
    arguments = ["--no-deps", "--only-binary=:all:", *(options or []), *requirements]
    target = CACHE / hashlib.sha256(" ".join(arguments).encode()).hexdigest()[:16]
    if "==" not in requirements[0]:  # the newest one may have changed
        shutil.rmtree(target, ignore_errors=True)
    if not target.exists():
        with whole(target) as unfinished:
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
            call([*pip, "--target", str(unfinished), *arguments])
    return target


def debian(architecture: str) -> Path:
    """Return a directory with Debian's Python, NumPy and two BLAS libraries for an architecture.

    They are downloaded from where this system has its own packages, and only unpacked: that takes no privileges.
    """
    target = CACHE / architecture
    if not target.exists():
        with whole(target) as unfinished:
            unpack(architecture, unfinished.parent, unfinished)
    return target


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Give a temporary path, renamed to `target` in the end, so that `target` is whole or absent."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as directory:
        unfinished = Path(directory) / target.name
        yield unfinished
        unfinished.rename(target)


def unpack(architecture: str, state: Path, root: Path) -> None:
    """Download PACKAGES, and all that they depend on, to `state`; unpack them to `root`."""
    for name in ("lists/partial", "archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()  # nothing is installed there yet
    options = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Debug::NoLocking": "true",
        "Dir::Cache": state,
        "Dir::State": state,
        "Dir::State::status": state / "status",
    }
    apt = ["apt-get", "--quiet", "--yes", *(f"--option={key}={value}" for key, value in options.items())]
    subprocess.run([*apt, "update"], capture_output=True, check=False)  # an index is missed if a package is, below
    call([*apt, "install", "--download-only", *PACKAGES])
    for archive in (state / "archives").glob("*.deb"):
        call(["dpkg-deb", "--extract", str(archive), str(root)])
    for link in root.rglob("*"):
        if link.is_symlink() and link.readlink().is_absolute():  # it means the directory, not this system's
            inside = root / link.readlink().relative_to("/")
            link.unlink()
            link.symlink_to(os.path.relpath(inside, link.parent))


def systems() -> Iterator[tuple[str, Callable[[], System], bool]]:
    """Yield name and maker of each system, and whether to run the whole pipeline there too."""
    for kernel in kernels():
        for threads in ("1", "2"):
            yield "native", partial(native, OPENBLAS_CORETYPE=kernel, OPENBLAS_NUM_THREADS=threads), False
    yield "native, SIMD off", partial(native, NPY_DISABLE_CPU_FEATURES=extensions()), False
    yield "native, oldest NumPy", partial(native, OLDEST_NUMPY), False
    yield "native, newest NumPy", partial(native, "numpy"), False
    yield "emulated Nehalem", partial(emulated, "amd64", "Nehalem"), True
    yield "emulated Neoverse N1", partial(emulated, "arm64", "neoverse-n1"), True
    yield "emulated Cortex-A57", partial(emulated, "arm64", "cortex-a57"), False
    yield "emulated A64FX", partial(emulated, "arm64", "a64fx"), False
    for architecture in ("arm64", "ppc64el", "s390x"):
        for blas in ("blas", "openblas-pthread"):
            yield "emulated, Debian's NumPy", partial(emulated, architecture, blas=blas), False


def run_all() -> list[tuple[str, ...]]:
    """Return a row per system; print each row, and a line per system that failed. If any did, raise Failure."""
    rows, failed = [], 0
    expected = native().outputs()
    for name, make, pipeline in systems():
        try:
            system = make()
            start = time.perf_counter()
            digest, facts = system.train()
            seconds = time.perf_counter() - start
            if pipeline:
                different = {path for path, _ in system.outputs().items() ^ expected.items()}
                if different:
                    raise Failure(f"the pipeline makes other bytes here: {', '.join(sorted(different))}")
            same = f"same {len(expected)} files" if pipeline else ""
            rows.append((name, *map(str, facts.values()), digest[:12], f"{seconds:.1f}", same))
            print(*rows[-1], sep=" | ", flush=True)
        except Failure as failure:
            failed += 1
            print(f"{name}: {failure}", file=sys.stderr)
    if failed:
        raise Failure(f"{failed} of the systems failed; docs/reliability.md stays as it is")
    return rows


def main() -> None:
    """Run all systems and write the table to the page, if none failed."""
    try:
        rows = run_all()
    except Failure as failure:
        sys.exit(f"everywhere: {failure}")
    table = "\n".join(f"| {' | '.join(row)} |" for row in (COLUMNS, ["---"] * len(COLUMNS), *rows))
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), "systems", table), encoding="utf-8")


if __name__ == "__main__":
    main()
