"""The layers of a drawing, and the order within each: the first two of Sugiyama's steps.

An edge that spans several layers runs through *bends*, one in each layer between. All long edges that leave
one node share one line of bends, the node's *trunk*, and branch off where they are needed: a parameter that
each of a thousand steps uses has one line beside them, not a thousand.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

Point = tuple[float, float]
Edge = tuple[int, int]
Rows = list[list[int]]

# In a chain whose every step is used again at the end, the bends would outnumber the nodes by half the length
# of the chain. Past this number the longest trunks are left out, and their edges are drawn as plain arcs.
MAX_BENDS = 30_000

# Work on the order and on the x coordinates: rounds = ROUND_BUDGET / vertices, within these limits.
ROUND_BUDGET = 60_000
FEWEST_ROUNDS, MOST_ROUNDS = 2, 24
SWAP_LIMIT = 3_000


class Net(NamedTuple):
    """The graph with its bends: vertices from `nodes` on are bends; `above` and `below` reach one layer."""

    nodes: int
    layers: list[int]
    owners: list[int]  # each node itself; for a bend, the node whose trunk it is in
    above: Rows
    below: Rows
    pulls: dict[Edge, float]
    routes: Rows  # the vertices that each edge's drawing passes


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
        if above[v] and len(above[v]) >= len(below[v]):
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


def with_bends(layers: list[int], edges: Sequence[Edge]) -> Net:
    """Gives each node with long edges a trunk of bends, down to the layer above its farthest use."""
    spans = [layers[v] - layers[u] for u, v in edges]
    trunks = _trunks(layers, edges, spans)
    owners = list(range(len(layers)))
    layers = list(layers)
    for u, *bends in sorted(trunks, key=lambda trunk: trunk[1:]):
        owners += [u] * len(bends)
        layers += range(layers[u] + 1, layers[u] + 1 + len(bends))
    routes: Rows = [list(edge) for edge in edges]
    links: list[Edge] = []
    drawn: set[int] = set()
    # The longest edge of a node draws its trunk; the others start where they leave it.
    for i in sorted(range(len(edges)), key=spans.__getitem__, reverse=True):
        (u, v), span = edges[i], spans[i]
        if span <= len(trunks[u]):
            routes[i] = [*trunks[u][span - 1 if u in drawn else 0 : span], v]
            links += pairwise(routes[i])
            drawn.add(u)
    above, below = _neighbours(len(layers), links)
    return Net(len(trunks), layers, owners, above, below, _pulls(owners, edges, above), routes)


def _trunks(layers: list[int], edges: Sequence[Edge], spans: list[int]) -> Rows:
    """For each node itself and its bends, numbered on from the nodes; the shorter trunks come first."""
    reach = [1] * len(layers)
    for (u, _), span in zip(edges, spans, strict=True):
        reach[u] = max(reach[u], span)
    trunks = [[u] for u in range(len(layers))]
    number = len(layers)
    for u in sorted(range(len(layers)), key=reach.__getitem__):
        if number + reach[u] - 1 > len(layers) + MAX_BENDS:
            break
        trunks[u] += range(number, number + reach[u] - 1)
        number += reach[u] - 1
    return trunks


def _pulls(owners: list[int], edges: Sequence[Edge], above: Rows) -> dict[Edge, float]:
    """How strongly each link wants to be vertical.

    Trunks most. Of a node's inputs, the one with the longest history: the main line of a computation then
    runs straight down, with parameters at its sides, while equal inputs stand evenly to the left and right.
    """
    depths = [0] * len(owners)
    for u, v in sorted(edges, key=lambda edge: edge[1]):
        depths[v] = max(depths[v], depths[u] + 1)
    pulls = {}
    for v, inputs in enumerate(above):
        deepest = max([depths[owners[u]] for u in inputs], default=0)
        for u in inputs:
            in_trunk = owners[u] == owners[v] != u
            pulls[u, v] = 8.0 if in_trunk else max(0.25 ** (deepest - depths[owners[u]]), 1 / 64)
    return pulls


# ------------------------------------------------------------------------------------------------------ order


def ordered_rows(net: Net) -> Rows:
    """The vertices of each layer from left to right: the best order of several barycenter sweeps."""
    rows: Rows = [[] for _ in range(max(net.layers) + 1)]
    for v in sorted(range(len(net.layers)), key=net.owners.__getitem__):
        rows[net.layers[v]].append(v)
    position = [0] * len(net.layers)
    for row in rows:
        _number(row, position)
    best, fewest = rows, _crossings(net, rows, position)
    for turn in range(rounds(net)):
        if fewest == 0:
            break
        rows = _swept(rows, net.below if turn % 2 else net.above, position, turn)
        if len(net.layers) <= SWAP_LIMIT:
            for row in rows * 2:
                _swap(row, net, position)
        crossings = _crossings(net, rows, position)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _number(row: list[int], position: list[int]) -> None:
    for i, v in enumerate(row):
        position[v] = i


def rounds(net: Net) -> int:
    return min(max(ROUND_BUDGET // len(net.layers), FEWEST_ROUNDS), MOST_ROUNDS)


def _swept(rows: Rows, near: Rows, position: list[int], turn: int) -> Rows:
    """Sorts each layer by the mean position of the neighbours on the side that the sweep comes from."""
    swept = []
    for row in reversed(rows) if turn % 2 else rows:
        keys = {v: sum([position[u] for u in near[v]]) / len(near[v]) for v in row if near[v]}
        # Ties change sides in every other pair of sweeps, which leads out of many a dead end.
        moving = iter(sorted(keys if turn % 4 < 2 else reversed(keys), key=keys.__getitem__))
        # A vertex without neighbours on that side keeps its place.
        swept.append([next(moving) if v in keys else v for v in row])
        _number(swept[-1], position)
    return swept[::-1] if turn % 2 else swept


def _swap(row: list[int], net: Net, position: list[int]) -> None:
    """Swaps neighbours in a layer wherever that removes crossings."""
    for i in range(len(row) - 1):
        u, v = row[i], row[i + 1]
        kept = changed = 0
        for near in (net.above, net.below):
            rights = sorted([position[w] for w in near[v]])
            kept += sum([bisect_left(rights, position[w]) for w in near[u]])
            changed += sum([len(rights) - bisect_right(rights, position[w]) for w in near[u]])
        if changed < kept:
            row[i], row[i + 1] = v, u
            position[u], position[v] = position[v], position[u]


def _crossings(net: Net, rows: Rows, position: list[int]) -> int:
    """The number of pairs of links that cross."""
    total = 0
    for row in rows:
        seen: list[int] = []
        for u in row:
            targets = [position[v] for v in net.below[u]]
            total += sum([len(seen) - bisect_right(seen, target) for target in targets])
            for target in targets:
                insort(seen, target)
    return total
