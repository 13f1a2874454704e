"""A Python that has already loaded its libraries, so that tests run the pipeline a hundred times in a few minutes.

`started()` gives a directory for the front of PATH that holds a `dvc` and a `python`. `dvc` and `python -m` pass their
arguments, environment, directory and streams to a server. The server has imported DVC, NumPy and Matplotlib, but no
module of this project. It forks, and the child does what `python -m` does. To its parent the command looks like any
other: it has that parent and process group, and when it is killed, the child dies too.
"""

import contextlib
import io
import json
import os
import runpy
import select
import shlex
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import traceback
from importlib import import_module
from pathlib import Path

LOADED = """
configobj dulwich.worktree dvc.cachemgr dvc.cli.parser dvc.data_cloud dvc.lock dvc.render dvc.repo.artifacts
dvc.repo.datasets dvc.repo.experiments.queue.celery dvc.repo.graph dvc.repo.index dvc.repo.metrics dvc.repo.open_repo
dvc.repo.params dvc.repo.plots dvc.repo.reproduce dvc.repo.stage dvc.rwlock dvc.scm dvc.stage.cache
dvc.utils.strictyaml dvc_data.hashfile.db.local dvc_data.hashfile.status dvc_render.image dvc_render.vega flatten_dict
fsspec.implementations.memory matplotlib.backends.backend_agg matplotlib.figure networkx numpy.random
PIL.BmpImagePlugin PIL.GifImagePlugin PIL.JpegImagePlugin PIL.PpmImagePlugin platformdirs.unix psutil
pydantic.dataclasses requests ruamel.yaml scmrepo.git scmrepo.noscm tarfile threadpoolctl tqdm yaml
zc.lockfile
"""


def warm_up():
    """Import the libraries, and draw a figure, so that fonts are loaded, too."""
    for name in LOADED.split():
        import_module(name)
    figure = import_module("matplotlib.figure").Figure(layout="constrained")
    figure.suptitle("Warm", weight="bold")
    figure.subplots().semilogy([1, 1000], label="up")
    figure.legend()
    figure.savefig(io.BytesIO())


@contextlib.contextmanager
def started():
    """Give the directory with the two commands, which work until the block ends."""
    with tempfile.TemporaryDirectory() as directory:
        address = f"{directory}/socket"
        server = subprocess.Popen([sys.executable, __file__, "serve", address], stdout=subprocess.PIPE)
        assert server.stdout
        server.stdout.readline()  # it is listening
        for name, arguments in (("python", []), ("dvc", ["-m", "dvc"])):
            command = shlex.join([sys.executable, "-IS", __file__, "ask", address])
            cold = f'[ "$1" = -m ] || exec {shlex.quote(sys.executable)} "$@"\n' if name == "python" else ""
            path = Path(directory, name)
            path.write_text(f'#!/bin/sh\n{cold}exec {command} "$0" {shlex.join(arguments)} "$@"\n')
            path.chmod(0o755)
        yield directory
        server.terminate()
        server.communicate()


def ask(address, program, *command):
    """Be the command: let the server run it, and exit with its code."""
    order = {
        "program": program,
        "command": command,
        "directory": str(Path.cwd()),
        "environment": dict(os.environ),
        "parent": os.getppid(),
        "group": os.getpgrp(),
    }
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [b"."], [0, 1, 2])
        connection.sendall(json.dumps(order).encode())
        connection.shutdown(socket.SHUT_WR)
        sys.exit(int(connection.makefile().readline()))


class Run(socketserver.StreamRequestHandler):
    """Runs a command, in a fork of the server."""

    def handle(self):
        _, streams, *_ = socket.recv_fds(self.request, 1, 3)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
        order = json.loads(self.rfile.read())
        os.chdir(order["directory"])
        os.environ.clear()
        os.environ.update(order["environment"])
        os.getppid, os.getpgrp = (lambda: order["parent"]), (lambda: order["group"])
        threading.Thread(target=self.die_with_asker, daemon=True).start()
        sys.path[0] = order["directory"]
        _, *sys.argv = order["command"]  # without -m
        code = 1
        try:
            if sys.argv[0] == "dvc":
                sys.argv[0] = order["program"]  # DVC shows it to others that it keeps waiting
                from dvc.cli import main

                code = main(sys.argv[1:])
            else:
                runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
                code = 0
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
            else:
                code = end.code or 0
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        self.wfile.write(f"{code}\n".encode())

    def die_with_asker(self):
        """Wait until the asking process closes the connection before it has an answer: it was killed."""
        poll = select.poll()
        poll.register(self.request, 0)  # only for the end of the connection
        poll.poll()
        os.kill(os.getpid(), signal.SIGKILL)


def serve(address):
    """Run commands until the process that started this one ends."""

    class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
        parent = os.getppid()
        max_children = 100

        def service_actions(self):
            super().service_actions()
            if os.getppid() != self.parent:
                sys.exit()  # the tests were killed

    with Server(address, Run) as server:
        print("listening", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    what, address, *command = sys.argv[1:]
    if what == "ask":
        ask(address, *command)
    warm_up()
    serve(address)
