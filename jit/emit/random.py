"""Random bits: Threefry, as `autograd.ops.random` says, on halves of 32 bits, so that it vectorises."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from autograd.ops.random import PARITY, ROTATIONS, ROUNDS

_WORD, _WHOLE = ir.IntType(32), ir.IntType(64)
_HALF = ir.Constant(_WHOLE, 32)


def random_bits(b: ir.IRBuilder, dtype: np.dtype[Any], key: ir.Value, counter: ir.Value) -> ir.Value:
    """64 random bits of a key and a counter."""
    schedule = list(_halves(b, key))
    schedule.append(b.xor(b.xor(*schedule), ir.Constant(_WORD, PARITY)))
    x, y = _halves(b, counter)
    x, y = b.add(x, schedule[0]), b.add(y, schedule[1])
    for i in range(ROUNDS):
        for bits in ROTATIONS[i % 2]:
            x = b.add(x, y)
            y = b.or_(b.shl(y, ir.Constant(_WORD, bits)), b.lshr(y, ir.Constant(_WORD, 32 - bits)))
            y = b.xor(y, x)
        x = b.add(x, schedule[(i + 1) % 3])
        y = b.add(b.add(y, schedule[(i + 2) % 3]), ir.Constant(_WORD, i + 1))
    return b.or_(b.zext(x, _WHOLE), b.shl(b.zext(y, _WHOLE), _HALF))


def _halves(b: ir.IRBuilder, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    return b.trunc(x, _WORD), b.trunc(b.lshr(x, _HALF), _WORD)
