"""Sparse Jacobians and Hessians: structure from the recorded graph, values from few products, into `scipy.sparse`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from copy import copy
from typing import Any, Unpack

import numpy as np
from scipy.sparse import csr_array

from autograd import Tensor
from autograd.tape import current_tape
from autograd.transforms import Argnums, positions_of
from autograd.tree import LEAF

from ..calling.caller import Result
from ..dispatch.compiled import Compiled
from ..dispatch.recordings import Options
from ..native.native_kernel import NativeKernel, native_kernel
from .entries import Alone, Entries, Found

_PRODUCTS = {
    "columns": "products with the Jacobian, forwards",
    "rows": "products with its transpose, backwards",
    "symmetric": "products with the Hessian, whose entries are read at their places or at their mirror images",
}
_NO_GRADIENT = (
    "`{}` makes a matrix of `scipy.sparse`, through which neither gradients nor recordings go; inside a function that "
    "is compiled or differentiated call `.data(...)`, which gives the entries alone"
)


class SparseDerivative:
    """A Jacobian or Hessian as a `scipy.sparse.csr_array`; made by `jit.sparse_jacobian` and `jit.sparse_hessian`.

    Pattern and colouring are found when a function is recorded, and kept. All results of one signature have the same
    pattern, entries that happen to be zero included, unless Python decides on values in the function or positions
    depend on arguments: another decision may lead to another pattern. The arrays `indices` and `indptr` are shared by
    all of them and cannot be written to; `copy()` gives a matrix of its own.

    `data` is the compiled function of the arguments that returns the entries alone, row by row, for `bind`, and for
    functions that are compiled or differentiated in turn.
    """

    def __init__(self, name: str, function: Callable[..., Any], argnums: Argnums, kind: str, options: Options) -> None:
        if options.get("dynamic"):
            raise TypeError(f"`{name}` makes a pattern for each length, so it takes no `dynamic`; leave it out")
        self.name = name
        functools.update_wrapper(self, function, updated=())
        self._entries = Entries(name, function, positions_of(name, function, argnums), kind)
        fixed: Options = {**options, "dynamic": {}}
        self._both = Compiled(self._entries, functional=True, **fixed)
        self.data = Compiled(Alone(self._entries), functional=True, **fixed)

    def __call__(self, *args: Any, **kwargs: Any) -> csr_array:
        if current_tape() is not None:
            raise TypeError(_NO_GRADIENT.format(self.name))
        values, k = self._both(*args, **kwargs)
        if isinstance(values, Tensor):
            if values.requires_grad:
                raise TypeError(_NO_GRADIENT.format(self.name))
            values = values.data
        return _matrix(self._entries.known[k].pattern, values)

    def __repr__(self) -> str:
        return f"<{self.name} of {self._both.name}>"

    def pattern(self, *args: Any, **kwargs: Any) -> csr_array:
        """Where the matrix for these arguments may have entries: a sparse array of booleans, without their values."""
        found = self._found(args, kwargs).pattern
        return _matrix(found, np.ones(found.nnz, bool))

    def products(self, *args: Any, **kwargs: Any) -> int:
        """How many products with vectors the matrix for these arguments is read from: its number of colours."""
        return self._found(args, kwargs).colouring.number

    def places(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """The rows and the columns of the entries for these arguments, as arrays of int32, in the order of `data`."""
        return _places(self._found(args, kwargs).pattern)

    def kernel(self, *args: Any, **kwargs: Any) -> NativeKernel:
        """The entries alone as a kernel that compiled code calls, as `Compiled.kernel` makes it.

        Its callbacks write the places of the entries where a signature asks for them: those of Ipopt are
        `"ipopt jac_g"` and `"ipopt h"`.

        **Errors:** besides those of `Compiled.kernel` `TypeError` where recordings for such arguments have several
        patterns.
        """
        request = self._both._request(args, kwargs)
        if request.signature not in self._both.variants:
            self._both._answer_alone(request)
        runs = [(x.kernel.graph, x.wiring.result, x.captured) for x in self._both.variants[request.signature]]
        patterns = {_position(result) for _, result, _ in runs}
        if len(patterns) > 1:
            raise TypeError(
                f"{self!r} has {len(patterns)} patterns by decisions on values, and a kernel has one; decide with "
                "`np.where` or `ag.cond`, which have the entries of both branches"
            )
        alone = [(graph, result._replace(leaves=result.leaves[:1], structure=LEAF), x) for graph, result, x in runs]
        made = native_kernel(self._both.name, request.signature, alone, {})
        made.places = _places(self._entries.known[patterns.pop()].pattern)
        return made

    def explain(self, *args: Any, **kwargs: Any) -> str:
        """What the matrix is made of, and what became of the function that makes its entries."""
        pattern, colouring, *_ = self._found(args, kwargs)
        rows, columns = pattern.shape
        return (
            f"{self!r}: {rows} x {columns}, {pattern.nnz} entries, {colouring.number} colours: "
            f"{_PRODUCTS[colouring.mode]}\n{self._both.explain(*args, **kwargs)}"
        )

    def _found(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Found:
        run = self._both._trace(self._both._request(args, kwargs))
        return self._entries.known[_position(run.result)]


def _position(result: Result) -> int:
    """The position of the pattern that a recording has returned besides the entries."""
    constant: Any = result.leaves[1]
    return int(constant.value)


def _places(pattern: csr_array) -> tuple[Any, Any]:
    rows = np.repeat(np.arange(pattern.shape[0], dtype=np.int32), np.diff(pattern.indptr))
    return rows, pattern.indices.astype(np.int32)


def _matrix(pattern: csr_array, values: Any) -> csr_array:
    # To make one anew takes 10 us, for SciPy looks at what is known to be right.
    found = copy(pattern)
    found.data = values
    return found


# ---- the public functions ----


def sparse_jacobian(function: Callable[..., Any], argnums: Argnums = 0, **options: Unpack[Options]) -> SparseDerivative:
    """A function that returns the Jacobian of `function` as a `scipy.sparse.csr_array`.

    **Arguments:** `function`, of arrays, or of nested tuples, lists and dicts of them; `argnums`, the position of the
    argument to differentiate, or several positions; `options`, as for `compile`, without `dynamic`.

    **Returns:** a function with the arguments of `function`. The rows of the matrix are the elements of its result, the
    columns those of the arguments, one array after the other where there are several.

    **Errors:** `TypeError` for integers and complex numbers; `ValueError` where so many values depend on so many
    elements that it is no sparse matrix.

    >>> import numpy as np
    >>> import jit
    >>> jacobian = jit.sparse_jacobian(lambda x: x[1:] * x[:-1])
    >>> jacobian(np.array([1.0, 2.0, 3.0])).toarray()
    array([[2., 1., 0.],
           [0., 3., 2.]])
    """
    return SparseDerivative("sparse_jacobian", function, argnums, "jacobian", options)


def sparse_hessian(
    function: Callable[..., Any], argnums: Argnums = 0, lower: bool = False, **options: Unpack[Options]
) -> SparseDerivative:
    """A function that returns the Hessian of `function`, which returns one number, as a `scipy.sparse.csr_array`.

    **Arguments:** as for `sparse_jacobian`; `lower`, whether the entries above the diagonal, which are those below it
    once more, are left out. The Hessian of a Lagrangian takes the multipliers as a further argument.

    **Returns:** as for `sparse_jacobian`; both rows and columns are the elements of the arguments.

    >>> import numpy as np
    >>> import jit
    >>> hessian = jit.sparse_hessian(lambda x, weight: weight * np.sum(x[1:] * x[:-1] ** 2))
    >>> hessian(np.array([1.0, 2.0, 3.0]), 1.0).toarray()
    array([[4., 2., 0.],
           [2., 6., 4.],
           [0., 4., 0.]])
    """
    return SparseDerivative("sparse_hessian", function, argnums, "lower" if lower else "hessian", options)


def jacobian_pattern(function: Callable[..., Any], *args: Any, argnums: Argnums = 0) -> csr_array:
    """Where the Jacobian of a function may have entries other than zero, as a sparse array of booleans.

    **Arguments:** `function`; `args`, an example of its arguments; `argnums`, as for `sparse_jacobian`.

    >>> import numpy as np
    >>> import jit
    >>> jit.jacobian_pattern(lambda x: x[1:] * x[:-1], np.ones(3)).toarray().astype(int)
    array([[1, 1, 0],
           [0, 1, 1]])
    """
    return sparse_jacobian(function, argnums).pattern(*args)


def hessian_pattern(function: Callable[..., Any], *args: Any, argnums: Argnums = 0) -> csr_array:
    """Where the Hessian of a function may have entries other than zero, as a sparse array of booleans.

    **Arguments:** as for `jacobian_pattern`.

    >>> import numpy as np
    >>> import jit
    >>> jit.hessian_pattern(lambda x: np.sum(x[1:] * x[:-1]), np.ones(3)).toarray().astype(int)
    array([[0, 1, 0],
           [1, 0, 1],
           [0, 1, 0]])
    """
    return sparse_hessian(function, argnums).pattern(*args)
