"""The committed digest comes out with every kernel of OpenBLAS that the processor can run, and without NumPy's SIMD.

Other processors and other versions of NumPy: `make everywhere`.
"""

import re

import pytest

from tests.exact import everywhere
from tests.exact.digest import EXPECTED
from tests.exact.everywhere import System, extensions, kernels, native


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("kernel", kernels())
def test_every_kernel_and_number_of_threads_gives_the_committed_digest(kernel, threads):
    digest, facts = native(OPENBLAS_CORETYPE=kernel, OPENBLAS_NUM_THREADS=threads).train()
    assert facts["kernel"] == kernel
    assert digest == EXPECTED


def test_without_simd_numpy_gives_the_committed_digest():
    system = native(NPY_DISABLE_CPU_FEATURES=extensions())
    assert system.run("-c", "from tests.exact.everywhere import extensions; print(extensions())") == "\n"
    assert system.train()[0] == EXPECTED


UNROUNDED = """
from tests.exact import digest
from stages.nn import layers, network
layers.rounded = network.rounded = lambda a, rng=None: a
print(digest.digest())
"""


@pytest.mark.skipif(len(kernels()) < 2, reason="one kernel alone has nothing to differ from")
def test_without_rounding_the_digest_differs_between_kernels():
    one, other = (native(OPENBLAS_CORETYPE=kernel).run("-c", UNROUNDED) for kernel in kernels()[:2])
    assert one != other


def test_the_table_is_of_the_committed_digest():
    page = everywhere.PAGE.read_text(encoding="utf-8")
    table = re.search(r"<!-- systems: .*? -->\n\n(.*?)\n\n<!-- end of systems -->", page, re.DOTALL)[1]
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    assert len(rows) > 10
    assert {row[everywhere.COLUMNS.index("digest")] for row in rows} == {EXPECTED[:12]}


def test_a_system_that_fails_gets_a_line_and_there_is_no_table(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    page.write_text(before := "before\n<!-- systems: here -->\n\nold\n\n<!-- end of systems -->\nafter")
    monkeypatch.setenv("PATH", "")  # no QEMU
    monkeypatch.setattr(everywhere, "PAGE", page)
    monkeypatch.setattr(System, "run", lambda system, *arguments: f'{EXPECTED}\n{{"machine": "m68k"}}\n')
    monkeypatch.setattr(System, "outputs", lambda system: {"figure": system.environment.get("ZLIB", "1")})
    good = [("one", native, True), ("two", native, False)]
    bad = [("three", lambda: native(ZLIB="2"), True), ("four", lambda: everywhere.emulated("arm64", "a64fx"), False)]
    monkeypatch.setattr(everywhere, "systems", lambda: good + bad)
    with pytest.raises(SystemExit, match="everywhere: 2 of the systems failed"):
        everywhere.main()
    missing = "four: there is no qemu-aarch64-static here; install qemu-user-static"
    assert capsys.readouterr().err == f"three: the pipeline makes other bytes here: figure\n{missing}\n"
    assert page.read_text() == before
    monkeypatch.setattr(everywhere, "systems", lambda: good)
    everywhere.main()
    rows = [f"| {name} | m68k | {EXPECTED[:12]} |" for name in ("one", "two")]
    assert re.fullmatch(
        rf"before\n<!--.*{re.escape(rows[0])}.*\n{re.escape(rows[1])}.*-->\nafter", page.read_text(), re.S
    )
