"""Start workers for sweeps on a cluster: Dask's own command with the settings that trainings need.

    python -m experiments.worker tcp://HOST:8786 --nthreads 1 --nworkers 4

Takes the options of `dask worker`. Run it in the project's directory.
"""

import dask
from distributed.cli.dask_worker import main

from experiments.engine import SETTINGS

if __name__ == "__main__":
    dask.config.set(SETTINGS)
    main()
