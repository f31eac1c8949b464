"""Every workload in each other library's best form; one module a library, loaded in a process of its own."""
