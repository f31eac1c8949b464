"""Layered drawing of a directed acyclic graph: where each box stands and which way each edge runs.

The steps are Sugiyama's: layers, then an order within each layer that has few crossings, then x coordinates.
It knows nodes and edges as integers only, uses no recursion, and draws the same graph always the same.

An edge that spans several layers runs through *bends*, one in each layer between. All long edges that leave
one node share one line of bends, the node's *trunk*, and branch off where they are needed: a parameter that
each of a thousand steps uses has one line beside them, not a thousand.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise
from math import inf
from typing import NamedTuple

Point = tuple[float, float]
Edge = tuple[int, int]
Rows = list[list[int]]

NODE_GAP = 24.0
BEND_GAP = 14.0
LAYER_GAP = 28.0
PORT_GAP = 11.0
MARGIN = 16.0

# In a chain whose every step is used again at the end, the bends would outnumber the nodes by half the length
# of the chain. Past this number the longest trunks are left out, and their edges are drawn as plain arcs.
MAX_BENDS = 30_000

# Work on the order and on the x coordinates: rounds = ROUND_BUDGET / vertices, within these limits.
ROUND_BUDGET = 60_000
FEWEST_ROUNDS, MOST_ROUNDS = 2, 24
SWAP_LIMIT = 3_000


class Layout(NamedTuple):
    """Where to draw a graph.

    `layers`, `centres`: one entry a node. `paths`: the corners of each edge; a piece between two corners
    of one x is straight, any other is a curve with vertical ends. A path starts at its node, or where it leaves
    the node's trunk.
    """

    layers: list[int]
    centres: list[Point]
    paths: list[list[Point]]
    width: float
    height: float


class _Net(NamedTuple):
    """The graph with its bends: vertices from `nodes` on are bends; `above` and `below` reach one layer."""

    nodes: int
    layers: list[int]
    owners: list[int]  # each node itself; for a bend, the node whose trunk it is in
    above: Rows
    below: Rows
    pulls: dict[Edge, float]
    routes: Rows  # the vertices that each edge's drawing passes


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
    net = _with_bends(assign_layers(len(sizes), edges), edges)
    bends = len(net.layers) - len(sizes)
    rows = _ordered_rows(net)
    widths = [size[0] for size in sizes] + [0.0] * bends
    heights = [size[1] for size in sizes] + [0.0] * bends
    xs = _coordinates(net, rows, widths)
    starts, ends = _ports(net, xs, widths)
    bands = _bands(net, rows, heights, xs)
    paths = [
        _path(net, route, start, end, xs, heights, bands)
        for route, start, end in zip(net.routes, starts, ends, strict=True)
    ]
    return _framed(net, xs, widths, bands, paths)


# ----------------------------------------------------------------------------------------------------- layers


def assign_layers(nodes: int, edges: Sequence[Edge]) -> list[int]:
    """The layer of each node, 0 at the top, with every edge downwards and the edges short.

    Each node first stands as low as its uses allow, so inputs stand beside the place that needs them. Then a
    node with more inputs than uses moves up to its inputs, as its result is one line while they are many.
    """
    above, below = _neighbours(nodes, edges)
    layers = [0] * nodes
    for v in reversed(range(nodes)):
        layers[v] = min([layers[w] for w in below[v]], default=1) - 1
    for v in range(nodes):
        if len(above[v]) > len(below[v]):
            layers[v] = max(layers[u] for u in above[v]) + 1
    for v in reversed(range(nodes)):
        if below[v] and len(below[v]) >= len(above[v]):
            layers[v] = min(layers[w] for w in below[v]) - 1
    used = {layer: i for i, layer in enumerate(sorted(set(layers)))}
    return [used[layer] for layer in layers]


def _neighbours(vertices: int, edges: Sequence[Edge]) -> tuple[Rows, Rows]:
    above: Rows = [[] for _ in range(vertices)]
    below: Rows = [[] for _ in range(vertices)]
    for u, v in edges:
        above[v].append(u)
        below[u].append(v)
    return above, below


def _with_bends(layers: list[int], edges: Sequence[Edge]) -> _Net:
    """Gives each node with long edges a trunk of bends, down to the layer above its farthest use."""
    nodes = len(layers)
    reach = [0] * nodes
    for u, v in edges:
        reach[u] = max(reach[u], layers[v] - layers[u] - 1)
    trunks = _trunks(reach)
    owners = [*range(nodes), *(u for u in range(nodes) for _ in trunks[u][1:])]
    layers = layers + [layers[u] + i for u in range(nodes) for i in range(1, len(trunks[u]))]
    routes: list[tuple[int, list[int]]] = []
    links: list[Edge] = []
    drawn = [0] * nodes
    for i in sorted(range(len(edges)), key=lambda i: layers[edges[i][0]] - layers[edges[i][1]]):
        u, v = edges[i]
        span = layers[v] - layers[u]
        if span > len(trunks[u]):
            routes.append((i, [u, v]))
            continue
        # The longest edge comes first and draws the trunk; the others start where they leave it.
        route = [*trunks[u][drawn[u] and span - 1 : span], v]
        drawn[u] = max(drawn[u], span - 1)
        routes.append((i, route))
        links += pairwise(route)
    above, below = _neighbours(len(layers), links)
    pulls = _pulls(nodes, edges, above)
    return _Net(nodes, layers, owners, above, below, pulls, [route for _, route in sorted(routes)])


def _trunks(reach: list[int]) -> Rows:
    """For each node itself and its bends, numbered on from the nodes; shorter trunks are granted first."""
    trunks = [[u] for u in range(len(reach))]
    left = MAX_BENDS
    granted = []
    for u in sorted(range(len(reach)), key=reach.__getitem__):
        if reach[u] > left:
            break
        left -= reach[u]
        granted.append(u)
    number = len(reach)
    for u in sorted(granted):
        trunks[u] += range(number, number + reach[u])
        number += reach[u]
    return trunks


def _pulls(nodes: int, edges: Sequence[Edge], above: Rows) -> dict[Edge, float]:
    """How strongly each link wants to be vertical.

    Trunks most. Of a node's inputs, the one with the longest history: the main line of a computation then
    runs straight down, with parameters at its sides, while equal inputs stand evenly to the left and right.
    """
    depths = [0] * nodes
    for u, v in sorted(edges, key=lambda edge: edge[1]):
        depths[v] = max(depths[v], depths[u] + 1)
    pulls = {}
    for v, inputs in enumerate(above):
        deepest = max([depths[u] for u in inputs if u < nodes], default=0)
        for u in inputs:
            if u >= nodes:
                pulls[u, v] = 8.0 if v >= nodes else 0.1
            else:
                pulls[u, v] = max(0.25 ** (deepest - depths[u]), 1 / 64)
    return pulls


# ------------------------------------------------------------------------------------------------------ order


def _ordered_rows(net: _Net) -> Rows:
    """The vertices of each layer from left to right: the best order of several barycenter sweeps."""
    rows: Rows = [[] for _ in range(max(net.layers) + 1)]
    for v in sorted(range(len(net.layers)), key=net.owners.__getitem__):
        rows[net.layers[v]].append(v)
    position = [0.0] * len(net.layers)
    for row in rows:
        _number(row, position)
    best, fewest = rows, _crossings(net, rows, position)
    for turn in range(_rounds(net)):
        if fewest == 0:
            break
        downwards = turn % 2 == 0
        rows = _barycenter_sweep(net, rows, position, downwards)
        if len(net.layers) <= SWAP_LIMIT:
            rows = _swap_sweep(net, rows, position)
        crossings = _crossings(net, rows, position)
        if crossings < fewest:
            best, fewest = rows, crossings
    return best


def _number(row: list[int], position: list[float]) -> None:
    for i, v in enumerate(row):
        position[v] = float(i)


def _rounds(net: _Net) -> int:
    return min(max(ROUND_BUDGET // len(net.layers), FEWEST_ROUNDS), MOST_ROUNDS)


def _barycenter_sweep(net: _Net, rows: Rows, position: list[float], downwards: bool) -> Rows:
    """Sorts each layer by the mean position of the neighbours on the side that the sweep comes from."""
    near = net.above if downwards else net.below
    swept = list(rows)
    for i in range(len(rows)) if downwards else reversed(range(len(rows))):
        row = rows[i]
        keys = {v: sum([position[u] for u in near[v]]) / len(near[v]) for v in row if near[v]}
        moving = iter(sorted((v for v in row if v in keys), key=keys.__getitem__))
        # A vertex without neighbours on that side keeps its place.
        swept[i] = [next(moving) if v in keys else v for v in row]
        _number(swept[i], position)
    return swept


def _swap_sweep(net: _Net, rows: Rows, position: list[float]) -> Rows:
    """Swaps neighbours in a layer wherever that removes crossings."""
    swapped = []
    for row in rows:
        row = list(row)
        for i in range(len(row) - 1):
            left, right = row[i], row[i + 1]
            kept = changed = 0
            for near in (net.above, net.below):
                rights = sorted([position[u] for u in near[right]])
                kept += sum([bisect_left(rights, position[u]) for u in near[left]])
                changed += sum([len(rights) - bisect_right(rights, position[u]) for u in near[left]])
            if changed < kept:
                row[i], row[i + 1] = right, left
                position[left], position[right] = position[right], position[left]
        swapped.append(row)
    return swapped


def _crossings(net: _Net, rows: Rows, position: list[float]) -> int:
    """The number of pairs of links that cross."""
    total = 0
    for row in rows:
        seen: list[float] = []
        for u in row:
            targets = [position[v] for v in net.below[u]]
            total += sum([len(seen) - bisect_right(seen, target) for target in targets])
            for target in targets:
                insort(seen, target)
    return total


# ------------------------------------------------------------------------------------------------ coordinates


def _coordinates(net: _Net, rows: Rows, widths: list[float]) -> list[float]:
    """The x of each vertex: sweeps that move each layer's vertices to where their links pull them."""
    xs = [0.0] * len(widths)
    spaces = [_spaces(net, row, widths) for row in rows]
    for row, space in zip(rows, spaces, strict=True):
        for v, offset in zip(row, space, strict=True):
            xs[v] = offset - space[-1] / 2
    settled = [_busier(above, below) for above, below in zip(net.above, net.below, strict=True)]
    for turn in range(_rounds(net)):
        for near in (net.above, net.below, settled) if turn else (net.below, net.above, settled):
            order = range(len(rows)) if near is not net.below else reversed(range(len(rows)))
            for i in order:
                _settle(rows[i], spaces[i], near, net.pulls, xs)
    _straighten(net, rows, widths, xs)
    return xs


def _busier(above: list[int], below: list[int]) -> list[int]:
    """The neighbours that a vertex is centred on."""
    if len(above) == len(below):
        return above + below
    return above if len(above) > len(below) else below


def _straighten(net: _Net, rows: Rows, widths: list[float], xs: list[float]) -> None:
    """Cuts each trunk into few vertical pieces, within the room that its neighbours leave."""
    place = {v: i for row in rows for i, v in enumerate(row)}
    bends = [v for v in range(net.nodes, len(xs))]
    piece: list[int] = []
    low, high = -inf, inf
    for bend in [*bends, None]:
        room = (-inf, inf)
        if bend is not None:
            room = _room(rows[net.layers[bend]], place[bend], widths, xs)
        joined = max(low, room[0]), min(high, room[1])
        if piece and (bend is None or net.owners[bend] != net.owners[piece[0]] or joined[0] > joined[1]):
            ideal = sum([xs[v] for v in piece]) / len(piece)
            for v in piece:
                xs[v] = min(max(ideal, low), high)
            piece, joined = [], room
        piece.append(bend)
        low, high = joined
    

def _room(row, i, widths, xs):
    left = xs[row[i - 1]] + widths[row[i - 1]] / 2 + BEND_GAP if i else -inf
    right = xs[row[i + 1]] - widths[row[i + 1]] / 2 - BEND_GAP if i + 1 < len(row) else inf
    return left, right


def _spaces(net: _Net, row: list[int], widths: list[float]) -> list[float]:
    """The least distance of each vertex of a layer from the first."""
    offsets = [0.0]
    for u, v in pairwise(row):
        gap = NODE_GAP if u < net.nodes and v < net.nodes else BEND_GAP
        offsets.append(offsets[-1] + (widths[u] + widths[v]) / 2 + gap)
    return offsets


def _settle(
    row: list[int], offsets: list[float], near: Rows, pulls: dict[Edge, float], xs: list[float]
) -> None:
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


# ----------------------------------------------------------------------------------------------------- routes


def _ports(net: _Net, xs: list[float], widths: list[float]) -> tuple[list[float], list[float]]:
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


def _bands(net: _Net, rows: Rows, heights: list[float], xs: list[float]) -> list[Point]:
    """The top and bottom of each layer; layers joined by far-reaching links stand farther apart."""
    bands, y = [], 0.0
    for row in rows:
        height = max(heights[v] for v in row)
        bands.append((y, y + height))
        sweep = max([abs(xs[u] - xs[v]) for u in row for v in net.below[u]], default=0.0)
        y += height + min(max(LAYER_GAP, 18 + 0.14 * sweep), 110.0)
    return bands


def _path(
    net: _Net,
    route: list[int],
    start: float,
    end: float,
    xs: list[float],
    heights: list[float],
    bands: list[Point],
) -> list[Point]:
    """The corners of an edge: it crosses each layer vertically and moves sideways between layers only."""
    tail, head = route[0], route[-1]
    top, bottom = bands[net.layers[tail]]
    corners = [(start, (top + bottom + heights[tail]) / 2 if tail < net.nodes else bottom), (start, bottom)]
    if len(route) == 2 and net.layers[head] - net.layers[tail] > 1:
        aside = max(start, end) + 60 + 0.05 * (bands[net.layers[head]][0] - bottom)
        middle = (bottom + bands[net.layers[head]][0]) / 2
        corners.append((aside, middle))
    for bend in route[1:-1]:
        corners += [(xs[bend], bands[net.layers[bend]][0]), (xs[bend], bands[net.layers[bend]][1])]
    top, bottom = bands[net.layers[head]]
    corners += [(end, top), (end, (top + bottom - heights[head]) / 2)]
    path = corners[:1]
    for corner, following in zip(corners[1:], [*corners[2:], None], strict=True):
        if following is None or not path[-1][0] == corner[0] == following[0]:
            path.append(corner)
    return path


def _framed(
    net: _Net, xs: list[float], widths: list[float], bands: list[Point], paths: list[list[Point]]
) -> Layout:
    """Shifts the drawing so that its margin starts at the origin."""
    left = min([xs[v] - widths[v] / 2 for v in range(len(xs))] + [x for path in paths for x, _ in path])
    right = max([xs[v] + widths[v] / 2 for v in range(len(xs))] + [x for path in paths for x, _ in path])
    shift = MARGIN - left
    middles = [MARGIN + (top + bottom) / 2 for top, bottom in bands]
    centres = [(xs[v] + shift, middles[net.layers[v]]) for v in range(net.nodes)]
    paths = [[(x + shift, y + MARGIN) for x, y in path] for path in paths]
    return Layout(
        net.layers[: net.nodes], centres, paths, right - left + 2 * MARGIN, bands[-1][1] + 2 * MARGIN
    )
