"""The benchmark's tables and pictures, of made-up figures."""

import json
import math
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import curves
from benchmarks.chart import chart
from benchmarks.curves_chart import curves_chart, threads_panel
from benchmarks.drawing import LogAxis, number, spread
from benchmarks.markdown import markdown
from benchmarks.measure import Entry
from benchmarks.plot import count, decades, duration
from benchmarks.regimes import means, overview, regimes_as_json
from benchmarks.report import Outcome, as_json, block, megabytes, seconds, summary, times
from benchmarks.workloads import select

MACHINE = {"cpu": "A <fast> & quiet one", "cores": 2}
SVG = "{http://www.w3.org/2000/svg}"


def outcomes() -> list[Outcome]:
    """Three workloads' made-up entries, every status among them."""
    polynomial, rnn, heat = (select([name], quick=False)[0] for name in ("polynomial", "rnn", "heat"))
    return [
        Outcome(
            polynomial,
            {
                "compiled": Entry(
                    first_call=0.05, rounds=[1e-6, 2e-6, 1.5e-6], warm_call=0.004, memory=3_000_000, call_memory=40_000
                ),
                "bound": Entry(first_call=0.05, rounds=[6e-7], ratios=[0.4]),
                "value": Entry(first_call=0.04, rounds=[7.5e-7], ratios=[0.5]),
                "numba": Entry(first_call=0.2, rounds=[3e-7], ratios=[0.3]),
                "jax": Entry(first_call=0.1, rounds=[8e-6], ratios=[5.0], memory=25_000_000),
                "casadi": Entry(first_call=0.1, rounds=[1e-6], ratios=[0.9]),
                "hips": Entry(status="wrong", detail="value 1 < 2 & more"),
            },
        ),
        Outcome(
            rnn,
            {
                "compiled": Entry(first_call=0.5, rounds=[2e-3]),
                "numba": Entry(status="absent"),
                "torch": Entry(status="timeout", detail="no answer within 9 s"),
            },
        ),
        Outcome(
            heat,
            {
                "compiled": Entry(first_call=0.5, rounds=[2e-3]),
                "numba": Entry(first_call=3.0, rounds=[2.2e-3], ratios=[1.1]),
                "numba-threads": Entry(first_call=3.0, rounds=[1.4e-3], ratios=[0.7]),
                "jax": Entry(first_call=0.5, rounds=[8e-3], ratios=[4.0]),
            },
        ),
    ]


def report(found: list[Outcome]) -> dict[str, Any]:
    """What the program would write, as it would be read."""
    stored: dict[str, Any] = json.loads(json.dumps(as_json(found, MACHINE, {}) | {"regimes": regimes_as_json(found)}))
    return stored


def words_of(svg: str) -> list[str]:
    """All texts of a picture, which must be well-formed."""
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_block_tells_every_status():
    first, second, _ = outcomes()
    assert "WRONG: value 1 < 2 & more" in block(first)
    assert "timeout: no answer within 9 s" in block(second)
    lines = {line[:24].strip(): line[24:].split() for line in block(first).splitlines()}
    assert lines["ours, compiled"] == ["1.5", "us", "1x", "50", "ms", "3.0", "MB"]
    assert lines["ours, bound"] == ["0.6", "us", "0.4x", "50", "ms", "-"]


def test_outcome_names_the_best_of_each_kind_and_what_the_gradient_costs():
    first, second, third = outcomes()
    assert (first.best_peer, first.best_written, first.gradient_cost) == ("casadi", "numba", 2.0)
    assert (second.best_peer, second.best_written, second.gradient_cost) == (None, None, None)
    assert (third.best_peer, third.best_written) == ("jax", "numba-threads")


def test_overview_keeps_the_regimes_apart():
    text = overview(outcomes())
    small, large = text.index("Many small values"), text.index("Large arrays")
    assert small < text.index("Seed polynomial") < text.index("RNN 100x32") < large < text.index("Heat equation")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert [line for line in lines if line.startswith(("Seed polynomial", "geometric"))] == [
        "Seed polynomial 1.5 us 0.6 us 0.9x CasADi 0.3x Numba by hand 2x",
        "geometric mean 0.9x 0.3x 2x",
        "Seed polynomial 50 ms 4 ms 100 ms 3.0 MB 25 MB 0.0 MB -",
        "geometric mean 4x 0.7x -",
    ]
    assert max(map(len, text.splitlines())) <= 120


def test_summary_has_a_line_for_each_workload_beside_any_baseline():
    lines = [" ".join(line.split()) for line in summary(outcomes()).splitlines()]
    assert lines == [
        "ours best peer by ours",
        "Seed polynomial 1.5 us 1 us 0.9x CasADi",
        "RNN 100x32 2 ms - -",
        "Heat equation 128x50 2 ms 8 ms 4x JAX",
    ]


def test_means_are_geometric_and_leave_out_what_is_unknown():
    first, second, third = outcomes()
    found = means([first, second, third])
    assert found["best_peer"] == pytest.approx(math.sqrt(0.9 * 4.0))
    assert found["by_hand"] == pytest.approx(math.sqrt(0.3 * 0.7))
    assert means([second]) == {"best_peer": None, "by_hand": None, "gradient": None}


def test_json_holds_everything():
    stored = report(outcomes())
    entry = stored["workloads"][0]["contestants"]["compiled"]
    assert (entry["time"], entry["first_call"], entry["warm_call"], entry["status"]) == (1.5e-6, 0.05, 0.004, "ok")
    assert (entry["memory"], entry["call_memory"]) == (3_000_000, 40_000)
    assert stored["regimes"]["large"] == {
        "title": "Large arrays",
        "workloads": 1,
        "best_peer": pytest.approx(4.0),
        "by_hand": pytest.approx(0.7),
        "gradient": None,
    }
    assert stored["workloads"][0]["gradient_cost"] == 2.0


def test_figures_are_short():
    assert [seconds(x) for x in (None, 2.34567e-7, 1.5e-5, 0.1234, 123.4)] == [
        "-",
        "0.235 us",
        "15 us",
        "123 ms",
        "123 s",
    ]
    assert [times(x) for x in (None, 0.456789, 12.345, 1234.5)] == ["-", "0.457x", "12.3x", "1234x"]
    assert [megabytes(x) for x in (None, -5, 1_260_000, 9_960_000, 633_100_000)] == [
        "-",
        "0.0 MB",
        "1.3 MB",
        "10 MB",
        "633 MB",
    ]
    assert [number(x) for x in (0.4567, 9.87, 12.3, 57_139.2)] == ["0.46", "9.9", "12", "57,139"]
    assert [count(x) for x in (1, 1e3, 1e5, 1e7)] == ["1", "1k", "100k", "10M"]
    assert [duration(x) for x in (1e-7, 1e-6, 1e-2, 1.0)] == ["100 ns", "1 µs", "10 ms", "1 s"]


def test_chart_is_well_formed_and_shows_every_workload():
    svg = chart(report(outcomes()))
    words = words_of(svg)
    assert {"Seed polynomial", "RNN 100x32", "0.9x", "CasADi", "ours", "Many small values", "Large arrays"} <= set(
        words
    )
    assert any("A <fast> & quiet one" in word for word in words)
    hints = [g.find(f"{SVG}title") for g in ElementTree.fromstring(svg).iter(f"{SVG}g")]
    assert sorted(hint.text or "" for hint in hints if hint is not None) == [
        "JAX: 5x",
        "Numba by hand: 0.3x",
        "Numba, threads: 0.7x",
        "ours, bound: 0.4x",
    ]


def test_chart_of_nothing_is_well_formed():
    assert ElementTree.fromstring(chart(report([]))).tag.endswith("svg")


def test_markdown_has_a_table_for_each_regime_and_one_of_costs():
    speed, large, cost = markdown(report(outcomes())).strip().split("\n\n")
    assert speed.splitlines() == [
        "| Many small values | a call | bound | JAX | PyTorch | CasADi | HIPS autograd | Numba by hand |",
        "|---|---|---|---|---|---|---|---|",
        "| Seed polynomial | 1.5 us | 0.6 us | 5 | – | **0.9** | wrong | 0.3 |",
        "| RNN 100x32 | 2 ms | – | – | timeout | – | – | – |",
        "| geometric mean, best peer 0.9 |  |  |  |  |  |  | 0.3 |",
    ]
    assert large.splitlines()[2:] == [
        "| Heat equation 128x50 | 2 ms | – | **4** | 0.7 |",
        "| geometric mean, best peer 4 |  |  |  | 0.7 |",
    ]
    assert cost.splitlines()[2] == "| Seed polynomial | 2 | 50 ms | 4 ms | 100 ms | 3.0 MB | 25 MB | 0.0 MB | – |"


def test_labels_are_moved_apart_and_no_further():
    assert spread([10.0, 50.0], 16.0) == [10.0, 50.0]
    assert spread([20.0, 20.0], 16.0) == [12.0, 28.0]
    assert spread([102.0, 100.0, 10.0], 16.0) == [109.0, 93.0, 10.0]
    assert spread([0.0, 4.0, 8.0], 10.0) == [-6.0, 4.0, 14.0]


def test_axis_is_logarithmic_and_ticks_enclose_what_is_shown():
    axis = LogAxis(-1.0, 3.0, 100.0, 500.0)
    assert [axis(x) for x in (0.1, 1.0, 1e3)] == [100.0, 200.0, 500.0]
    assert axis.ticks() == [0.1, 1.0, 10.0, 100.0, 1000.0]
    assert decades([1.0, 1e3]) == ((1.0, "1"), (10.0, "10"), (100.0, "100"), (1000.0, "1k"))
    assert [tick for tick, _ in decades([3.0, 20.0])] == [1.0, 10.0, 100.0]
    assert [tick for tick, _ in decades([5.0])] == [1.0, 10.0]


CURVES: dict[str, Any] = {
    "machine": MACHINE,
    "size": {
        "contestants": {"compiled": "ours, compiled", "jax": "JAX"},
        "rows": [
            {"size": 1, "times": {"compiled": 1e-6, "jax": 5e-5}},
            {"size": 100, "times": {"compiled": 2e-6, "jax": None}},
        ],
    },
    "examples": {
        "contestants": {"mapped": "ours, one example"},
        "rows": [{"size": n, "times": {"mapped": 1e-6 * n}} for n in (1, 1_000)],
    },
    "unknowns": {
        "contestants": {"matrix": "sparse Jacobian"},
        "rows": [{"size": n, "times": {"matrix": 1e-8 * n}} for n in (100, 10_000)],
    },
    "operations": {
        "rows": [
            {"operations": 10, "times": {"value": 0.03, "value and gradient": 0.04}},
            {"operations": 1_000, "times": {"value": 0.1, "value and gradient": 0.2}},
        ]
    },
    "threads": {"rows": [{"title": "Heat equation 128x50", "times": {"1": 2.0, "2": 1.0, "4": 0.8}}]},
}


@pytest.mark.parametrize(("slow", "labels"), [(2.05, ["1x", "2x", "4x"]), (5.0, ["0.25x", "0.5x", "1x", "2x", "4x"])])
def test_speed_below_one_thread_is_in_the_picture(slow, labels):
    part = {"rows": [{"title": "A", "times": {"1": 2.0, "2": slow, "4": 0.8}}]}
    panel = threads_panel(part)
    assert [label for _, label in panel.y_ticks] == labels


@pytest.mark.parametrize("left_out", ["", *curves.PARTS])
def test_curves_are_drawn_whichever_were_measured(left_out):
    words = set(words_of(curves_chart({key: part for key, part in CURVES.items() if key != left_out})))
    shown = {
        "size": {"Time against size", "ours, compiled", "JAX", "1 µs"},
        "examples": {"Time against examples", "ours, one example"},
        "unknowns": {"Time against unknowns", "sparse Jacobian", "10k"},
        "operations": {"Compile time against operations", "value and gradient", "1k"},
        "threads": {"Speed against threads", "2.5x Heat equation 128x50", "ideal", "4x"},
    }
    for part, expected in shown.items():
        assert (expected <= words) == (part != left_out)


@pytest.mark.parametrize(
    ("part", "given", "heading"),
    [
        ("size", {"SIZES": (1, 3)}, "options ours, compiled NumPy, value alone"),
        ("examples", {"EXAMPLES": (1, 3)}, "starts ours, one example"),
        ("unknowns", {"SIDES": (2, 3)}, "unknowns function sparse Jacobian by hand"),
    ],
)
def test_curves_program_writes_its_figures(part, given, heading, tmp_path, capsys, monkeypatch):
    for name, sizes in given.items():
        monkeypatch.setattr(curves, name, sizes)
    argv = ["--only", part, "--peers", "none", "--rounds", "1", "--out", str(tmp_path)]
    assert curves.main(argv) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == heading.split()
    rows = json.loads((tmp_path / "curves.json").read_text())[part]["rows"]
    assert [row["size"] for row in rows] == ([4, 9] if part == "unknowns" else [1, 3])
    assert all(time > 0.0 for row in rows for time in row["times"].values())
    assert ElementTree.parse(tmp_path / "curves.svg").getroot() is not None
