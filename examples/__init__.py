"""Programs that show what the library does, each run with `python -m examples.<name>`."""
