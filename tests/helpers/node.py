"""Run the page's JavaScript in Node, with arrays in and out bit for bit."""

import base64
import json
import shutil
import subprocess

import numpy as np
import pytest

from stages.page import SOURCES

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(not NODE, reason="needs Node: apt-get install nodejs")
TWINS = "exact functions random layers losses network initializers optimizers schedules training trainer"
PRELUDE = """
const decode = (_, v) => v?.base64 === undefined ? v : new (v.kind === "float32" ? Float32Array : Float64Array)(
  Uint8Array.from(Buffer.from(v.base64, "base64")).buffer);
const text = (v) => Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString("base64");
const kind = (v) => v.constructor.name.slice(0, -5).toLowerCase();
const encode = (_, v) => (ArrayBuffer.isView(v) ? { kind: kind(v), base64: text(v) } : v);
"""


def evaluate(code, **values):
    """What `code`, the body of a function of `values`, returns after the twins of stages/nn have been loaded."""
    sources = [(SOURCES / f"{name}.js").read_text() for name in TWINS.split()]
    text = json.dumps(json.dumps(values, default=encode))
    call = f"(async (values) => {{ {code} }})(JSON.parse({text}, decode))"
    end = ".then((result) => { process.stdout.write(JSON.stringify(result, encode), () => process.exit()); });"
    script = "\n".join([*sources, PRELUDE, call + end])
    done = subprocess.run([NODE or "", "-"], input=script, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout, object_hook=decode)


def encode(array):
    return {"kind": str(array.dtype), "base64": base64.b64encode(array.tobytes()).decode()}


def decode(value):
    return np.frombuffer(base64.b64decode(value["base64"]), value["kind"]) if "base64" in value else value
