"""Marks the tests of what only Unix has: forks, signals, process groups, limits, named pipes."""

import os

import pytest

unix = pytest.mark.skipif(not hasattr(os, "fork"), reason="only on Unix")
