"""Functions of one example, for many examples at once."""
