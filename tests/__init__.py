"""The tests, one file a module of the library, and what they share."""
