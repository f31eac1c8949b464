"""The Python functions that call a kernel, and what becomes of its results."""
