"""Inject faults everywhere and count how many the pipeline survives: `make faults`, after `make repro`.

    python -m tests.faults.run            everything; about half an hour on two processors
    python -m tests.faults.run --quick    a few faults of each kind, chosen by the seed; the tests run this

The exit code is 1 if any fault was not survived.
"""

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

os.environ.update(OPENBLAS_NUM_THREADS="1", MPLBACKEND="agg")  # fork only from a single thread

from tests.faults import inject, kill


class Ledger:
    """Counts the faults that were injected and survived, by kind."""

    def __init__(self):
        self.injected, self.survived = Counter(), Counter()

    def record(self, kind, fault, problems):
        """Count one fault; it was survived if there are no `problems`."""
        if kind not in self.injected:
            print(f"{kind} ...", flush=True)
        problems = list(problems)
        self.injected[kind] += 1
        self.survived[kind] += not problems
        for problem in problems:
            print(f"FAILED {kind}, {fault}: {problem}", flush=True)

    def __str__(self):
        rows = [f"| {kind} | {self.survived[kind]} of {count} |" for kind, count in self.injected.items()]
        total = f"{self.survived.total():,} of {self.injected.total():,} faults survived."
        return "\n".join(["| fault | survived |", "|---|---|", *rows, "", total])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few faults of each kind, none that needs DVC or MNIST")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", metavar="PART")
    options = parser.parse_args()
    rng, ledger = random.Random(options.seed), Ledger()
    stages = rng.sample([*inject.FUNCTIONS], 3) if options.quick else inject.FUNCTIONS

    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary).resolve()
        parts = {
            "stages": lambda: inject.everywhere(directory, ledger, stages, options.quick, rng),
            "resume": lambda: kill.resumed(directory, ledger, options.quick, rng),
            "dvc": lambda: kill.dvc_at_random_moments(directory, ledger, 9, rng),
            "environment": lambda: kill.unusual_environments(directory, ledger),
        }
        for part in options.only or [*parts][: 2 if options.quick else None]:
            parts[part]()
    print(ledger)
    sys.exit(ledger.survived != ledger.injected)


if __name__ == "__main__":
    main()
