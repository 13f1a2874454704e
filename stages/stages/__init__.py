"""Makes `python stages/train.py` do what `python -m stages.train` does.

Python searches the directory of a script, stages/, and finds `stages` there: this package. It stands for the directory
above, where the modules are.
"""

import sys
from pathlib import Path

STAGES = Path(__file__).parents[1]
sys.path[0] = str(STAGES.parent)  # so that no library finds a stage's module instead of its own
__path__ = [str(STAGES)]
