"""Inject faults into the pipeline at every point, and count how many it survives: `make faults`.

    python -m tests.faults.run            everything; about half an hour on two processors
    python -m tests.faults.run --quick    a few faults of each kind, chosen by the seed; the tests run this

The report is printed; --report FILE also writes it to a file (`make faults` writes tests/faults/report.md). The exit
code is 1 if any fault was not survived.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from functools import cache
from pathlib import Path

os.environ.update(OPENBLAS_NUM_THREADS="1", MPLBACKEND="agg")  # fork only from a single thread

from tests.faults import environment, inject, kill
from tests.helpers.project import STAGES

MAKERS = inject.Bench, kill.Repository


class Ledger:
    """Counts the faults that were injected and survived, by kind and stage ("all" for the whole pipeline)."""

    def __init__(self):
        self.counts = defaultdict(lambda: [0, 0])  # injected, survived
        self.failures, self.notes = [], []

    def record(self, kind, stage, fault, problems):
        """Count one fault; it was survived if there are no `problems`."""
        if (kind, stage) not in self.counts:
            print(f"{kind}: {stage}", flush=True)
        lines = [f"{kind}, {stage}, {fault}: {problem}" for problem in problems]
        self.counts[kind, stage][0] += 1
        self.counts[kind, stage][1] += not lines
        self.failures += lines
        for line in lines:
            print("FAILED", line, flush=True)

    def total(self, kind=None):
        """The faults injected and survived, of a kind or all."""
        return [sum(count[i] for (k, _), count in self.counts.items() if kind in (None, k)) for i in (0, 1)]

    def report(self):
        """A table of the faults survived, a row for each kind, and what was not survived."""
        stages = [name for name in [*STAGES, "all"] if any(stage == name for _, stage in self.counts)]
        lines = ["| fault | " + " | ".join([*stages, "survived"]) + " |", "|---" * (len(stages) + 2) + "|"]
        for kind in dict.fromkeys(kind for kind, _ in self.counts):
            cells = [str(self.counts[kind, stage][1]) if (kind, stage) in self.counts else "" for stage in stages]
            injected, survived = self.total(kind)
            lines.append(f"| {' | '.join([kind, *cells, f'{survived:,} of {injected:,}'])} |")
        injected, survived = self.total()
        failures = ["Not survived:", "\n".join(f"- {line}" for line in self.failures)] if self.failures else []
        summary = f"{survived:,} of {injected:,} faults survived."
        return "\n\n".join(["\n".join(lines), summary, *self.notes, *failures]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few faults of each kind, none that needs DVC or root")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", metavar="PART")
    parser.add_argument("--report", type=Path, help="also write the report to this file")
    options = parser.parse_args()
    rng, ledger, quick = random.Random(options.seed), Ledger(), options.quick

    stages = [*inject.FUNCTIONS]
    if quick:
        stages = rng.sample(stages, min(4, len(stages)))

    def choose(faults):
        """All of them, or one."""
        faults = list(faults)
        return [rng.choice(faults)] if quick else faults

    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary).resolve()
        bench, repository = (cache(lambda make=make: make(directory / make.__name__)) for make in MAKERS)
        parts = {
            "calls": lambda: inject.at_calls(bench(), ledger, stages, choose),
            "bytes": lambda: inject.at_bytes(bench(), ledger, stages, choose, 5, rng),
            "resume": lambda: kill.resumed(directory, ledger, quick, rng),
            "disk": lambda: with_small_disk(directory / "disk", ledger, choose, rng),
            "dvc": lambda: kill.dvc_at_random_moments(repository(), ledger, 9, rng),
            "orphan": lambda: kill.orphaned_stage(repository(), ledger),
            "links": lambda: kill.linked_caches(repository(), ledger),
            "environment": lambda: environment.unusual_environments(directory, ledger),
            "memory": lambda: environment.full_size(directory, ledger),
        }
        for part in options.only or [*parts][: 3 if quick else None]:  # the first need neither DVC nor root
            parts[part]()

    ledger.notes.append(f"Seed {options.seed}.")
    report = ledger.report()
    if options.report:
        options.report.write_text(f"# Faults injected and survived\n\n{report}", encoding="utf-8", newline="\n")
    print(report)
    sys.exit(1 if ledger.failures else 0)


def with_small_disk(root, ledger, choose, rng):
    """Mount a file system of 32 MiB, which needs root, and fill it."""
    root.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", root], capture_output=True, check=False)
    if mount.returncode:
        ledger.notes.append("The full disk was skipped: mounting a small one needs root.")
        return
    try:
        inject.full_disk(inject.Bench(root / "copy"), ledger, choose, 40, rng)
    finally:
        subprocess.run(["umount", root], check=True)


if __name__ == "__main__":
    main()
