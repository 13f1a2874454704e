"""The page's data: what is packed can be unpacked, and nothing in it can end the script that holds it."""

import base64
import json

import numpy as np
import pytest

from stages.report.page import as_text, assemble, pack

RNG = np.random.default_rng(0)


def unpacked(data, size):
    """The pixels in runs, as the page reads them."""
    image, at = np.zeros(size, np.uint8), 0
    while data:
        zeros, others = data[:2]
        image[at + zeros : at + zeros + others] = list(data[2 : 2 + others])
        at, data = at + zeros + others, data[2 + others :]
    assert at == size
    return image


@pytest.mark.parametrize("bright", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("size", [1, 255, 256, 784, 5000])
def test_a_packed_image_is_unpacked(bright, size):
    image = (RNG.integers(1, 256, size) * (RNG.random(size) < bright)).astype(np.uint8)
    packed = pack(image)
    assert np.array_equal(unpacked(packed, size), image)
    assert len(packed) <= 2 * size + 2


def test_numbers_are_little_endian_floats_in_base64():
    values = np.array([[0.5, -2], [np.pi, 1e-40]])
    for array in (values.astype(np.float32), values.astype(">f4"), values):
        assert np.array_equal(np.frombuffer(base64.b64decode(as_text(array)), "<f4"), values.ravel().astype("<f4"))
    assert base64.b64decode(as_text(b"\0\xff")) == b"\0\xff"


def test_names_in_braces_become_the_files_and_nothing_else_does(tmp_path):
    (tmp_path / "page.html").write_text("<style>{{ a.css }}</style><script>{{ data }}</script>{{ b.js }} {{data}}")
    (tmp_path / "a.css").write_text("p { color: red }\n")
    (tmp_path / "b.js").write_text(r"const a = '\1 \n {{ data }}';" "\n")
    data = {"classes": ["</script><b>", "\N{HIRAGANA LETTER O} {{ a.css }}"]}
    page = assemble(tmp_path, data)
    start, rest = page.split("<script>")
    script, end = rest.split("</script>")
    assert start == "<style>p { color: red }</style>"
    assert json.loads(script) == data
    assert end == r"const a = '\1 \n {{ data }}'; {{data}}"
    with pytest.raises(ValueError, match="JSON"):
        assemble(tmp_path, {"a": float("nan")})
