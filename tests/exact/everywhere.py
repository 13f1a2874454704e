"""Train the same small networks on every kind of system that can be set up here; all must produce the same digest.

`make everywhere` calls it. Programs for other processors run in QEMU's user mode, with Debian's Python for them and
NumPy's wheels or Debian's NumPy. All that goes to build/everywhere; nothing is installed. Needs Debian, or a
derivative, with qemu-user-static. The first system that cannot be set up or disagrees ends it; else the table
goes to docs/exactness.md.
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
from collections.abc import Callable, Iterator, Sequence
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
# Debian's names, and Linux's
MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "ppc64el": "ppc64le", "s390x": "s390x"}
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


@dataclass(frozen=True)
class System:
    """A way to run Python: the command that stands before its arguments, and what is added to the environment."""

    command: list[str]
    environment: dict[str, str]

    def run(self, *arguments: str, cwd: Path = ROOT) -> str:
        """Return what Python prints; CalledProcessError if it fails."""
        return output([*self.command, *arguments], cwd=cwd, env={**os.environ, **self.environment})

    def train(self) -> tuple[str, dict[str, Any]]:
        """Return the digest of the small networks, and a description of the Python that trained them."""
        packages = sysconfig.get_path("purelib")
        digest, facts = self.run("-c", PROBE, packages, str(DIGEST)).splitlines()
        return digest, json.loads(facts)

    def outputs(self) -> dict[str, bytes]:
        """Return each file that the pipeline makes of the tests' digits."""
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory) / "project"
            project.make(root)
            project.set_params(root, {"plot": {"dpi": 150}})
            for stage in project.STAGES:
                self.run("-m", f"stages.{stage}", cwd=root)
            return project.snapshot(root)


def output(command: list[str], **options: Any) -> str:
    """Return what a command prints; its messages go to the terminal."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, **options).stdout


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
    qemu, root = f"qemu-{machine}-static", debian(architecture)
    python = str(next(root.glob("usr/bin/python3.??")))
    environment = {"PYTHONPYCACHEPREFIX": str(CACHE / "pycache" / architecture)}
    if blas:
        libraries = ":".join(str(next(root.glob(f"usr/lib/*/{name}"))) for name in (blas, "lapack"))
        return System([qemu, "-E", f"LD_LIBRARY_PATH={libraries}", "-L", str(root), python], environment)
    command = [qemu, "-cpu", str(cpu), "-L", str(root), python]
    full_version = output([*command, "-c", "import platform; print(platform.python_version())"]).strip()
    tags = [f"--platform={tag}_{machine}" for tag in ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17")]
    compiled = wheels([NUMPY, *COMPILED], ["--implementation=cp", f"--python-version={full_version}", *tags])
    environment["PYTHONPATH"] = os.pathsep.join([str(compiled), sysconfig.get_path("purelib")])
    return System(command, environment)


def once(name: str, make: Callable[[Path], None]) -> Path:
    """Return a path of the cache, which `make` fills the first time; it is whole or absent."""
    if not (CACHE / name).exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as directory:
            make(Path(directory) / name)
            (Path(directory) / name).rename(CACHE / name)
    return CACHE / name


def wheels(requirements: list[str], options: Sequence[str] = ()) -> Path:
    """Return a directory with packages from their wheels, without those that they depend on."""
    arguments = ["--no-deps", "--only-binary=:all:", *options, *requirements]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    name = hashlib.sha256(" ".join(arguments).encode()).hexdigest()[:16]
    if "==" not in requirements[0]:  # the newest one may have changed
        shutil.rmtree(CACHE / name, ignore_errors=True)
    return once(name, lambda target: print(end=output([*pip, "--target", str(target), *arguments])))


def debian(architecture: str) -> Path:
    """Return a directory with Debian's Python, NumPy and two BLAS libraries for an architecture.

    They are downloaded from where this system has its own packages, and only unpacked: that takes no privileges.
    """

    def unpack(root: Path) -> None:
        state = root.parent
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
        output([*apt, "install", "--download-only", *PACKAGES])
        for archive in (state / "archives").glob("*.deb"):
            output(["dpkg-deb", "--extract", str(archive), str(root)])
        for link in root.rglob("*"):
            if link.is_symlink() and link.readlink().is_absolute():  # it means the directory, not this system's
                inside = root / link.readlink().relative_to("/")
                link.unlink()
                link.symlink_to(os.path.relpath(inside, link.parent))

    return once(architecture, unpack)


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


def main() -> None:
    """Run all systems, print a row for each, and write the table to the page. The first that fails ends it."""
    rows, expected = [COLUMNS, ["---"] * len(COLUMNS)], native().outputs()
    for name, make, pipeline in systems():
        system, start = make(), time.perf_counter()
        digest, facts = system.train()
        seconds = f"{time.perf_counter() - start:.1f}"
        if pipeline and system.outputs() != expected:
            sys.exit(f"everywhere: {name}: the pipeline makes other bytes here")
        same = f"same {len(expected)} files" if pipeline else ""
        rows.append([name, *map(str, facts.values()), digest[:12], seconds, same])
        print(*rows[-1], sep=" | ", flush=True)
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), "systems", table), encoding="utf-8")


if __name__ == "__main__":
    main()
