"""Parameters, files and the stage runner."""
