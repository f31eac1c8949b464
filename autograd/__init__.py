"""Tensors with automatic differentiation: an eager tape, as in PyTorch, over NumPy."""

from .creation import (
    arange,
    as_tensor,
    empty,
    eye,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from .tape import (
    Tape,
    enable_grad,
    is_grad_enabled,
    no_grad,
    record,
    set_grad_enabled,
)
from .tensor import Tensor
from .transforms import grad, value_and_grad
from .picture import Picture, make_dot
from .functions import *  # noqa: F403
