"""The commands of a page, what the page says that they print, and what they print when they are run."""

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
    """The commands of a page, in order: what follows `$ ` in its console blocks, with the lines that it goes on for."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line, shown in re.findall(r"^\$ ((?:.*\\\n)*.*\n)((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            found.append(Command(line, shown))
    return found


def run(commands, directory, environment):
    """Run commands in one shell, as someone types them; note what each printed and how it ended."""
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


def same_but_for_numbers(line):
    """What is left of a line when numbers, digests and times, their order and the room that they take do not count.

    How many files there are does count: it is the same for other digits.
    """
    line = re.sub(r"[-+]?\b[0-9a-f]{7,}\b|[-+]?\d[\d.,:e-]*+(?! files?\b)( [AP]M)?", "#", line)
    return re.sub(r"\s+", " ", re.sub("[─├└]", "", line)).strip()
