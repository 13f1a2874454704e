"""The commands of a documentation page, the output that the page shows, and their output when they are run."""

import re
import subprocess
from dataclasses import dataclass

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


def run(commands, directory, environment):
    """Run commands in one shell, as if typed; store the output and the exit code of each."""
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


def without_numbers(line):
    """A line with its numbers, digests and times replaced and its spacing normalized.

    Numbers of files stay: they are the same for the fixture's digits.
    """
    line = re.sub(r"[-+]?\b[0-9a-f]{7,}\b|[-+]?\d[\d.,:e-]*+(?! files?\b)( [AP]M)?", "#", line)
    return re.sub(r"\s+", " ", re.sub("[─├└]", "", line)).strip()
