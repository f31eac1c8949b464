"""Which recording of a function answers a call."""
