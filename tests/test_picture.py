"""The picture of a graph: what it shows, that its texts are well formed, and where its boxes stand."""

import gc
import re
import time
import weakref
import xml.etree.ElementTree as ElementTree
from html import unescape
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import layers
from autograd.layout import NODE_GAP, Layout, layout
from autograd.picture import Picture

SVG = "{http://www.w3.org/2000/svg}"
SIZE = (100.0, 28.0)


def leaf(*shape: int) -> ag.Tensor:
    return ag.tensor(np.ones(shape), requires_grad=True)


def polynomial() -> tuple[ag.Tensor, dict[str, ag.Tensor]]:
    x = leaf()
    return 5 * x**3 + 2 * x**2 + 4 * x + 8, {"x": x}


def linear() -> tuple[ag.Tensor, dict[str, ag.Tensor]]:
    w, b = leaf(4, 3), leaf(3)
    return ((np.ones((5, 4)) @ w + b) ** 2).sum(), {"w": w, "b": b}


def texts(picture: Picture) -> list[list[str]]:
    """The lines of text in each box of the SVG."""
    root = ElementTree.fromstring(picture._repr_svg_())
    return [
        [text.text or "" for text in box.iter(f"{SVG}text")]
        for box in root.iter(f"{SVG}g")
        if "data-kind" in box.attrib
    ]


def labels(picture: Picture) -> list[list[str]]:
    """The lines of text in each box of the DOT text, as Graphviz reads them."""
    found = re.findall(r'^    n\d+ \[label="((?:[^"\\]|\\.)*)"', picture.source, re.MULTILINE)
    unescaped = [re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], label) for label in found]
    return [unescape(label).split("\n") for label in unescaped]


def links(picture: Picture) -> list[tuple[str, str]]:
    """The edges, each box by its first line."""
    return [(picture.boxes[u].lines[0], picture.boxes[v].lines[0]) for u, v in picture.edges]


def check_dot(source: str) -> None:
    """Brackets balance outside of strings, each line is a statement, each end of an edge is declared."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', source)
    depth = 0
    for character in bare:
        depth += (character in "{[") - (character in "}]")
        assert depth >= 0
    assert depth == 0
    head, *statements, tail = bare.strip().split("\n")
    assert (head, tail) == ("digraph autograd {", "}")
    assert all(re.fullmatch(r"    (\w+ \[[^\[\]]*\]|\w+ -> \w+);", line) for line in statements)
    declared = set(re.findall(r"^    (n\d+) \[", bare, re.MULTILINE))
    ends = re.findall(r"^    (\w+) -> (\w+);", bare, re.MULTILINE)
    assert declared.issuperset(end for edge in ends for end in edge)


def check_boxes_apart(picture: Picture) -> None:
    """Boxes of the SVG at one height do not overlap, and each is wide enough for its text."""
    rows: dict[float, list[tuple[float, float]]] = {}
    for box in ElementTree.fromstring(picture.svg).iter(f"{SVG}g"):
        for rect in box.findall(f"{SVG}rect"):
            x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
            rows.setdefault(y + height / 2, []).append((x, x + width))
            longest = max(len(text.text or "") for text in box.findall(f"{SVG}text"))
            assert width > 7 * longest
    assert sum(map(len, rows.values())) == len(picture.boxes)
    for row in rows.values():
        assert all(left[1] < right[0] for left, right in pairwise(sorted(row)))


def check_layout(drawing: Layout, sizes: list[tuple[float, float]], edges: list[tuple[int, int]]) -> None:
    """Edges run down from box to box and pass no other; boxes of a layer have a gap; all is in the frame."""
    rows: dict[int, list[int]] = {}
    for v in sorted(range(len(sizes)), key=lambda v: drawing.centres[v][0]):
        rows.setdefault(drawing.layers[v], []).append(v)
    for row in rows.values():
        assert len({drawing.centres[v][1] for v in row}) == 1
        for u, v in pairwise(row):
            distance = drawing.centres[v][0] - drawing.centres[u][0]
            assert distance >= (sizes[u][0] + sizes[v][0]) / 2 + NODE_GAP - 1e-6
    for (u, v), path in zip(edges, drawing.paths, strict=True):
        assert drawing.layers[u] < drawing.layers[v]
        assert drawing.centres[u][1] < drawing.centres[v][1]
        assert all(upper[1] < lower[1] for upper, lower in pairwise(path))
        (x, y), (right, bottom) = drawing.centres[v], path[-1]
        assert bottom == pytest.approx(y - sizes[v][1] / 2)
        assert abs(right - x) < sizes[v][0] / 2
        for (x0, y0), (x1, y1) in pairwise(path):
            for box, (x, y) in enumerate(drawing.centres):
                half_width, half_height = sizes[box][0] / 2, sizes[box][1] / 2
                beside = max(x0, x1) < x - half_width or min(x0, x1) > x + half_width
                apart = y1 <= y - half_height + 1e-6 or y0 >= y + half_height - 1e-6
                assert beside or apart
    for (width, height), (x, y) in zip(sizes, drawing.centres, strict=True):
        assert width / 2 < x < drawing.width - width / 2
        assert height / 2 < y < drawing.height - height / 2
    assert all(0 < x < drawing.width and 0 < y < drawing.height for path in drawing.paths for x, y in path)


def test_an_operation_is_linked_to_its_inputs():
    y, params = polynomial()
    assert links(ag.make_dot(y, params)) == [
        ("x", "AccumulateGrad"),
        ("AccumulateGrad", "PowBackward0"),
        ("PowBackward0", "MulBackward0"),
        ("AccumulateGrad", "PowBackward0"),
        ("PowBackward0", "MulBackward0"),
        ("MulBackward0", "AddBackward0"),
        ("MulBackward0", "AddBackward0"),
        ("AccumulateGrad", "MulBackward0"),
        ("AddBackward0", "AddBackward0"),
        ("MulBackward0", "AddBackward0"),
        ("AddBackward0", "AddBackward0"),
        ("AddBackward0", "()"),
    ]


def test_a_shared_value_is_one_box_and_each_use_an_edge():
    x, w = leaf(2), leaf(2)
    shared = x * w
    picture = ag.make_dot(shared * shared)
    kinds = [box.kind for box in picture.boxes]
    assert kinds == ["leaf", "accumulate", "leaf", "accumulate", "operation", "operation", "output"]
    assert picture.edges == ((0, 1), (2, 3), (1, 4), (3, 4), (4, 5), (4, 5), (5, 6))


def test_a_leaf_used_twice_accumulates_once():
    x = leaf()
    kinds = [box.kind for box in ag.make_dot(x * (x + 1)).boxes]
    assert kinds.count("leaf") == kinds.count("accumulate") == 1


def test_constants_are_left_out():
    x, constant = leaf(3), ag.tensor(np.ones(3))
    assert len(ag.make_dot(x * constant + 2.0).boxes) == 5


@pytest.mark.parametrize("made", [polynomial, linear])
def test_both_texts_show_all_boxes(made):
    y, params = made()
    picture = ag.make_dot(y, params)
    assert texts(picture) == labels(picture) == [list(box.lines) for box in picture.boxes]
    check_dot(picture.source)
    check_boxes_apart(picture)


def test_names_shapes_and_operations_are_shown():
    y, params = linear()
    shown = texts(ag.make_dot(y, params))
    assert ["w", "(4, 3)"] in shown
    assert ["b", "(3,)"] in shown
    assert shown[-1] == ["()"]
    assert {"MatmulBackward0", "AddBackward0", "PowBackward0", "SumBackward0"} < {lines[0] for lines in shown}


def test_the_svg_has_a_line_and_a_head_for_each_edge():
    picture = ag.make_dot(*polynomial())
    root = ElementTree.fromstring(picture.svg)
    assert len(list(root.iter(f"{SVG}path"))) == 2 * len(picture.edges)
    assert len(list(root.iter(f"{SVG}rect"))) == 1 + len(picture.boxes)
    assert root.attrib["viewBox"] == f"0 0 {root.attrib['width']} {root.attrib['height']}"


def test_leaves_are_blue_and_the_output_is_green():
    picture = ag.make_dot(*polynomial())
    fills = dict(re.findall(r'^    (n\d+) \[.*fillcolor="#(\w+)"', picture.source, re.MULTILINE))
    assert [fills["n0"], fills[f"n{len(picture.boxes) - 1}"]] == ["d6eaf8", "d5f0c8"]
    assert 'fill="#d6eaf8"' in picture.svg
    assert 'fill="#d5f0c8"' in picture.svg


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('a"b<c>&', 'a"b<c>&'),
        ("&lt;", "&lt;"),
        ("back\\slash\\n\\", "back\\slash\\n\\"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("null\0 \ud800 \uffff", "null\ufffd \ufffd \ufffd"),
        ("层1.権重 β̂ 🙂", "层1.権重 β̂ 🙂"),
        ("]]> --> ' } ; n0", "]]> --> ' } ; n0"),
        ("two  spaces", "two  spaces"),
    ],
)
def test_odd_names_are_escaped(name, shown, tmp_path):
    x = leaf(2)
    picture = ag.make_dot((x * x).sum(), {name: x})
    assert texts(picture)[0] == labels(picture)[0] == [shown, "(2,)"]
    check_dot(picture.source)
    picture.save(tmp_path / "y.svg")
    assert (tmp_path / "y.svg").read_text(encoding="utf-8") == picture.svg


def test_params_name_leaves_and_outputs_and_may_name_others():
    x, unused = leaf(), leaf()
    y = x * x
    shown = texts(ag.make_dot(y, {"x": x, "tied": x, "y": y, "unused": unused}))
    assert [shown[0], shown[-1]] == [["x, tied", "()"], ["y", "()"]]
    assert ["unused", "()"] not in shown


def test_several_outputs_share_one_picture():
    x, y = leaf(3), leaf(2)
    z = x * x
    outputs = [z.sum(), z, y, z]
    picture = ag.make_dot(outputs, {"x": x, "y": y})
    assert [box.kind for box in picture.boxes].count("output") == 3
    assert picture.boxes[-1].lines == ("(3,)",)
    assert picture.boxes == ag.make_dot(tuple(outputs), {"x": x, "y": y}).boxes


def test_a_leaf_may_be_output_and_input():
    x = leaf(3)
    picture = ag.make_dot([x, x * 2.0], {"x": x})
    assert [box.kind for box in picture.boxes] == ["output", "accumulate", "operation", "output"]
    assert texts(ag.make_dot(x)) == [["(3,)"]]


def test_the_picture_is_the_same_each_time():
    first, second = (ag.make_dot(*linear()) for _ in range(2))
    assert first.source == second.source
    assert first.svg == second.svg


def test_the_picture_holds_no_tensors():
    y, params = linear()
    references = [weakref.ref(tensor) for tensor in (y, *params.values())]
    picture = ag.make_dot(y, params)
    gc.disable()
    try:
        del y, params
        assert [reference() for reference in references] == [None] * 3
    finally:
        gc.enable()
    assert "MatmulBackward0" in picture.svg


def test_a_swept_graph_can_be_drawn():
    y, params = linear()
    before = ag.make_dot(y, params).source
    y.backward()
    assert ag.make_dot(y, params).source == before


def test_text_forms():
    picture = ag.make_dot(*polynomial())
    assert repr(picture) == "Picture(boxes=11, edges=12)"
    assert str(picture) == picture.source
    assert picture._repr_svg_() == picture.svg


@pytest.mark.parametrize("name", ["y.svg", "y.dot", "y.gv", "Y.SVG"])
def test_save_writes_by_the_ending(name, tmp_path):
    picture = ag.make_dot(*polynomial())
    picture.save(str(tmp_path / name))
    expected = picture.svg if name.lower().endswith("svg") else picture.source
    assert (tmp_path / name).read_text(encoding="utf-8") == expected


@pytest.mark.parametrize("name", ["y.png", "y", "y.svg.gz", ".svg"])
def test_save_refuses_other_endings(name, tmp_path):
    with pytest.raises(ValueError, match=r"`\.svg`.*`\.dot` or `\.gv`.*got .*choose a name"):
        ag.make_dot(*polynomial()).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_tensor_without_graph_is_refused():
    x = leaf(2)
    with ag.no_grad():
        y = x * x
    for missing in (y, [x * x, y], ag.tensor(np.ones(2))):
        with pytest.raises(ValueError, match=r"`make_dot`.*shape \(2,\).*`requires_grad=True`.*outside `no_grad`"):
            ag.make_dot(missing)


def test_wrong_kinds_are_refused():
    x = leaf()
    with pytest.raises(ValueError, match="`make_dot` needs at least one tensor, got none"):
        ag.make_dot([])
    with pytest.raises(TypeError, match=r"`make_dot` needs a tensor, .*got ndarray"):
        ag.make_dot(np.ones(2))
    with pytest.raises(TypeError, match="`make_dot` needs tensors in `params`, got ndarray for 'x'"):
        ag.make_dot(x * x, {"x": np.ones(2)})


def test_a_chain_of_ten_thousand_operations():
    x = y = leaf()
    for _ in range(10_000):
        y = y * 1.0
    began = time.process_time()
    picture = ag.make_dot(y, {"x": x})
    shown = texts(picture)
    assert time.process_time() - began < 10
    assert len(shown) == len(picture.boxes) == 10_003
    assert picture.drawing.layers == list(range(10_003))
    assert len({x for x, _ in picture.drawing.centres}) == 1


def test_a_sum_of_ten_thousand_leaves():
    terms = [leaf() for _ in range(5_000)]
    while len(terms) > 1:
        terms = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)] + terms[len(terms) & ~1 :]
    began = time.process_time()
    picture = ag.make_dot(terms[0])
    shown = texts(picture)
    assert time.process_time() - began < 10
    assert len(shown) == len(picture.boxes) == 5_000 + 5_000 + 4_999 + 1
    check_boxes_apart(picture)


GRAPHS = {
    "one": (1, []),
    "two apart": (2, []),
    "chain": (6, [(i, i + 1) for i in range(5)]),
    "parallel": (2, [(0, 1), (0, 1), (0, 1)]),
    "skip": (5, [(i, i + 1) for i in range(4)] + [(0, 4), (0, 4), (0, 2), (1, 4)]),
    "fan": (30, [(i, 29) for i in range(29)]),
    "used in each step": (40, [(i, i + 1) for i in range(1, 39)] + [(0, i) for i in range(2, 40)]),
    "used again at the end": (20, [(i, i + 1) for i in range(19)] + [(i, 19) for i in range(18)]),
    "grid": (49, [(i, i + 1) for i in range(49) if i % 7 < 6] + [(i, i + 7) for i in range(42)]),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_layout_of(name):
    nodes, edges = GRAPHS[name]
    sizes = [(60.0 + 20 * (i % 5), 28.0 + 16 * (i % 2)) for i in range(nodes)]
    check_layout(layout(sizes, edges), sizes, edges)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_layout_of_any_graph(data):
    nodes = data.draw(st.integers(2, 14))
    pairs = st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1)).filter(lambda pair: pair[0] < pair[1])
    edges = data.draw(st.lists(pairs, max_size=25))
    sizes = [(40.0 + 35 * (i % 4), 28.0 + 16 * (i % 2)) for i in range(nodes)]
    drawing = layout(sizes, edges)
    check_layout(drawing, sizes, edges)
    assert drawing == layout(sizes, edges)


def test_a_tree_has_no_crossings_and_each_node_stands_between_its_inputs():
    edges = [(2 * i, 16 + i) for i in range(15)] + [(2 * i + 1, 16 + i) for i in range(15)]
    xs = [x for x, _ in layout([SIZE] * 31, edges).centres]
    assert all(xs[2 * i] < xs[16 + i] < xs[2 * i + 1] for i in range(15))


def test_the_main_line_is_straight():
    main, sides = range(0, 30, 2), range(1, 27, 2)
    edges = list(pairwise(main)) + [(side, side + 3) for side in sides]
    xs = [x for x, _ in layout([SIZE] * 29, edges).centres]
    assert len({xs[v] for v in main}) == 1


def test_an_input_stands_beside_its_use():
    drawing = layout([SIZE] * 6, [(0, 1), (1, 2), (2, 3), (3, 5), (4, 5)])
    assert drawing.layers == [0, 1, 2, 3, 3, 4]


def test_past_the_most_bends_long_edges_are_arcs(monkeypatch):
    nodes, edges = GRAPHS["used again at the end"]
    monkeypatch.setattr(layers, "MAX_BENDS", 10)
    drawing = layout([SIZE] * nodes, edges)
    arc = drawing.paths[edges.index((0, 19))]
    assert max(x for x, _ in arc) > max(arc[0][0], arc[-1][0]) + 50
    assert drawing.width > max(x for x, _ in arc)


def test_work_does_not_grow_with_the_square_of_a_chain(monkeypatch):
    monkeypatch.setattr(layers, "MAX_BENDS", 3_000)
    nodes = 3_000
    edges = [(i, i + 1) for i in range(nodes - 1)] + [(i, nodes - 1) for i in range(nodes - 2)]
    began = time.process_time()
    drawing = layout([SIZE] * nodes, edges)
    assert time.process_time() - began < 10
    assert sum(map(len, drawing.paths)) < 20 * nodes
