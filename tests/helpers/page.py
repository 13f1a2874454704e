"""The commands of a documentation page, the output that the page shows, and their output when they are run."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.helpers import project

IDENTITY = {f"GIT_{who}_{what}": "you@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
END = "--- exit code"


@dataclass
class Command:
    line: str
    shown: str  # on the page
    code: int | None = None
    output: str = ""


def commands(text):
    """The commands of a page, in order: what follows `$ ` in its console blocks, with continuation lines."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line, shown in re.findall(r"^\$ ((?:.*\\\n)*.*\n)((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            found.append(Command(line, shown))
    return found


def clone(finished, root):
    """A clone of a finished run at `root`, with an environment of the programs of this one, as `make` would make it."""
    origin = root.with_name("origin")
    origin.mkdir()
    for command in (
        ("cp", "-r", f"{finished}/.", "."),
        ("git", "add", "."),
        ("git", "commit", "--quiet", "--message", "All"),
        ("git", "clone", "--quiet", ".", str(root)),
    ):
        project.must(origin, *command, **IDENTITY)
    programs = root / ".venv/bin"
    programs.mkdir(parents=True)
    shutil.copy(Path(sys.prefix, "bin/dvc"), programs)
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (programs / "python").chmod(0o755)
    activate = Path(sys.prefix, "bin/activate").read_text(encoding="utf-8")
    (programs / "activate").write_text(activate.replace(sys.prefix, str(root / ".venv")), encoding="utf-8")
    (root / ".venv/installed").write_text(f"{(root / '.venv').resolve()}\n")  # `make` has nothing to install
    (root / ".venv/s3").touch()
    return root


def run(commands, directory):
    """Run commands in one shell, as if typed; store the output and the exit code of each."""
    environment = project.environment(directory, **IDENTITY, DVC_SITE_CACHE_DIR=str(directory.parent / "site"))
    done = subprocess.run(
        ["bash", "-c", "".join(f"{command.line}code=$?; echo; echo {END} $code\n" for command in commands)],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    parts = re.split(rf"\n{END} (\d+)\n", done.stdout)
    for command, output, code in zip(commands, parts[::2], parts[1::2], strict=False):
        command.output, command.code = output, int(code)


def check(command, root):
    """It failed if and only if the page shows that, and printed each line of the page, except for its numbers."""
    assert command.code is not None, "never ran: an earlier command ended the shell"
    output = command.output.replace(str(root.parent), "/home/you")
    assert (command.code != 0) == any(word in command.shown for word in ("ERROR", "CONFLICT")), output
    lines = {without_numbers(line) for line in output.splitlines()}
    for line in command.shown.splitlines():
        assert line == "..." or without_numbers(line) in lines, f"not printed: {line}\n{output}"


def without_numbers(line):
    """A line with its numbers, digests and times replaced and its spacing normalized.

    Numbers of files stay: they are the same for the fixture's digits.
    """
    line = re.sub(r"[-+]?\b[0-9a-f]{7,}\b|[-+]?\d[\d.,:e-]*+(?! files?\b)( [AP]M)?", "#", line)
    return re.sub(r"\s+", " ", re.sub("[─├└]", "", line)).strip()
