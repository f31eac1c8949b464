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
import jit
from benchmarks import __main__ as program
from benchmarks import handwritten, nopython, products, recurrences, workloads
from benchmarks.compile_time import FUNCTIONS, chain, first_call
from benchmarks.contestants import BY_NAME, CONTESTANTS, PEER, Contestant
from benchmarks.eager_overhead import LINKS, OPERATIONS, survival
from benchmarks.harness import check, compete
from benchmarks.measure import Entries, Entry, alternate, difference
from benchmarks.memory import RESET, Memory
from benchmarks.process import Crew, WorkerError
from benchmarks.recording import CASES, costs
from benchmarks.report import Outcome, failures
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
    "kalman": lambda: recurrences.kalman_inputs(6),
    "hmm": lambda: recurrences.hmm_inputs(5, 3),
    "nbody": lambda: recurrences.nbody_inputs(3),
    "lstm": lambda: recurrences.lstm_inputs(7, 4),
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


def kalman_reference(transition, observation, process, noise, measurements):
    """All measurements are one draw of a normal distribution."""
    n, marginals = len(measurements), [np.eye(4)]
    for _ in range(n):
        marginals.append(transition @ marginals[-1] @ transition.T + process)

    def block(s, t):
        later = observation @ np.linalg.matrix_power(transition, t - s) @ marginals[s + 1] @ observation.T
        return later + noise if s == t else later

    covariance = np.block([[block(s, t) if s <= t else block(t, s).T for s in range(n)] for t in range(n)])
    drawn = stats.multivariate_normal(np.zeros(2 * n), covariance)
    return -drawn.logpdf(measurements.ravel()) - n * np.log(2 * np.pi)


def hmm_reference(initial, transition, emission):
    """The sum over all paths."""
    paths = itertools.product(range(len(initial)), repeat=len(emission))
    return special.logsumexp(
        [
            initial[path[0]]
            + sum(transition[i, j] for i, j in itertools.pairwise(path))
            + sum(row[i] for row, i in zip(emission, path, strict=True))
            for path in paths
        ]
    )


def nbody_reference(position, velocity, mass):
    def slope(_, state):
        x, v = state.reshape(2, -1, 3)
        apart = x - x[:, None]
        return np.stack([v, np.einsum("ijk,j,ij->ik", apart, mass, ((apart**2).sum(2) + 0.05**2) ** -1.5)]).ravel()

    start = np.stack([position, velocity]).ravel()
    end = solve_ivp(slope, (0.0, 1.0), start, method="DOP853", rtol=1e-11, atol=1e-11).y[:, -1]
    return (end[: position.size] ** 2).sum()


def lstm_reference(weights_in, weights_state, bias, readout, sequence, target):
    state = cell = np.zeros(len(weights_state))
    for entry in sequence:
        gates = np.concatenate([entry, state]) @ np.vstack([weights_in, weights_state]) + bias
        let_in, forget, let_out, new = np.split(gates, 4)
        cell = special.expit(forget) * cell + special.expit(let_in) * np.tanh(new)
        state = special.expit(let_out) * np.tanh(cell)
    return ((readout.T @ state - target) ** 2).sum()


#: Steps of 0.01 are themselves off by so much from the exact solution.
STEPPED = {"lorenz": 1e-4, "nbody": 1e-3}

REFERENCES = {
    "polynomial": lambda x: np.polyval([5.0, 2.0, 4.0, 8.0], x),
    "rosenbrock": optimize.rosen,
    "logistic": lambda w, x, y: np.logaddexp(0.0, -y * (x @ w)).mean() + 0.01 * (w @ w),
    "mlp": mlp_reference,
    "black_scholes": black_scholes_reference,
    "rnn": rnn_reference,
    "lorenz": lorenz_reference,
    "heat": heat_reference,
    "kalman": kalman_reference,
    "hmm": hmm_reference,
    "nbody": nbody_reference,
    "lstm": lstm_reference,
}


@pytest.mark.parametrize("family", REFERENCES)
def test_value_on_arrays_equals_an_independent_reference(family):
    inputs = SMALL_INPUTS[family]()
    value = workloads.FUNCTIONS[family](*inputs)
    np.testing.assert_allclose(value, REFERENCES[family](*inputs), rtol=STEPPED.get(family, 1e-12))


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


def test_seed_example_is_64_with_slope_72():
    inputs = workloads.polynomial_inputs()
    assert float(workloads.polynomial(*inputs)) == 64.0
    assert handwritten.polynomial(*inputs) == (64.0, 72.0)


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


def test_check_of_what_computes_no_gradient_looks_at_its_value():
    workload = select(["polynomial"], quick=True)[0]
    right = (64.0, [np.array(72.0)])
    results = {"value": (64.0, []), "compiled": right, "jax": (64.0, [])}
    entries: Entries = {name: Entry() for name in results}
    check(workload, results, entries, valued=["value"])
    assert [entries[name].status for name in results] == ["ok", "ok", "wrong"]
    assert entries["jax"].detail == "0 gradients, not 1"
    for wrong in ((65.0, []), right):
        entries = {"value": Entry()}
        check(workload, {"value": wrong}, entries, valued=["value"])
        assert entries["value"].status == "wrong"


@pytest.mark.skipif(not RESET.exists(), reason="only Linux tells what a process held at most")
def test_memory_is_the_growth_of_the_peak():
    size, memory = 10_000_000, Memory()
    memory.start()
    kept = np.ones(size // 4)
    large = np.ones(size)
    del large
    memory.built()
    growth = memory.growth()
    assert 9.5 * size <= (growth["whole"] or 0) < 12 * size
    assert 1.5 * size <= (growth["calls"] or 0) < 4 * size
    assert len(kept) == size // 4


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
import os
import time
import numpy as np
from benchmarks.contestants import Run

print("libraries print what they like")


def polynomial(x):
    v = float(x)
    own = os.path.samefile(os.path.dirname(os.environ["JIT_CACHE_DIR"]), os.getcwd())
    return 5 * v**3 + 2 * v**2 + 4 * v + 8, [np.array(15 * v**2 + 4 * v + 4 + ({error} if own else {again}))]


def square(x):
    return float(x) ** 2, [2.0 * x]


def build(form, family, inputs, argnums):
    if family == "polynomial":
        time.sleep({pause})
    return Run({{"square": square, "polynomial": polynomial}}[family], inputs, lambda result: result)
"""


def made_up(folder: Path, name: str, error: float = 0.0, pause: float = 0.0, again: float = 0.0) -> Contestant:
    """A contestant under one of the known names whose module is written to the folder.

    Its slope is off by `error`, by `again` where the disk cache is that of another process.
    """
    (folder / f"made_up_{name}.py").write_text(MADE_UP.format(error=error, pause=pause, again=again))
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
    assert entries["compiled"].warm_call is None
    assert entries["hips"].detail == "no answer within 0.5 s"


def test_a_second_process_finds_the_disk_cache_of_the_first_and_must_agree(tmp_path):
    workload = select(["polynomial"], quick=True)[0]
    right, wrong = made_up(tmp_path, "compiled"), made_up(tmp_path, "bound", again=1e-5)
    crew = Crew({contestant.name: str(tmp_path) for contestant in (right, wrong)}, patience=60.0)
    try:
        entries = compete(workload, [right], crew, 1, "compiled", again="compiled")
        assert (entries["compiled"].status, (entries["compiled"].warm_call or 0.0) > 0.0) == ("ok", True)
        entries = compete(workload, [wrong], crew, 1, "bound", again="bound")
    finally:
        crew.close()
    assert (entries["bound"].status, entries["bound"].rounds) == ("wrong", [])
    assert (
        entries["bound"].detail
        == "with what the disk cache holds: gradient 0 is off by 1.0e-05, where the largest is 7.2e+01"
    )


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


def test_program_writes_its_figures(tmp_path, capsys, monkeypatch):
    taken = ("compiled", "bound", "value", "numba")
    monkeypatch.setattr(program, "CONTESTANTS", tuple(BY_NAME[name] for name in taken))
    argv = ["--only", "polynomial", "--peers", "none", "--rounds", "1", "--out", str(tmp_path)]
    assert program.main(argv) == 0
    printed = capsys.readouterr().out
    assert "Seed polynomial" in printed
    report = json.loads((tmp_path / "results.json").read_text())
    entries = report["workloads"][0]["contestants"]
    assert {name: entry["status"] for name, entry in entries.items()} == dict.fromkeys(taken, "ok")
    assert all(entry["time"] > 0.0 and entry["first_call"] > 0.0 for entry in entries.values())
    assert entries["compiled"]["warm_call"] > 0.0
    assert report["regimes"]["small"]["gradient"] > 0.0
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


def test_the_chain_is_what_its_name_says():
    by_hand = math.sin(0.5 * math.exp(math.sin(0.3 * 0.5 + 0.25)) + 0.25)
    assert chain(7)(0.3) == pytest.approx(by_hand, rel=1e-15)


@pytest.mark.parametrize("length", [10, 24, 500])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_whose_compilation_is_timed_have_as_many_operations_as_they_say(name, length):
    with ag.record() as tape:
        FUNCTIONS[name](length)(ag.tensor(0.3))
    assert len(tape.nodes) == length


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_result_of_what_is_timed_is_checked(name, monkeypatch):
    assert first_call(name, 30, "value and gradient").keys() == {"start-up", "first call"}
    monkeypatch.setattr(jit, "value_and_grad", lambda f: lambda x: (1.0, 1.0))
    with pytest.raises(ArithmeticError, match=f"value and gradient of a {name} of 30 operations: got"):
        first_call(name, 30, "value and gradient")


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


@pytest.mark.parametrize("family", ["polynomial", "rosenbrock"])
def test_loops_in_compiled_code_call_the_same_function_of_either_kind(family):
    workload = next(x for x in WORKLOADS if x.family == family)
    ours, written, python = nopython.contestants(workload)
    assert ours(3) == pytest.approx(written(3), rel=1e-12)
    assert ours(1) == pytest.approx(python()[0], rel=1e-12)


@pytest.mark.parametrize("form", products.FORMS)
def test_products_are_measured_and_checked(form, monkeypatch):
    assert all(speed > 0 for threads in (1, 0) for speed in products.speeds(form, (8, 9, 10), threads, 1))
    monkeypatch.setitem(products.FORMS, form, lambda x, y, f=products.FORMS[form]: 1.001 * f(x, y))
    with pytest.raises(ArithmeticError, match="is not NumPy's"):
        products.speeds(form, (8, 9, 10), 0, 1)


def test_what_a_recording_costs_is_measured():
    _, args, operations = CASES["network, 8 x 8"]
    assert len(args) == 3
    assert operations == 400
    assert all(seconds > 0 for seconds in costs("network, 8 x 8", rounds=1))
