"""Start a scheduler for sweeps: Dask's own command, on loopback unless TLS is on.

    python -m experiments.cluster.scheduler [--protocol tls --port 8786]

Takes the options of `dask scheduler`.
"""

import sys

from distributed.cli.dask_scheduler import main

if __name__ == "__main__":
    private = [] if {"tls", "--protocol=tls"} & {*sys.argv} else ["--host", "127.0.0.1"]
    main(["--no-dashboard", "--dashboard-address", "127.0.0.1:0", *sys.argv[1:], *private])
