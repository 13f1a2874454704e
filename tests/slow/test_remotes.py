"""The commands of docs/remotes.md, run in order, print what the page shows. The store is an S3 server, started here."""

import re
import shutil

import pytest
import requests

from tests.helpers import page, project
from tests.helpers.unix import unix

moto = pytest.importorskip("moto.server", reason="not installed: `make .venv/dev`")
pytest.importorskip("dvc_s3", reason="not installed: `make .venv/dev`")
TEXT = (project.ROOT / "docs/remotes.md").read_text(encoding="utf-8")
COMMANDS = page.commands(TEXT)
IDS = [f"{number}: {command.line.strip()}" for number, command in enumerate(COMMANDS)]
pytestmark = [pytest.mark.xdist_group("the page of remotes is run once"), unix]


@pytest.fixture(scope="module")
def walk(finished, tmp_path_factory):
    """The directory of the clone, after all commands of the page have run in it."""
    root = page.clone(finished, tmp_path_factory.mktemp("remotes") / "digits")
    shutil.copytree(project.FIXTURE, root.parent / "incoming")
    server = moto.ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    here = {"https://s3.example.org": endpoint, "/home/you": str(root.parent)}
    try:
        assert requests.put(f"{endpoint}/digits", timeout=10).ok  # makes the bucket
        for command in COMMANDS:
            command.line = re.sub("|".join(here), lambda match: here[match[0]], command.line)
        page.run(COMMANDS, root)
    finally:
        server.stop()
    return root


@pytest.mark.parametrize("command", COMMANDS, ids=IDS)
def test_a_command_prints_what_the_page_shows(walk, command):
    page.check(command, walk)
