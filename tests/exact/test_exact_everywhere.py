"""The committed digest comes out with every kernel of OpenBLAS that the processor can run, and without NumPy's SIMD.

Other processors and other versions of NumPy: `make everywhere`.
"""

import re

import pytest

from tests.exact import everywhere
from tests.exact.digest import EXPECTED
from tests.exact.everywhere import extensions, kernels, native


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
