"""The choice of OpenBLAS's kernels, on processors that are faked."""

import os
import subprocess
import sys
from types import SimpleNamespace

import project
import pytest

from stages.pipeline import kernels

ZEN5 = "processor\t: 0\nflags\t\t: fpu sse2 avx2 fma avx512f avx512dq avx512cd avx512bw avx512vl avx512_bf16\n"
ZEN3 = "processor\t: 0\nflags\t\t: fpu sse2 avx2 fma\n"


@pytest.fixture
def choose(tmp_path, monkeypatch):
    """A function that returns the kernel that a process started anew would have, or None if it was left alone."""

    def choose(cpuinfo, *libraries, environment=None, module="stages.train"):
        started = []
        monkeypatch.setattr(kernels, "CPUINFO", tmp_path / "cpuinfo")
        if cpuinfo is not None:
            kernels.CPUINFO.write_text(cpuinfo)
        monkeypatch.setattr(kernels, "threadpool_info", lambda: list(libraries))
        monkeypatch.setattr(os, "environ", environment or {})
        monkeypatch.setattr(os, "execv", lambda path, arguments: started.append(arguments))
        monkeypatch.setattr(sys.modules["__main__"], "__spec__", SimpleNamespace(name=module), raising=False)
        monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "stages.train"])
        kernels.use_widest()
        assert started in ([], [[sys.executable, *sys.orig_argv[1:]]])
        return os.environ["OPENBLAS_CORETYPE"] if started else None

    return choose


def blas(architecture):
    return {"user_api": "blas", "internal_api": "openblas", "architecture": architecture}


OPENMP = {"user_api": "openmp", "internal_api": "openmp"}


def test_wide_kernels_where_openblas_took_narrow_ones(choose):
    assert choose(ZEN5, blas("Haswell"), OPENMP) == "SkylakeX"
    assert choose(ZEN5, blas("Zen")) == "SkylakeX"


@pytest.mark.parametrize("architecture", ["SkylakeX", "Cooperlake", "SapphireRapids", "neoversen1", None])
def test_wide_or_unknown_kernels_are_left_alone(choose, architecture):
    assert choose(ZEN5, blas(architecture)) is None


def test_a_processor_without_the_instructions_is_left_alone(choose):
    assert choose(ZEN3, blas("Zen")) is None
    assert choose(ZEN5.replace("avx512vl", ""), blas("Zen")) is None


def test_a_system_that_does_not_tell_is_left_alone(choose):
    assert choose(None, blas("Haswell")) is None
    assert choose("processor\t: 0\n", blas("Haswell")) is None


def test_another_library_is_left_alone(choose):
    assert choose(ZEN5, {"user_api": "blas", "internal_api": "mkl"}) is None
    assert choose(ZEN5) is None


def test_the_choice_of_the_user_is_respected(choose):
    assert choose(ZEN5, blas("Haswell"), environment={"OPENBLAS_CORETYPE": "Haswell"}) is None


def test_a_process_that_does_more_than_its_module_is_left_alone(choose):
    assert choose(ZEN5, blas("Haswell"), module="pytest") is None


def test_a_process_that_cannot_be_started_anew_continues(monkeypatch, choose):
    def fail(path, arguments):
        raise OSError("no")

    choose(ZEN5, blas("SkylakeX"))
    monkeypatch.setattr(os, "execv", fail)
    kernels.use_widest()


PROGRAM = """
import os, sys
from stages.pipeline import kernels
kernels.instructions = lambda: kernels.NEEDS
kernels.threadpool_info = lambda: [{"internal_api": "openblas", "architecture": "Haswell"}]
kernels.use_widest()
print(os.getpid(), os.environ["OPENBLAS_CORETYPE"], sys.argv[1:])
"""


def test_the_process_is_started_anew_with_its_arguments(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_CORETYPE"}
    environment["PYTHONPATH"] = os.pathsep.join([str(project.ROOT), str(tmp_path)])
    command = [sys.executable, "-m", "program", "a b"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        printed, _ = process.communicate()
        assert printed == f"{process.pid} SkylakeX ['a b']\n"
