"""The kernels written by hand against finite differences, and their functions against NumPy's."""

import numpy as np
import pytest
from scipy import stats

import autograd as ag
from benchmarks import handwritten, workloads
from benchmarks.handwritten import vector_math
from benchmarks.measure import difference
from tests.test_benchmarks import ARGNUMS, SMALL_INPUTS, slopes


@pytest.mark.parametrize("family", [f for f in handwritten.SERIAL if f != "square"])
@pytest.mark.parametrize("form", handwritten.FORMS)
def test_handwritten_gradient_agrees_with_finite_differences(form, family, monkeypatch):
    inputs = SMALL_INPUTS[family]()
    monkeypatch.setattr(handwritten, "LARGE", 0)
    run = handwritten.build(form, family, inputs, ARGNUMS[family])
    if family not in handwritten.FORMS[form]:
        assert run is None
        return
    assert run is not None
    # The Python under the outermost kernel: to compile that too takes seconds, and the program's test below compiles.
    value, gradients = run.collect(run.function.py_func(*run.arguments))  # type: ignore[attr-defined]
    assert value == pytest.approx(float(workloads.FUNCTIONS[family](*inputs)), rel=1e-12)
    for direction, slope in slopes(family, inputs):
        along = sum(float(np.sum(d * g)) for d, g in zip(direction, gradients, strict=True))
        assert along == pytest.approx(slope, rel=1e-7, abs=1e-9)


def test_handwritten_network_in_single_precision_agrees_with_that_in_double():
    inputs = SMALL_INPUTS["mlp"]()
    reference = ag.value_and_grad(workloads.mlp, ARGNUMS["mlp"])(*inputs)
    run = handwritten.build("serial", "mlp", tuple(x.astype(np.float32) for x in inputs), ARGNUMS["mlp"])
    assert run is not None
    value, gradients = run.collect(run.function.py_func(*run.arguments))  # type: ignore[attr-defined]
    assert all(g.dtype == np.float32 for g in gradients)
    assert difference((float(reference[0]), list(reference[1])), (value, gradients), tolerance=1e-5) == ""


def test_handwritten_form_with_threads_is_for_large_inputs():
    inputs = SMALL_INPUTS["heat"]()
    assert handwritten.build("threads", "heat", inputs, ARGNUMS["heat"]) is None


@pytest.mark.parametrize(
    ("name", "low", "high", "reference"),
    [
        ("exp", -700.0, 700.0, np.exp),
        ("log", 1e-300, 1e3, np.log),
        ("tanh", -30.0, 30.0, np.tanh),
        ("tanh32", -30.0, 30.0, np.tanh),
    ],
)
def test_handwritten_functions_are_those_of_numpy(name, low, high, reference):
    function = getattr(vector_math, name).py_func
    dtype = np.float32 if name == "tanh32" else np.float64
    for x in np.linspace(low, high, 301).astype(dtype):
        expected_value = reference(np.float64(x))
        scale = abs(expected_value) if name == "exp" else 1.0 + abs(expected_value)
        assert abs(function(x) - expected_value) <= 8 * np.finfo(dtype).eps * scale


def test_handwritten_normal_tail_is_that_of_scipy():
    for x in np.linspace(0.0, 30.0, 301):
        tail = vector_math.normal_tail.py_func(x, np.exp(-0.5 * x * x))
        assert tail == pytest.approx(stats.norm.sf(x), rel=1e-3 if x > 7.0 else 1e-8, abs=1e-15)
