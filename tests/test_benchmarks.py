"""The benchmark's workloads against independent references, and its harness on contestants made up here."""

import itertools
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import ndimage, optimize, special, stats
from scipy.integrate import solve_ivp

import autograd as ag
from benchmarks import __main__ as program
from benchmarks import handwritten, workloads
from benchmarks.chart import chart
from benchmarks.compile_time import chain, expected
from benchmarks.contestants import BY_NAME, CONTESTANTS, PEER, Contestant
from benchmarks.eager_overhead import LINKS, OPERATIONS, survival
from benchmarks.handwritten import vector_math
from benchmarks.harness import check, compete
from benchmarks.measure import Entries, Entry, alternate, difference
from benchmarks.process import Crew, WorkerError
from benchmarks.report import Outcome, as_json, block, failures, seconds, summary, times
from benchmarks.workloads import WORKLOADS, Inputs, select

SMALL_INPUTS: dict[str, Callable[[], Inputs]] = {
    "polynomial": workloads.polynomial_inputs,
    "rosenbrock": lambda: workloads.rosenbrock_inputs(6),
    "logistic": lambda: workloads.logistic_inputs(20, 3),
    "mlp": lambda: workloads.mlp_inputs(5, 4, 3, 2),
    "black_scholes": lambda: workloads.black_scholes_inputs(7),
    "rnn": lambda: workloads.rnn_inputs(9, 4),
    "lorenz": workloads.lorenz_inputs,
    "heat": lambda: workloads.heat_inputs(9),
}
ARGNUMS = {workload.family: workload.argnums for workload in WORKLOADS}


def mlp_reference(weights1, bias1, weights2, bias2, features, one_hot):
    logits = np.tanh(features @ weights1 + bias1) @ weights2 + bias2
    return -(special.log_softmax(logits, axis=1)[one_hot == 1.0]).mean()


def black_scholes_reference(spot, strike, time, rate, volatility):
    d1 = (np.log(spot / strike) + (rate + volatility**2 / 2) * time) / (volatility * np.sqrt(time))
    d2 = d1 - volatility * np.sqrt(time)
    return (spot * stats.norm.cdf(d1) - strike * np.exp(-rate * time) * stats.norm.cdf(d2)).sum()


def rnn_reference(weights_in, weights_state, bias, readout, sequence, target):
    state = np.zeros(len(bias))
    for entry in sequence:
        state = np.tanh(np.concatenate([entry, state]) @ np.vstack([weights_in, weights_state]) + bias)
    return ((readout.T @ state - target) ** 2).sum()


def lorenz_reference(initial, parameters):
    def slope(_, s):
        sigma, rho, beta = parameters
        return [sigma * (s[1] - s[0]), s[0] * (rho - s[2]) - s[1], s[0] * s[1] - beta * s[2]]

    return (solve_ivp(slope, (0.0, 1.0), initial, method="DOP853", rtol=1e-11, atol=1e-11).y[:, -1] ** 2).sum()


def heat_reference(initial, diffusivity, target):
    kernel, u = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]]), initial
    for _ in range(50):
        u = u + diffusivity * ndimage.correlate(u, kernel, mode="constant")
    return ((u - target) ** 2).mean()


REFERENCES = {
    "polynomial": lambda x: np.polyval([5.0, 2.0, 4.0, 8.0], x),
    "rosenbrock": optimize.rosen,
    "logistic": lambda w, x, y: np.logaddexp(0.0, -y * (x @ w)).mean() + 0.01 * (w @ w),
    "mlp": mlp_reference,
    "black_scholes": black_scholes_reference,
    "rnn": rnn_reference,
    "lorenz": lorenz_reference,
    "heat": heat_reference,
}


@pytest.mark.parametrize("family", REFERENCES)
def test_value_on_arrays_equals_an_independent_reference(family):
    inputs = SMALL_INPUTS[family]()
    value = workloads.FUNCTIONS[family](*inputs)
    # Runge-Kutta steps of 0.01 are themselves off by some 1e-6 from the exact solution.
    np.testing.assert_allclose(value, REFERENCES[family](*inputs), rtol=1e-4 if family == "lorenz" else 1e-12)


def slopes(family: str, inputs: Inputs) -> Iterator[tuple[list[np.ndarray], float]]:
    """Random directions, and the function's slope along each by central differences."""
    rng, function, argnums = np.random.default_rng(7), workloads.FUNCTIONS[family], ARGNUMS[family]
    for _ in range(2):
        direction = [1e-2 * rng.standard_normal(np.shape(inputs[i])) for i in argnums]

        def at(step: float, direction: list[np.ndarray] = direction) -> float:
            moved = list(inputs)
            for i, d in zip(argnums, direction, strict=True):
                moved[i] = moved[i] + step * d
            return float(function(*moved))

        yield direction, (8 * (at(1e-3) - at(-1e-3)) - (at(2e-3) - at(-2e-3))) / 12e-3


@pytest.mark.parametrize("family", REFERENCES)
def test_eager_gradient_agrees_with_finite_differences(family):
    inputs = SMALL_INPUTS[family]()
    _, gradients = ag.value_and_grad(workloads.FUNCTIONS[family], ARGNUMS[family])(*inputs)
    for direction, slope in slopes(family, inputs):
        along = sum(float(np.sum(d * g)) for d, g in zip(direction, gradients, strict=True))
        assert along == pytest.approx(slope, rel=1e-7, abs=1e-9)


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


def test_seed_example_is_64_with_slope_72():
    inputs = workloads.polynomial_inputs()
    assert float(workloads.polynomial(*inputs)) == 64.0
    value, gradient = handwritten.polynomial(*inputs)
    assert (value, gradient) == (64.0, 72.0)


def test_inputs_are_the_same_each_time():
    for workload in WORKLOADS:
        if workload.small:
            for first, second in zip(workload.inputs(), workload.inputs(), strict=True):
                np.testing.assert_array_equal(first, second)


def test_select_finds_by_part_of_the_name_and_quick_leaves_large_ones_out():
    assert [w.name for w in select(["rosen"], quick=False)] == ["rosenbrock-10", "rosenbrock-1e5"]
    assert [w.name for w in select(["rosen"], quick=True)] == ["rosenbrock-10"]
    with pytest.raises(ValueError, match=r"no workload is named like \['sudoku'\]; there are \['polynomial'"):
        select(["sudoku"], quick=False)


RESULT = (2.0, [np.array([1.0, -4.0]), np.array(3.0)])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ((2.0 + 1e-9, [np.array([1.0, -4.0 + 1e-9]), np.array(3.0)]), ""),
        ((2.1, RESULT[1]), "value 2.1, not 2.0"),
        ((math.nan, RESULT[1]), "value nan, not 2.0"),
        ((2.0, RESULT[1][:1]), "1 gradients, not 2"),
        ((2.0, [np.array([[1.0, -4.0]]), np.array(3.0)]), r"gradient 0 has shape \(1, 2\), not \(2,\)"),
        ((2.0, [np.array([1.0, -4.0]), np.array(3.001)]), "gradient 1 is off by 1.0e-03"),
        ((2.0, [np.array([np.nan, -4.0]), np.array(3.0)]), "gradient 0 is off by nan"),
    ],
)
def test_difference_says_what_is_wrong(other, words):
    found = difference(RESULT, other, 1e-8)
    assert (found == "") == (words == "")
    if words:
        with pytest.raises(ValueError, match=words):
            raise ValueError(found)


def test_check_marks_the_one_that_is_wrong():
    workload = select(["polynomial"], quick=True)[0]
    right, wrong = (64.0, [np.array(72.0)]), (64.0, [np.array(71.0)])
    entries: Entries = {name: Entry() for name in ("eager", "jax", "torch", "hips")}
    check(workload, {"eager": right, "jax": wrong, "torch": (63.0, [np.array(72.0)]), "hips": right}, entries)
    assert {name: entry.status for name, entry in entries.items()} == {
        "eager": "ok",
        "jax": "wrong",
        "torch": "wrong",
        "hips": "ok",
    }
    assert "off by 1.0e+00" in entries["jax"].detail
    lines = failures(Outcome(workload, entries))
    assert len(lines) == 2
    assert lines[0].startswith("polynomial, JAX: wrong: gradient 0")


def sequence(*figures: float) -> Callable[[], float]:
    return itertools.cycle(figures).__next__


def test_ratios_are_taken_round_by_round():
    entries = {name: Entry() for name in ("compiled", "jax", "torch")}
    # The machine is ten times slower in the third round; ratios within a round do not notice.
    timers = {
        "compiled": sequence(1.0, 1.0, 1.0, 1.0, 10.0, 10.0),
        "jax": sequence(2.0, 2.0, 20.0),
        "torch": sequence(5.0, 5.0, 50.0),
    }
    order: list[str] = []
    alternate(timers, "compiled", 3, entries, order.append)
    assert entries["jax"].ratios == [2.0, 2.0, 2.0]
    assert entries["torch"].ratio == 5.0
    assert entries["jax"].time == 2.0
    assert len(entries["compiled"].rounds) == 6
    assert order[:3] == ["round 1 of 3: jax", "round 1 of 3: torch", "round 2 of 3: jax"]


def test_a_contestant_that_fails_is_left_out_from_then_on():
    def broken() -> float:
        raise WorkerError("timeout", "no answer within 1 s")

    entries = {name: Entry() for name in ("compiled", "jax", "hips")}
    alternate({"compiled": sequence(1.0), "jax": broken, "hips": sequence(3.0)}, "compiled", 4, entries)
    assert (entries["jax"].status, entries["jax"].time, entries["jax"].ratio) == ("timeout", None, None)
    assert entries["hips"].ratios == [3.0] * 4
    entries = {name: Entry() for name in ("compiled", "hips")}
    alternate({"compiled": broken, "hips": sequence(3.0)}, "compiled", 4, entries)
    assert (entries["hips"].time, entries["hips"].ratio) == (3.0, None)


def test_the_baseline_alone_is_timed_too():
    entries = {"compiled": Entry()}
    alternate({"compiled": sequence(1.0, 2.0, 4.0)}, "compiled", 3, entries)
    assert entries["compiled"].rounds == [1.0, 2.0, 4.0]


MADE_UP = """
import time
import numpy as np
from benchmarks.contestants import Run

print("libraries print what they like")


def polynomial(x):
    v = float(x)
    return 5 * v**3 + 2 * v**2 + 4 * v + 8, [np.array(15 * v**2 + 4 * v + 4 + {error})]


def square(x):
    return float(x) ** 2, [2.0 * x]


def build(form, family, inputs, argnums):
    if family == "polynomial":
        time.sleep({pause})
    return Run({{"square": square, "polynomial": polynomial}}[family], inputs, lambda result: result)
"""


def made_up(folder: Path, name: str, error: float = 0.0, pause: float = 0.0) -> Contestant:
    """A contestant under one of the known names whose module is written to the folder."""
    (folder / f"made_up_{name}.py").write_text(MADE_UP.format(error=error, pause=pause))
    return replace(BY_NAME[name], module=f"made_up_{name}", form="any", package=f"made_up_{name}")


def test_processes_compete_and_a_wrong_or_slow_one_is_told(tmp_path):
    contestants = [
        made_up(tmp_path, "compiled"),
        made_up(tmp_path, "jax", error=1e-5),
        made_up(tmp_path, "torch"),
        made_up(tmp_path, "hips", pause=60.0),
    ]
    crew = Crew({contestant.name: str(tmp_path) for contestant in contestants}, patience=60.0)
    try:
        crew.get(contestants[3]).patience = 0.5
        entries = compete(select(["polynomial"], quick=True)[0], contestants, crew, 2, "compiled")
    finally:
        crew.close()
    assert {name: entry.status for name, entry in entries.items()} == {
        "compiled": "ok",
        "jax": "wrong",
        "torch": "ok",
        "hips": "timeout",
    }
    assert entries["jax"].rounds == []
    assert 0.2 < (entries["torch"].ratio or 0.0) < 5.0
    assert (entries["torch"].first_call or 0.0) > 0.0
    assert entries["hips"].detail == "no answer within 0.5 s"


def test_a_library_that_is_not_there_is_missing(tmp_path):
    (tmp_path / "made_up_jax.py").write_text("import a_library_that_nobody_has\n")
    crew = Crew({"jax": str(tmp_path), "hips": None}, patience=10.0)
    with pytest.raises(WorkerError, match="a_library_that_nobody_has") as caught:
        crew.get(replace(BY_NAME["jax"], module="made_up_jax"))
    assert caught.value.kind == "missing"
    with pytest.raises(WorkerError, match="--hips or BENCHMARKS_HIPS"):
        crew.get(BY_NAME["hips"])


def test_a_library_of_the_same_name_elsewhere_is_not_taken_for_it(tmp_path):
    (tmp_path / "made_up_hips.py").write_text("import autograd\n")
    crew = Crew({"hips": str(tmp_path)}, patience=60.0)
    with pytest.raises(WorkerError, match=r"`autograd` was looked for in .* and found in"):
        crew.get(replace(BY_NAME["hips"], module="made_up_hips"))


def outcomes() -> list[Outcome]:
    """Two workloads' made-up entries, every status among them."""
    first, second = select(["polynomial", "rnn"], quick=True)
    return [
        Outcome(
            first,
            {
                "compiled": Entry(first_call=0.05, rounds=[1e-6, 2e-6, 1.5e-6]),
                "numba": Entry(first_call=0.2, rounds=[3e-7], ratios=[0.3]),
                "jax": Entry(first_call=0.1, rounds=[8e-6], ratios=[5.0]),
                "casadi": Entry(first_call=0.1, rounds=[1e-6], ratios=[0.9]),
                "hips": Entry(status="wrong", detail="value 1 < 2 & more"),
            },
        ),
        Outcome(
            second,
            {
                "compiled": Entry(first_call=0.5, rounds=[2e-3]),
                "numba": Entry(status="absent"),
                "torch": Entry(status="timeout", detail="no answer within 9 s"),
            },
        ),
    ]


MACHINE = {"cpu": "A <fast> & quiet one", "cores": 2}


def test_report_names_the_best_peer_and_every_status():
    first, second = outcomes()
    assert (first.best_peer, second.best_peer) == ("casadi", None)
    assert "WRONG: value 1 < 2 & more" in block(first)
    assert "timeout: no answer within 9 s" in block(second)
    line = summary([first, second]).splitlines()[1]
    assert line.split() == ["Seed", "polynomial", "1.5", "us", "1", "us", "0.9x", "CasADi", "0.3x"]
    stored = json.loads(json.dumps(as_json([first, second], MACHINE, {})))
    entry = stored["workloads"][0]["contestants"]["compiled"]
    assert (entry["time"], entry["first_call"], entry["status"]) == (1.5e-6, 0.05, "ok")


def test_figures_are_short():
    assert [seconds(x) for x in (None, 2.34567e-7, 1.5e-5, 0.1234, 123.4)] == [
        "-",
        "0.235 us",
        "15 us",
        "123 ms",
        "123 s",
    ]
    assert [times(x) for x in (None, 0.456789, 12.345, 1234.5)] == ["-", "0.457x", "12.3x", "1234x"]


def test_chart_is_well_formed_and_shows_every_workload():
    svg = chart(as_json(outcomes(), MACHINE, {}))
    root = ElementTree.fromstring(svg)
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Seed polynomial", "RNN 100x32", "0.9x", "CasADi", "ours"} <= set(words)
    assert any("A <fast> & quiet one" in (word or "") for word in words)
    hints = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert sorted(hints) == ["JAX: 5x", "Numba by hand: 0.3x"]


def test_chart_of_nothing_is_well_formed():
    assert ElementTree.fromstring(chart(as_json([], MACHINE, {}))).tag.endswith("svg")


def test_program_writes_its_figures(tmp_path, capsys):
    argv = ["--only", "polynomial", "--peers", "none", "--rounds", "1", "--out", str(tmp_path)]
    assert program.main(argv) == 0
    printed = capsys.readouterr().out
    assert "Seed polynomial" in printed
    report = json.loads((tmp_path / "results.json").read_text())
    entries = report["workloads"][0]["contestants"]
    assert {name: entry["status"] for name, entry in entries.items()} == {
        "compiled": "ok",
        "eager": "ok",
        "numba": "ok",
        "numba-threads": "absent",
    }
    timed = [entry for entry in entries.values() if entry["status"] == "ok"]
    assert all(entry["time"] > 0.0 and entry["first_call"] > 0.0 for entry in timed)
    assert ElementTree.parse(tmp_path / "chart.svg").getroot() is not None


def test_a_peer_that_is_asked_for_must_be_there(monkeypatch, tmp_path):
    monkeypatch.delenv("BENCHMARKS_HIPS", raising=False)
    peers = [replace(c, module="made_up") for c in CONTESTANTS if c.name == "hips"]
    monkeypatch.setattr(program, "CONTESTANTS", tuple(peers))
    with pytest.raises(SystemExit, match="HIPS autograd is left out: say where it is"):
        program.main(["--only", "polynomial", "--peers", "hips", "--out", str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_every_contestant_has_a_name_of_its_own():
    assert len(BY_NAME) == len(CONTESTANTS)
    assert {c.name for c in CONTESTANTS if c.kind == PEER} >= {"jax", "torch", "pytensor", "casadi", "hips"}


def test_compile_time_chain_has_the_value_and_slope_that_are_expected():
    function, (value, slope) = chain(10), expected(10)
    by_hand = math.sin(0.5 * math.exp(math.sin(0.3 * 0.5 + 0.25)) + 0.25)
    assert expected(7)[0] == pytest.approx(by_hand, rel=1e-15)
    assert function(0.3) == pytest.approx(value, rel=1e-15)
    assert (function(0.3 + 1e-6) - function(0.3 - 1e-6)) / 2e-6 == pytest.approx(slope, rel=1e-7)


def test_small_operations_have_the_same_result_recorded():
    for name, arrays, operation in OPERATIONS:
        recorded = operation(*[ag.tensor(x, requires_grad=True) for x in arrays])
        assert recorded.requires_grad, name
        np.testing.assert_array_equal(recorded.data, operation(*arrays), err_msg=name)


def test_the_survival_program_has_as_many_operations_as_its_figure_is_divided_by():
    x, censored = np.linspace(0.5, 1.5, 10), np.arange(10) % 2 == 0
    with ag.record() as tape:
        value = survival(ag.tensor(x), censored)
    assert len(tape.nodes) == 7 * LINKS
    hazard = np.exp(0.1 * x)
    by_hand = LINKS * float(np.sum(hazard[censored])) + LINKS * float(np.sum((-0.9 * x)[~censored]))
    assert float(value) == pytest.approx(by_hand, rel=1e-14)
