"""Random bits as a function of a key and a counter: nothing is remembered, so a kernel computes them anywhere.

The function is Threefry-2x32 with 20 rounds, from Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..lengths import broadcast_shapes
from ..primitive import Aval, Primitive

#: By how many bits each round rotates; after every fourth the key is added.
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
ROUNDS = 5
PARITY = 0x1BD11BDA

_UINT64 = np.dtype(np.uint64)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
#: So many elements are computed together, for then what lies between stays in the cache.
_BLOCK = 1 << 13


def _eval(key: Any, counter: Any) -> Any:
    shape = np.broadcast_shapes(np.shape(key), np.shape(counter))
    keys = np.broadcast_to(np.asarray(key, _UINT64), shape).reshape(-1)
    counters = np.broadcast_to(np.asarray(counter, _UINT64), shape).reshape(-1)
    out = np.empty(counters.size, _UINT64)
    for start in range(0, out.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        out[part] = _threefry(keys[part], counters[part])
    return out.reshape(shape)[()]


def _threefry(key: Any, counter: Any) -> Any:
    schedule = [(key & _LOW).astype(np.uint32), (key >> _HALF).astype(np.uint32)]
    schedule.append(schedule[0] ^ schedule[1] ^ np.uint32(PARITY))
    x = (counter & _LOW).astype(np.uint32) + schedule[0]
    y = (counter >> _HALF).astype(np.uint32) + schedule[1]
    for i in range(ROUNDS):
        for bits in ROTATIONS[i % 2]:
            x += y
            rotated = y << np.uint32(bits)
            y >>= np.uint32(32 - bits)
            y |= rotated
            y ^= x
        x += schedule[(i + 1) % 3]
        y += schedule[(i + 2) % 3] + np.uint32(i + 1)
    return x | (y.astype(_UINT64) << _HALF)


random_bits = Primitive(
    "random_bits",
    eval=_eval,
    aval=lambda key, counter: Aval(broadcast_shapes(key.shape, counter.shape), _UINT64),
    elementwise=True,
)
