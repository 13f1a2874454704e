"""Start workers for sweeps: Dask's own command with the settings that training needs.

    python -m experiments.cluster.worker tls://HOST:8786 --nthreads 1 --nworkers 4

Takes the options of `dask worker`. Run it in the project's directory.
"""

import sys

import dask
from distributed.cli.dask_worker import main

from experiments.cluster.connect import SETTINGS, check_private
from experiments.cluster.execute import IDENTITY
from stages.pipeline import stage

if __name__ == "__main__":
    options = ["--resources", f"{IDENTITY}=1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0", *sys.argv[1:]]
    address = next((word for word in sys.argv[1:] if "://" in word), "")
    try:
        options += ["--host", "127.0.0.1"] if check_private(address) else []
    except OSError as error:
        stage.fail("worker", error, 2)
    dask.config.set(SETTINGS)
    main(options)
