"""From programs to machine code, and the kernels that are kept, in memory and on the disk."""
