"""`python -m docs.operations`: writes `operations.md`, the table of all primitives, from their registry."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import autograd as ag
from autograd import ops
from autograd.ops.special import Refused
from autograd.primitive import Primitive
from jit.emit.scalar import SCALAR
from jit.emit.special import SPECIAL
from jit.emit.vecmath import VECMATH
from jit.fourier import TRANSFORMS
from jit.lowering import fuse
from jit.lowering.lapack import LAPACK
from jit.lowering.parts import PARTS
from jit.lowering.views import VIEWS
from jit.passes.factors import RULES as FACTORED
from jit.passes.pairs import COMPLEX

FILE = Path(__file__).with_name("operations.md")

HEAD = """# Operations

Every function of the library is one of these primitives or composed of them. A derivative is written in primitives
itself, so it can be differentiated again, to any order, eagerly and compiled. `python -m docs.operations` makes
this page from the registry, and a test keeps it so.

*Derivative by* names the inputs that have one, counted from 0; where one is refused, asking for it is an error.
*Compiled to* a vector function is arithmetic that LLVM vectorises; to an instruction, one or a few; to the library, a
call of SciPy's function by its address; to nothing, strides. *Complex* says which ops a kernel does to complex numbers
too; others it refuses. Eagerly complex numbers go through every op that NumPy has for them.

The gradient of a real loss L by a complex z = x + iy is dL/dx + i dL/dy, the direction in which L grows, as in PyTorch;
`backward` of a complex tensor needs its gradient in that form. The gradient of a real input is real, whatever it was
multiplied by. A tangent in forward mode is the change of the value.
"""


class Convention(NamedTuple):
    """The derivative of a function where mathematics has none, or several."""

    text: str
    function: Callable[[Any], Any]
    at: float
    derivative: float


CONVENTIONS = (
    Convention("`abs` at 0", np.abs, 0.0, 0.0),
    Convention("`relu` at 0", ag.relu, 0.0, 0.0),
    Convention("`sign`, `floor`, `round` everywhere", np.floor, 2.0, 0.0),
    Convention("`maximum`, `minimum` of equal numbers: each has half", lambda x: np.maximum(x, 1.0), 1.0, 0.5),
    Convention("`max`, `min` of equal elements: they share", lambda x: np.max(np.stack([x, 1 + 0 * x])), 1.0, 0.5),
    Convention("`clip` at a bound: that of `x`", lambda x: np.clip(x, 0.0, 1.0), 1.0, 1.0),
    Convention("`mod` where it jumps", lambda x: x % 2.0, 4.0, 1.0),
    Convention("`sqrt` at 0", np.sqrt, 0.0, np.inf),
    Convention("`log` at 0", np.log, 0.0, np.inf),
    Convention("`x**0` at 0", lambda x: x**0.0, 0.0, 0.0),
    Convention("`0**y`", lambda y: 0.0**y, 2.0, 0.0),
    Convention("`norm` of zeros", lambda x: np.linalg.norm(np.stack([x, 2 * x])), 0.0, 0.0),
    Convention("`std` of equal numbers", lambda x: np.std(np.stack([x, 3 * x])), 0.0, 0.0),
    Convention("`hypot` of zeros", lambda x: np.hypot(x, 0.0), 0.0, np.nan),
    Convention("`xlogy(x, 0)` at 0", lambda x: ag.special.xlogy(x, 0.0), 0.0, 0.0),
    Convention("`abs` of a complex number at 0", lambda x: np.abs(x * (1 + 1j)), 0.0, 0.0),
    Convention("`entr` at 0", ag.special.entr, 0.0, np.inf),
    Convention("`sinc` at 0", ag.special.sinc, 0.0, 0.0),
    Convention("`where`: the branch not taken counts for nothing", lambda x: np.where(x > 0, np.sqrt(x), x), 0.0, 1.0),
    Convention("`clip` beyond a bound, as the branch not taken", lambda x: np.clip(np.log(x), -9.0, 9.0), 0.0, 0.0),
    Convention("a plain 0 times an infinite derivative", lambda x: 0 * np.sqrt(x), 0.0, np.nan),
)


def families() -> Iterator[tuple[str, str, list[Primitive]]]:
    """Each page of `autograd.ops` with its first sentence and its primitives, in the order of the page."""
    seen: set[Primitive] = set()
    for module in pkgutil.iter_modules(ops.__path__):
        page = import_module(f"autograd.ops.{module.name}")
        found = [x for x in vars(page).values() if isinstance(x, Primitive) and _is_of(page, x)]
        found = [x for x in dict.fromkeys(found) if x not in seen]
        seen.update(found)
        if found:
            first = (page.__doc__ or "").strip().splitlines()[0]
            yield module.name, first, found


def _is_of(page: Any, primitive: Primitive) -> bool:
    """Whether a primitive is made on that page, not imported from another."""
    source = Path(page.__file__).read_text()
    return f'"{primitive.name}"' in source


def derivatives(primitive: Primitive) -> str:
    """The inputs that have a derivative."""
    if callable(primitive.vjps):
        return "all"
    places = [str(i) for i, rule in enumerate(primitive.vjps) if rule is not None and not isinstance(rule, Refused)]
    refused = [f"{i} refused" for i, rule in enumerate(primitive.vjps) if isinstance(rule, Refused)]
    return ", ".join([*places, *refused]) or "–"


def compiled(primitive: Primitive) -> str:
    """What a kernel does for a primitive."""
    if primitive.name in VECMATH:
        return "vector function"
    if primitive in SCALAR:
        return "library" if primitive in SPECIAL else "instruction"
    if primitive is ops.conj:
        return "instruction"
    for kind, table in (
        ("FFT", TRANSFORMS),
        ("LAPACK", {ops.eig}),
        ("nothing", VIEWS),
        ("loop", fuse.REDUCTIONS),
        ("loop", fuse.MOVES),
        ("loop", PARTS),
        ("LAPACK", LAPACK),
        ("LAPACK", FACTORED),
    ):
        if primitive in table:
            return kind
    return "tiles or BLAS" if primitive is ops.matmul else "loop"


def page() -> str:
    """The text of the page."""
    parts = [HEAD]
    for name, first, primitives in families():
        rows = [
            f"| `{x.name}` | {derivatives(x)} | {compiled(x)} | {'yes' if x in COMPLEX else '–'} |" for x in primitives
        ]
        head = ["| op | derivative by | compiled to | complex |", "|---|---|---|---|"]
        parts.append("\n".join([f"## {name}", "", first, "", *head, *rows, ""]))
    rows = [f"| {x.text} | {x.derivative:g} |" for x in CONVENTIONS]
    parts.append("\n".join(["## Conventions", "", "| where | derivative |", "|---|---|", *rows, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    FILE.write_text(page())
