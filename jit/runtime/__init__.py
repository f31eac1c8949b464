"""What kernels call while they run: the pool of threads, and functions of the user's own."""
