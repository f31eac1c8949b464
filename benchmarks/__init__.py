"""Times our gradients beside other libraries' on public workloads: `python -m benchmarks --help`."""
