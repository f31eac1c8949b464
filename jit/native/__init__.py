"""Kernels as functions of C, for other compiled code."""
