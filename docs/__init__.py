"""What is made from the code: `python -m docs.operations` writes `operations.md`."""
