"""Layered drawing of a directed acyclic graph: where each box stands and which way each edge runs.

The steps are Sugiyama's: layers, then an order within each layer that has few crossings, then x coordinates.
It knows nodes and edges as integers only, uses no recursion, and draws the same graph always the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf
from typing import NamedTuple

from .layers import Edge, Net, Point, Rows, assign_layers, ordered_rows, rounds, with_bends

NODE_GAP = 24.0
BEND_GAP = 14.0
LAYER_GAP = 28.0
PORT_GAP = 11.0
MARGIN = 16.0


class Layout(NamedTuple):
    """Where to draw a graph.

    `layers`, `centres`: one entry a node. `paths`: the corners of each edge; a piece between two corners of
    one x is straight, any other is a curve with vertical ends. A path starts at its node, or where it leaves
    the node's trunk.
    """

    layers: list[int]
    centres: list[Point]
    paths: list[list[Point]]
    width: float
    height: float


class _Level(NamedTuple):
    """The vertical extent of a vertex's layer and, within it, of its box."""

    layer: int
    top: float
    box_top: float
    box_bottom: float
    bottom: float


def layout(sizes: Sequence[tuple[float, float]], edges: Sequence[Edge]) -> Layout:
    """The layered drawing of a directed acyclic graph, edges pointing downwards.

    `sizes`: width and height of each node's box. `edges`: pairs of node indices, each with the smaller index
    first (so the indices are a topological order); a pair may occur several times.

    >>> drawing = layout([(80, 28), (80, 28), (80, 28)], [(0, 2), (1, 2)])
    >>> drawing.layers
    [0, 0, 1]
    >>> (a, top), (b, _), (c, bottom) = drawing.centres
    >>> a < c < b and top < bottom
    True
    """
    net = with_bends(assign_layers(len(sizes), edges), edges)
    bends = len(net.layers) - len(sizes)
    rows = ordered_rows(net)
    widths = [size[0] for size in sizes] + [0.0] * bends
    heights = [size[1] for size in sizes] + [0.0] * bends
    xs = _coordinates(net, rows, widths)
    levels = _levels(net, rows, heights, xs)
    centres = [(xs[v], (levels[v].top + levels[v].bottom) / 2) for v in range(net.nodes)]
    ports = zip(net.routes, *_ports(net, xs, widths), strict=True)
    paths = [_path(route, start, end, xs, levels) for route, start, end in ports]
    rightmost = [x + width / 2 for x, width in zip(xs, widths, strict=True)] + [x for path in paths for x, _ in path]
    height = max(level.bottom for level in levels) + MARGIN
    return Layout(net.layers[: net.nodes], centres, paths, max(rightmost) + MARGIN, height)


# ------------------------------------------------------------------------------------------------ coordinates


def _coordinates(net: Net, rows: Rows, widths: list[float]) -> list[float]:
    """The x of each vertex: sweeps move each layer's vertices to where their links pull them."""
    offsets = [_offsets(net, row, widths) for row in rows]
    xs = [0.0] * len(widths)
    for row, offset in zip(rows, offsets, strict=True):
        for v, x in zip(row, offset, strict=True):
            xs[v] = x - offset[-1] / 2
    busier = [_busier(above, below) for above, below in zip(net.above, net.below, strict=True)]
    layers = range(len(rows))
    for _ in range(rounds(net)):
        for order, near in ((layers[::-1], net.below), (layers, net.above), (layers, busier)):
            for i in order:
                _settle(rows[i], offsets[i], near, net.pulls, xs)
    for _ in range(2):
        _straighten(net, rows, offsets, xs)
    left = min(x - width / 2 for x, width in zip(xs, widths, strict=True))
    return [x - left + MARGIN for x in xs]


def _offsets(net: Net, row: list[int], widths: list[float]) -> list[float]:
    """The least distance of each vertex of a layer from the first."""
    offsets = [0.0]
    for u, v in pairwise(row):
        gap = NODE_GAP if u < net.nodes and v < net.nodes else BEND_GAP
        offsets.append(offsets[-1] + (widths[u] + widths[v]) / 2 + gap)
    return offsets


def _busier(above: list[int], below: list[int]) -> list[int]:
    """The neighbours that a vertex is to be centred on."""
    if len(above) == len(below):
        return above + below
    return above if len(above) > len(below) else below


def _settle(row: list[int], offsets: list[float], near: Rows, pulls: dict[Edge, float], xs: list[float]) -> None:
    """Moves the vertices of a layer as near as order and widths allow to the mean of their neighbours."""
    goals, weights = [], []
    for v, offset in zip(row, offsets, strict=True):
        total, weight = xs[v] * 1e-3, 1e-3
        for u in near[v]:
            pull = pulls.get((u, v)) or pulls[v, u]
            total += pull * xs[u]
            weight += pull
        goals.append(total / weight - offset)
        weights.append(weight)
    for v, offset, place in zip(row, offsets, _ascending(goals, weights), strict=True):
        xs[v] = place + offset


def _ascending(goals: list[float], weights: list[float]) -> list[float]:
    """The ascending sequence nearest to the goals in weighted least squares: falling ones are pooled."""
    pools: list[tuple[float, float, int]] = []
    for goal, weight in zip(goals, weights, strict=True):
        size = 1
        while pools and pools[-1][0] > goal:
            other, other_weight, other_size = pools.pop()
            goal = (goal * weight + other * other_weight) / (weight + other_weight)
            weight += other_weight
            size += other_size
        pools.append((goal, weight, size))
    return [goal for goal, _, size in pools for _ in range(size)]


def _straighten(net: Net, rows: Rows, offsets: list[list[float]], xs: list[float]) -> None:
    """Puts the vertices of each line on as few different x as the room between their neighbours allows."""
    place = {v: i for row in rows for i, v in enumerate(row)}
    for line in _lines(net, xs):
        piece: list[int] = []
        low, high = -inf, inf
        for v in line:
            left, right = _room(rows[net.layers[v]], offsets[net.layers[v]], place[v], xs)
            if max(low, left) > min(high, right):
                _align(net, piece, low, high, xs)
                piece, low, high = [], -inf, inf
            piece.append(v)
            low, high = max(low, left), min(high, right)
        _align(net, piece, low, high, xs)


def _lines(net: Net, xs: list[float]) -> Rows:
    """Splits the vertices into lines that should be straight, the longest first.

    A vertex continues the line of the input that pulls it most. Of several that could continue a line, a bend
    does so for a bend and a node for a node, and then the one that is nearest.
    """
    ahead: dict[int, int] = {}
    for v, inputs in enumerate(net.above):
        ranked = sorted({(-net.pulls[u, v], u) for u in inputs})
        if ranked and (len(ranked) == 1 or ranked[0][0] < ranked[1][0]):
            u = ranked[0][1]
            options = [v, ahead.get(u, v)]
            ahead[u] = min(options, key=lambda w: ((u < net.nodes) != (w < net.nodes), abs(xs[u] - xs[w])))
    lines = []
    for v in sorted(set(range(len(xs))).difference(ahead.values())):
        line = [v]
        while line[-1] in ahead:
            line.append(ahead[line[-1]])
        lines.append(line)
    return sorted(lines, key=len, reverse=True)


def _room(row: list[int], offsets: list[float], i: int, xs: list[float]) -> tuple[float, float]:
    """The least and the greatest x of a vertex between its neighbours in the layer."""
    left = xs[row[i - 1]] + offsets[i] - offsets[i - 1] if i > 0 else -inf
    right = xs[row[i + 1]] - offsets[i + 1] + offsets[i] if i + 1 < len(row) else inf
    return left, max(left, right)


def _align(net: Net, piece: list[int], low: float, high: float, xs: list[float]) -> None:
    """Puts a piece of a line on one x: above its users if nothing leads to it, else where most of it is."""
    users = net.below[piece[-1]]
    goal = sorted([xs[v] for v in piece])[len(piece) // 2]
    if users and not net.above[piece[0]]:
        goal = sum([xs[v] for v in users]) / len(users)
    for v in piece:
        xs[v] = min(max(goal, low), high)


# ----------------------------------------------------------------------------------------------------- routes


def _ports(net: Net, xs: list[float], widths: list[float]) -> tuple[list[float], list[float]]:
    """The x at which each edge leaves its first vertex and reaches its last, spread along the boxes."""
    leaving: Rows = [[] for _ in xs]
    arriving: Rows = [[] for _ in xs]
    for i, route in enumerate(net.routes):
        leaving[route[0]].append(i)
        arriving[route[-1]].append(i)
    starts = [xs[route[0]] for route in net.routes]
    for u in range(net.nodes):
        if len(leaving[u]) > 1:
            _spread(leaving[u], [xs[net.routes[i][1]] for i in leaving[u]], xs[u], widths[u] * 0.3, starts)
    ends = [xs[route[-1]] for route in net.routes]
    for v in range(net.nodes):
        origins = [starts[i] if len(net.routes[i]) == 2 else xs[net.routes[i][-2]] for i in arriving[v]]
        if len(arriving[v]) > 1:
            _spread(arriving[v], origins, xs[v], widths[v] * 0.5 - 8, ends)
        elif origins and abs(origins[0] - xs[v]) < widths[v] * 0.3:
            ends[arriving[v][0]] = origins[0]
    return starts, ends


def _spread(lines: list[int], goals: list[float], centre: float, half: float, ports: list[float]) -> None:
    """Sets the ports of several lines on a side of a box, each as near to its goal as the gaps allow."""
    gap = min(PORT_GAP, 2 * half / (len(lines) - 1))
    order = sorted(range(len(lines)), key=goals.__getitem__)
    reach = half - gap * (len(lines) - 1)
    wanted = [min(max(goals[k], centre - half), centre + half) - gap * i for i, k in enumerate(order)]
    for i, (k, port) in enumerate(zip(order, _ascending(wanted, [1.0] * len(order)), strict=True)):
        ports[lines[k]] = min(max(port, centre - half), centre + reach) + gap * i


def _levels(net: Net, rows: Rows, heights: list[float], xs: list[float]) -> list[_Level]:
    """The heights at which each vertex stands; layers joined by far-reaching links stand farther apart."""
    levels = [_Level(0, 0, 0, 0, 0)] * len(xs)
    top = MARGIN
    for layer, row in enumerate(rows):
        tallest = max(heights[v] for v in row)
        bottom = top + tallest
        for v in row:
            inset = (tallest - heights[v]) / 2 if v < net.nodes else 0.0
            levels[v] = _Level(layer, top, top + inset, bottom - inset, bottom)
        sweep = max([abs(xs[u] - xs[v]) for u in row for v in net.below[u]], default=0.0)
        top = bottom + min(max(LAYER_GAP, 18 + 0.14 * sweep), 110.0)
    return levels


def _path(route: list[int], start: float, end: float, xs: list[float], levels: list[_Level]) -> list[Point]:
    """The corners of an edge: it crosses each layer vertically and moves sideways between layers only."""
    first, last = levels[route[0]], levels[route[-1]]
    corners = [(start, first.box_bottom), (start, first.bottom)]
    for bend in route[1:-1]:
        corners += [(xs[bend], levels[bend].top), (xs[bend], levels[bend].bottom)]
    if len(route) == 2 and last.layer - first.layer > 1:
        aside = min(60 + 0.05 * (last.top - first.bottom), 600)
        corners.append((max(start, end) + aside, (first.bottom + last.top) / 2))
    corners += [(end, last.top), (end, last.box_top)]
    corners = [corner for corner, before in zip(corners, [None, *corners], strict=False) if corner != before]
    inner = zip(corners, corners[1:], corners[2:], strict=False)
    bent = [corner for before, corner, after in inner if not before[0] == corner[0] == after[0]]
    return [corners[0], *bent, corners[-1]]
