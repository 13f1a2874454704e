"""Real workers: the same table for any number of them, whatever is killed, and never by different code."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import psutil
import pytest
from distributed import Client, Security

from experiments.cluster import connect, execute
from experiments.table import SWEEPS, read_lines
from tests.helpers import project
from tests.helpers.processes import wait_for, workers

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clusters")]
SWEEP = """
about: two short trials, then one that takes a few seconds
base: default
axes: {train.epochs: [2, 8, 300]}
"""
TABLE = SWEEPS / "some.csv"


def table():
    """The lines of the sweep's table, without what differs from run to run."""
    left_out = ("seconds", "worker")
    return [{key: value for key, value in line.items() if key not in left_out} for line in read_lines(TABLE)]


@contextmanager
def started(*command, directory=".", **variables):
    """A process in a group of its own, killed at the end."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    settings = {"cwd": directory, "env": {**os.environ, **variables}, "start_new_session": True}
    process = subprocess.Popen([sys.executable, "-m", *map(str, command)], **streams, **settings)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def lines():
    """The number of finished trials."""
    return len(TABLE.read_text().splitlines()) - 1 if TABLE.exists() else 0


def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_whatever_is_killed_the_same_command_resumes(lab):
    (SWEEPS / "some.yaml").write_text(SWEEP)
    checkpoints = lab / execute.CHECKPOINTS
    command = "experiments.sweeps.sweep", "some"
    with started(*command, WORKERS="1") as process:  # the program
        wait_for(lambda: lines() == 2)
        (worker,) = workers(process)
        os.killpg(process.pid, signal.SIGSTOP)  # or it might be done before the second one starts
        second = project.run(lab, sys.executable, "-m", *command)
        assert "is running here" in second.stderr
        process.kill()
        os.killpg(process.pid, signal.SIGCONT)
    wait_for(lambda: not alive(worker))
    before = TABLE.read_text()
    with started(*command, WORKERS="1") as process:  # Ctrl-C
        children = wait_for(lambda: workers(process))
        wait_for(lambda: checkpoints.exists() and list(checkpoints.glob("*.npz")))
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (130, "experiments: interrupted; run the same command to resume\n")
        assert not any(map(alive, children))
    with started(*command, WORKERS="1") as process:  # a worker
        wait_for(lambda: "1 trials to run, 2 done before" in process.stdout.readline())
        wait_for(lambda: "1 worker" in process.stdout.readline())
        (worker,) = workers(process)
        os.kill(worker, signal.SIGKILL)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert TABLE.read_text().startswith(before)
    assert lines() == 3
    assert not list(checkpoints.glob("*.npz"))
    resumed = table()
    TABLE.unlink()
    project.must(lab, sys.executable, "-m", *command, WORKERS="3")
    assert table() == resumed  # whatever was killed, and for any number of workers


def test_workers_elsewhere_prepare_for_themselves_and_only_equal_code_is_used(lab, tmp_path):
    (SWEEPS / "some.yaml").write_text(SWEEP)
    shutil.rmtree(execute.CACHE)
    other = shutil.copytree(lab, tmp_path / "other")
    losses = other / "stages/nn/losses.py"
    losses.write_text(losses.read_text() + "# changed\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    command = "experiments.sweeps.sweep", "some"

    def worker(name, directory=".", **variables):
        options = ["--nthreads", "1", "--no-nanny", "--name", name]
        return started("experiments.cluster.worker", address, *options, directory=directory, **variables)

    with ExitStack() as stack:
        stack.enter_context(started("experiments.cluster.scheduler", "--port", port))
        stack.enter_context(worker("other", other))
        process = stack.enter_context(started(*command, SCHEDULER=address))
        wait_for(lambda: "no workers; trials wait for one" in process.stdout.readline())
        wait_for(lambda: "is not used: it has code-" in process.stderr.readline())
        with Client(address) as client:
            addresses = [each["host"] for each in client.scheduler_info()["workers"].values()]
        assert addresses == ["127.0.0.1"]  # a worker of a scheduler on loopback listens there alone
        stack.enter_context(worker("far", OPENBLAS_CORETYPE="Nehalem"))
        wait_for(lambda: lines() == 2)
    assert not (SWEEPS / "some.md").exists()
    assert {line["worker"] for line in read_lines(TABLE)} == {"far"}
    assert len(list(execute.CACHE.glob("*/train_images.npy"))) == 1
    assert not (other / execute.CACHE).exists()
    before = table()
    with ExitStack() as stack:
        first = stack.enter_context(started("experiments.cluster.scheduler", "--port", port))
        stack.enter_context(worker("one"))
        process = stack.enter_context(started(*command, SCHEDULER=address))
        wait_for(lambda: "1 worker" in process.stdout.readline())
        time.sleep(1)
        first.kill()  # the client waits for it, and submits its trial again
        first.wait()
        time.sleep(connect.SECONDS + 2)
        stack.enter_context(started("experiments.cluster.scheduler", "--port", port))
        stack.enter_context(worker("two"))
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert table()[:2] == before
    assert lines() == 3
    done = project.run(lab, sys.executable, "-m", "experiments.cluster.worker", "tcp://192.0.2.1:8786")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "neither on this machine nor tls://" in done.stderr


def test_with_tls_nothing_else_listens_beyond_this_machine(lab):
    """Nor do dashboards: one port of the scheduler and one of the worker, for their own protocol."""
    tls, prefix = Security.temporary(), "DASK_DISTRIBUTED__COMM__TLS__"
    pems = {
        "CA_FILE": tls.tls_ca_file,
        "SCHEDULER__CERT": tls.tls_scheduler_cert,
        "SCHEDULER__KEY": tls.tls_scheduler_key,
    }
    pems |= {"WORKER__CERT": tls.tls_worker_cert, "WORKER__KEY": tls.tls_worker_key}
    for name, pem in pems.items():
        (lab / name).write_text(pem)
    variables = {f"{prefix}{name}": str(lab / name) for name in pems}

    def public(process):
        found = [each.laddr for each in psutil.Process(process.pid).net_connections() if each.status == "LISTEN"]
        beyond = {address.port for address in found if address.ip != "127.0.0.1"}
        return len({address.port for address in found}) > 1 and beyond

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    scheduler = started("experiments.cluster.scheduler", "--protocol", "tls", "--port", port, **variables)
    worker = started("experiments.cluster.worker", f"tls://127.0.0.1:{port}", "--no-nanny", **variables)
    with scheduler as first, worker as second:
        assert wait_for(lambda: public(first)) == {port}
        assert len(wait_for(lambda: public(second))) == 1
