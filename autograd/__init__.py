"""Tensors with automatic differentiation: an eager tape, as in PyTorch, over NumPy."""

from .tape import (
    Tape,
    enable_grad,
    is_grad_enabled,
    no_grad,
    record,
    set_grad_enabled,
)
from .tensor import Tensor
