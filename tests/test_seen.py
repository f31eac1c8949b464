"""What Numba keeps on the disk of functions that call kernels: found again with these kernels, and with no others."""

import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from numba import njit

import jit
from jit.native.seen import Seen, seen_by

ROOT = Path(__file__).parents[1]
MODEL = """
import os, numpy as np, jit
power, data = int(os.environ["POWER"]), np.full(3, float(os.environ["DATA"]))
more = data + 100
if os.environ.get("OTHERS"):  # two kernels of the same code as the others, made before
    others = [jit.value_and_grad(lambda x: np.sum(d * x**power)).kernel(np.ones(3)) for d in (more, data)]
kernel = jit.value_and_grad(lambda x: np.sum(data * x**power)).kernel(np.ones(3))
another = jit.value_and_grad(lambda x: np.sum(more * x**power)).kernel(np.ones(3))
plain = jit.compile(lambda x: x**power).kernel(2.0)
passing = lambda: jit.compile(lambda x: (np.sum(np.sin(x)), power)).kernel(np.ones(3))
"""
USER = """
import gc, numpy as np, model
from numba import njit, prange, vectorize
from model import kernel

@njit(cache=True)
def two(x):
    return kernel(x)[0] + model.another(x)[0]

@njit(cache=True)
def outer(x):
    return two(x)

@njit(cache=True)
def given(f, x):
    return f(x)[0]

@njit(cache=True)
def passed(f, x):
    return f(x)[0]

@njit(cache=True, parallel=True)
def rows(x):
    out = np.empty(len(x))
    for i in prange(len(x)):
        out[i] = kernel(x[i])[0]
    return out.sum()

@vectorize(["f8(f8)"], cache=True)
def each(x):
    return model.plain(x)

def made(f):
    @njit(cache=True)
    def inner(x):
        return f(x)[0]
    return inner

x = np.full(3, 2.0)
# Kernels that come and go: what Numba has kept is loaded with the first.
assert len({passed(model.passing(), x) for _ in range(3) if gc.collect() + 1}) == 1
functions = [made(kernel), made(model.another)]
print(outer(x), given(kernel, x), given(model.another, x), rows(x.reshape(1, 3)))
print(*[f(x) for f in functions], each(x)[0])
print(*[sum(f.stats.cache_hits.values()) for f in (outer, given, rows, *functions)])
"""


def run(folder, **variables):
    """What the program prints, in a process of its own, and how often its functions were found on the disk."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]), "PYTHONWARNINGS": "error"}
    environment |= {"NUMBA_CACHE_DIR": str(folder / "numba"), "JIT_CACHE_DIR": str(folder / "kernels"), **variables}
    job = [sys.executable, str(folder / "user.py")]
    done = subprocess.run(job, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *numbers, hits = done.stdout.splitlines()
    return [float(x) for x in " ".join(numbers).split()], [int(x) for x in hits.split()]


def expected(power, data):
    first, second = 3 * data * 2.0**power, 3 * (data + 100) * 2.0**power
    return [first + second, first, second, first, first, second, 2.0**power]


def test_kept_functions_are_used_with_the_kernels_that_they_were_made_for(tmp_path):
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "user.py").write_text(USER)
    numbers, hits = run(tmp_path, POWER="2", DATA="1")
    assert (numbers, hits) == (expected(2, 1.0), [0] * 5)
    numbers, hits = run(tmp_path, POWER="2", DATA="1")
    assert (numbers, hits) == (expected(2, 1.0), [1] * 5)
    for variables in (
        {"POWER": "3", "DATA": "1"},
        {"POWER": "2", "DATA": "7"},
        {"POWER": "2", "DATA": "1", "OTHERS": "1"},
    ):
        numbers, _ = run(tmp_path, **variables)
        assert numbers == expected(int(variables["POWER"]), float(variables["DATA"]))


class Named(Seen):
    def __init__(self, name):
        self.name = self.symbol = name


a, b, c, d = map(Named, "abcd")
module = types.ModuleType("module")
module.inner, module.unused = types.ModuleType("inner"), d
module.inner.other = b
several = (a, [c])


@njit
def helper():
    return c


def test_kernels_are_seen_as_globals_in_modules_closures_defaults_containers_and_functions():
    e, empty = Named("e"), None

    def function(x, y=d):
        inside = lambda: a
        return module.inner.other, helper, e, several, inside, empty

    assert {path: x.name for path, x in seen_by(function).items()} == {
        "/module.inner.other": "b",
        "/helper/c": "c",
        "/several[0]": "a",
        "/several[1][0]": "c",
        "/a": "a",
        "/e": "e",
        "/default 0": "d",
    }


def test_functions_that_call_each_other_and_cells_without_a_value():
    def even(n):
        return odd(n), a, later

    def odd(n):
        return even(n), b

    assert {x.name for x in seen_by(even).values()} == {"a"}
    even, odd = njit(even), njit(odd)
    assert {x.name for x in seen_by(even.py_func).values()} == {"a", "b"}
    later = None


def test_kept_code_of_functions_without_kernels_has_the_key_that_numba_gives(tmp_path):
    assert seen_by(np.polyval) == {}
    with pytest.raises(NotImplementedError):
        Seen().hold()
    assert jit.Status.OK == 0
