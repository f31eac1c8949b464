"""Tapes of ordinary eager loops whose sweeps are compiled once they have come often enough."""
