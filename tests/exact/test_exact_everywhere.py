"""The committed digest comes out with every kernel of OpenBLAS that the processor can run, and without NumPy's SIMD.

Other processors and other versions of NumPy: `make everywhere`.
"""

import re
import sys

import pytest

from tests.exact import everywhere
from tests.exact.digest import EXPECTED
from tests.exact.everywhere import Failure, System, extensions, kernels, native


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


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page for the table, and systems that print a digest and a description."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- systems: here -->\n\nold\n\n<!-- end of systems -->\nafter")
    monkeypatch.setattr(everywhere, "PAGE", page)
    monkeypatch.setattr(System, "run", lambda system, *arguments: f'{EXPECTED}\n{{"machine": "m68k"}}\n')
    monkeypatch.setattr(
        System, "outputs", lambda system: {"metrics": "1", "figure": system.environment.get("ZLIB", "1")}
    )
    return page


def test_the_table_takes_the_place_of_the_old_one(page, monkeypatch):
    monkeypatch.setattr(everywhere, "systems", lambda: [("one", native, True), ("two", native, False)])
    everywhere.main()
    everywhere.main()
    text = page.read_text()
    assert [text.count(f"| {name} | m68k | {EXPECTED[:12]} |") for name in ("one", "two")] == [1, 1]
    assert text.startswith("before\n<!--")
    assert text.endswith("-->\nafter")


def not_there():
    raise Failure("there is no qemu here")


@pytest.mark.parametrize(
    ("maker", "line"),
    [
        (not_there, "there is no qemu here"),
        (lambda: native(ZLIB="2"), "the pipeline makes other bytes here: figure"),
        (
            lambda: everywhere.emulated("arm64", "a64fx"),
            "there is no qemu-aarch64-static here; install qemu-user-static",
        ),
    ],
)
def test_a_system_that_fails_gets_a_line_and_there_is_no_table(maker, line, page, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(everywhere, "systems", lambda: [("one", maker, True), ("two", native, False)])
    with pytest.raises(SystemExit, match="everywhere: 1 of the systems failed"):
        everywhere.main()
    assert capsys.readouterr().err == f"one: {line}\n"
    assert "m68k" not in page.read_text()


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["no-such-command"], "there is no no-such-command here"),
        ([sys.executable, "-c", "import sys; print('a'); sys.exit('b')"], "b"),
        ([sys.executable, "-c", "raise SystemExit(3)"], f"{sys.executable} ended with 3"),
    ],
)
def test_a_command_that_fails_is_explained_by_its_last_line(command, line):
    with pytest.raises(Failure, match=f"^{re.escape(line)}$"):
        everywhere.call(command)
