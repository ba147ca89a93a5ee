"""Where the nodes of a drawing go: layers from left to right, few crossings, straight edges.

The method is that of Sugiyama, Tagawa and Toda (IEEE Trans. SMC 11, 1981): break cycles, assign layers, order
each layer by the barycentres of its neighbours, then move the nodes towards those within their order. Nothing
recurses, equal input gives equal output, and the work is bounded: edges over many layers are drawn straight
through once there are too many of them.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

Point = tuple[float, float]

GAP_ACROSS = 14.0
"""Between neighbours of one layer."""
GAP_ALONG = 64.0
"""Between layers."""
BEND = 4.0
"""Room that an edge takes where it passes a layer."""
MAX_BENDS = 6000
SWEEPS = 10
"""Attempts at fewer crossings, and rounds of straightening."""
STRAIGHT = 4.0
"""How much more an edge wants to be straight between bends than at a node."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Upper left corners of nodes, the points of each edge, and the size of it all, in pixels."""

    corners: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


def place(sizes: Sequence[Point], edges: Sequence[tuple[int, int]]) -> Layout:
    """Lay out nodes of the given widths and heights; edges are pairs of their indices."""
    if not sizes:
        return Layout([], [[] for _ in edges], 0.0, 0.0)
    ahead = _acyclic(len(sizes), edges)
    ranks = _ranks(len(sizes), ahead)
    grid = _Grid(sizes, ahead, ranks)
    grid.order()
    grid.straighten()
    return grid.layout(edges)


def _acyclic(count: int, edges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The edges, those turned round that lead back to where a walk came from."""
    out: list[list[int]] = [[] for _ in range(count)]
    entered = [0] * count
    for index, (source, target) in enumerate(edges):
        out[source].append(index)
        entered[target] += source != target
    ahead = list(edges)
    state = bytearray(count)  # 1 while on the way, 2 when done
    for root in sorted(range(count), key=lambda node: (entered[node] > 0, node)):
        if state[root]:
            continue
        state[root] = 1
        walk = [(root, iter(out[root]))]
        while walk:
            node, rest = walk[-1]
            index = next(rest, -1)
            if index < 0:
                state[node] = 2
                walk.pop()
                continue
            target = edges[index][1]
            if state[target] == 1:
                ahead[index] = (target, node)
            elif state[target] == 0:
                state[target] = 1
                walk.append((target, iter(out[target])))
    return ahead


def _ranks(count: int, ahead: Sequence[tuple[int, int]]) -> list[int]:
    """Layers: every edge leads to a later one; what only feeds others stands right before them."""
    out: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for source, target in ahead:
        if source != target:
            out[source].append(target)
            waiting[target] += 1
    inputs = list(waiting)
    ranks = [0] * count
    sequence = [node for node in range(count) if not waiting[node]]
    for node in sequence:
        for target in out[node]:
            ranks[target] = max(ranks[target], ranks[node] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                sequence.append(target)
    for node in reversed(sequence):
        if out[node] and inputs[node] <= len(out[node]):
            ranks[node] = max(ranks[node], min(ranks[target] for target in out[node]) - 1)
    _spread(ranks, inputs, count)
    lowest = min(ranks)
    return [rank - lowest for rank in ranks]


def _spread(ranks: list[int], inputs: Sequence[int], count: int) -> None:
    """Move sources out of layers that would become much higher than the drawing is wide."""
    most = max(14, int(sqrt(count) * 1.6))
    layers: dict[int, list[int]] = {}
    for node, rank in enumerate(ranks):
        layers.setdefault(rank, []).append(node)
    rank = max(ranks)
    while rank in layers:
        here = layers[rank]
        free = [node for node in here if not inputs[node]]
        for node in free[max(most - (len(here) - len(free)), most // 2) :]:
            ranks[node] -= 1
            layers.setdefault(rank - 1, []).append(node)
        rank -= 1


class _Grid:
    """Nodes and bends in layers. Bends are numbered after the nodes."""

    def __init__(self, sizes: Sequence[Point], ahead: Sequence[tuple[int, int]], ranks: list[int]) -> None:
        self.sizes = sizes
        self.ranks = list(ranks)
        self.heights = [size[1] for size in sizes]
        self.before: list[list[int]] = [[] for _ in sizes]
        self.after: list[list[int]] = [[] for _ in sizes]
        self.paths: list[list[int]] = []
        """For each edge its node, bends and node, from left to right; empty for an edge to itself."""
        for source, target in ahead:
            self.paths.append([] if source == target else self._path(source, target))
        self.layers: list[list[int]] = [[] for _ in range(max(self.ranks) + 1)]
        for node, rank in enumerate(self.ranks):
            self.layers[rank].append(node)
        self.position = [0.0] * len(self.ranks)

    def _path(self, source: int, target: int) -> list[int]:
        path = [source]
        for rank in range(self.ranks[source] + 1, self.ranks[target]):
            if len(self.ranks) - len(self.sizes) >= MAX_BENDS:
                break
            self.ranks.append(rank)
            self.heights.append(BEND)
            self.before.append([])
            self.after.append([])
            path.append(len(self.ranks) - 1)
        path.append(target)
        for one, other in pairwise(path):
            self.after[one].append(other)
            self.before[other].append(one)
        return path

    # Order -------------------------------------------------------------------------------------------------

    def order(self) -> None:
        """Sort each layer by where its neighbours stand, to and fro; keep the best."""
        self._number()
        best, fewest = [list(layer) for layer in self.layers], self._crossings()
        for sweep in range(SWEEPS):
            if not fewest:
                break
            forward = sweep % 2 == 0
            for layer in self.layers if forward else reversed(self.layers):
                near = self.before if forward else self.after
                keys = {node: self._mean(near[node], self.position[node]) for node in layer}
                layer.sort(key=lambda node: (keys[node], self.position[node]))
                self._number(layer)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(layer) for layer in self.layers], crossings
        self.layers = best
        self._number()

    def _number(self, layer: list[int] | None = None) -> None:
        """Positions within a layer, between 0 and 1 so that long and short layers compare."""
        for one in [layer] if layer is not None else self.layers:
            for index, node in enumerate(one):
                self.position[node] = (index + 0.5) / len(one)

    def _mean(self, nodes: list[int], otherwise: float) -> float:
        return sum(self.position[node] for node in nodes) / len(nodes) if nodes else otherwise

    def _crossings(self) -> int:
        total = 0
        for layer in self.layers:
            seen: list[float] = []
            for node in layer:
                targets = sorted(self.position[target] for target in self.after[node])
                total += sum(len(seen) - bisect_right(seen, target) for target in targets)
                for target in targets:
                    insort(seen, target)
        return total

    # Coordinates -------------------------------------------------------------------------------------------

    def straighten(self) -> None:
        """Centres across the layers: close to the neighbours, in order, without overlap."""
        for layer in self.layers:
            at = 0.0
            for node in layer:
                self.position[node] = at + self.heights[node] / 2
                at += self.heights[node] + self._gap(node)
        for sweep in range(SWEEPS):
            for layer in self.layers if sweep % 2 == 0 else reversed(self.layers):
                self._settle(layer, (self.before, self.after) if sweep > 1 else (self.before,))

    def _gap(self, node: int) -> float:
        return GAP_ACROSS if node < len(self.sizes) else GAP_ACROSS / 5

    def _settle(self, layer: list[int], sides: tuple[list[list[int]], ...]) -> None:
        """The least squares solution that keeps order and gaps (pool adjacent violators)."""
        room = 0.0
        blocks: list[tuple[float, float, int]] = []  # wished centre less room, weight, members
        rooms = []
        for number, node in enumerate(layer):
            if number:
                previous = layer[number - 1]
                room += (self.heights[previous] + self.heights[node]) / 2
                room += max(self._gap(previous), self._gap(node))
            rooms.append(room)
            wish, weight = self._wish(node, sides)
            block = (wish - room, weight, 1)
            while blocks and blocks[-1][0] >= block[0]:
                value, heavy, members = blocks.pop()
                total = heavy + block[1]
                block = ((value * heavy + block[0] * block[1]) / total, total, members + block[2])
            blocks.append(block)
        index = 0
        for value, _, members in blocks:
            for node in layer[index : index + members]:
                self.position[node] = value + rooms[index]
                index += 1

    def _wish(self, node: int, sides: tuple[list[list[int]], ...]) -> tuple[float, float]:
        bend = node >= len(self.sizes)
        total = weight = 0.0
        for near in sides:
            for other in near[node]:
                share = STRAIGHT if bend and other >= len(self.sizes) else 1.0
                total += share * self.position[other]
                weight += share
        return (total / weight, weight) if weight else (self.position[node], 0.1)

    # Result ------------------------------------------------------------------------------------------------

    def layout(self, edges: Sequence[tuple[int, int]]) -> Layout:
        """Corners and routes, moved so that everything begins at 0."""
        top = min(self.position[node] - self.heights[node] / 2 for node in range(len(self.ranks)))
        bottom = max(self.position[node] + self.heights[node] / 2 for node in range(len(self.ranks)))
        self.position = [at - top for at in self.position]
        widths = [
            max((self.sizes[node][0] for node in layer if node < len(self.sizes)), default=0.0)
            for layer in self.layers
        ]
        lefts, at = [], 0.0
        for width in widths:
            lefts.append(at)
            at += width + GAP_ALONG
        corners = [
            (lefts[self.ranks[node]], self.position[node] - size[1] / 2)
            for node, size in enumerate(self.sizes)
        ]
        leaving, entering = self._ports()
        routes = []
        for index, (path, edge) in enumerate(zip(self.paths, edges, strict=True)):
            route = self._route(path, leaving[index], entering[index], corners, lefts, widths)
            routes.append(route[::-1] if path and path[0] != edge[0] else route)
        return Layout(corners, routes, at - GAP_ALONG, bottom - top)

    def _ports(self) -> tuple[list[float], list[float]]:
        """How far from a node's centre its edges leave and enter, so that they do not lie on each other."""
        leaving, entering = [0.0] * len(self.paths), [0.0] * len(self.paths)
        for shifts, own, near in ((leaving, 0, 1), (entering, -1, -2)):
            at: dict[int, list[int]] = {}
            for index, path in enumerate(self.paths):
                if path:
                    at.setdefault(path[own], []).append(index)
            for node, indices in at.items():
                indices.sort(key=lambda index: self.position[self.paths[index][near]])
                room = min(self.heights[node] * 0.5, 7.0 * (len(indices) - 1))
                for number, index in enumerate(indices):
                    shifts[index] = room * (number / (len(indices) - 1) - 0.5) if len(indices) > 1 else 0.0
        return leaving, entering

    def _route(
        self,
        path: list[int],
        leaving: float,
        entering: float,
        corners: list[Point],
        lefts: list[float],
        widths: list[float],
    ) -> list[Point]:
        if not path:
            return []
        first, last = path[0], path[-1]
        points = [(corners[first][0] + self.sizes[first][0], self.position[first] + leaving)]
        for bend in path[1:-1]:
            left = lefts[self.ranks[bend]]
            points += [(left, self.position[bend]), (left + widths[self.ranks[bend]], self.position[bend])]
        points.append((corners[last][0], self.position[last] + entering))
        return points
