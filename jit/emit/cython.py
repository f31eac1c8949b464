"""The addresses of SciPy's routines for linear algebra."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

import scipy
from numba.extending import get_cython_function_address


def address_of(module: str, name: str) -> int:
    """The address of a routine of `scipy.linalg.<module>`.

    Only that module is loaded: the package around it, of which kernels need nothing, takes 0.1 s to import.
    """
    path = f"scipy.linalg.{module}"
    if path in sys.modules:
        return int(get_cython_function_address(path, name))
    spec = PathFinder.find_spec(path, [str(Path(folder, "linalg")) for folder in scipy.__path__])
    if spec is None or spec.loader is None:
        raise ImportError(f"SciPy has no module `{path}`")
    sys.modules[path] = loaded = module_from_spec(spec)
    try:
        spec.loader.exec_module(loaded)
        return int(get_cython_function_address(path, name))
    finally:
        # Imported as usual, it is the same module, and also an attribute of its package.
        del sys.modules[path]
