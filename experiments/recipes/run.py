"""Run the trials that results.csv lacks, one per processor core or on a cluster.

    python -m experiments.recipes.run                 those of all recipes and ablations
    python -m experiments.recipes.run quick default   those of these

Each finished trial is written at once: an interrupted run loses the trials that were running, and the next one does the
rest. An ablation that a sweep has run is not run again.
"""

import sys
from collections.abc import Sequence

from experiments.command import command
from experiments.recipes import resolve
from experiments.table import RESULTS, Table
from experiments.trial import Row, Trial


def run(wanted: Sequence[Trial], models: Sequence[Trial] = ()) -> list[Row]:
    """Complete results.csv; return the rows of the wanted trials. Raises ChildProcessError when some have none."""
    table = Table(RESULTS, keep_models=True)
    table.listed = resolve.load()[1]
    rows = table.run(wanted, models)
    if failed := sum(bool(row.problem) for row in rows):
        raise ChildProcessError(f"{failed} of {len(rows)} trials failed; their rows in {RESULTS} say why")
    return rows


if __name__ == "__main__":
    with command():
        run(resolve.load(sys.argv[1:])[1])
