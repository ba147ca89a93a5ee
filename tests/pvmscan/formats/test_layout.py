"""The layout: nothing overlaps, data flows from left to right, and any graph gets one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pvmscan.formats._layout import GAP_ACROSS, Layout, place

SIZE = st.tuples(st.floats(10, 300), st.floats(10, 100))
SIZES = st.lists(SIZE, min_size=1, max_size=25)


@st.composite
def drawings(draw: st.DrawFn) -> tuple[list[tuple[float, float]], list[tuple[int, int]]]:
    sizes = draw(SIZES)
    node = st.integers(0, len(sizes) - 1)
    return sizes, draw(st.lists(st.tuples(node, node), max_size=40, unique=True))


def overlap(layout: Layout, sizes: list[tuple[float, float]]) -> bool:
    boxes = [(x, y, x + w, y + h) for (x, y), (w, h) in zip(layout.corners, sizes, strict=True)]
    return any(
        one[0] < other[2] - 0.01
        and other[0] < one[2] - 0.01
        and one[1] < other[3] - 0.01
        and other[1] < one[3] - 0.01
        for number, one in enumerate(boxes)
        for other in boxes[:number]
    )


@settings(max_examples=150, deadline=None)
@given(drawings())
def test_any_graph(drawing: tuple[list[tuple[float, float]], list[tuple[int, int]]]) -> None:
    sizes, edges = drawing
    layout = place(sizes, edges)
    assert layout == place(sizes, edges)
    assert not overlap(layout, sizes)
    for (x, y), (width, height) in zip(layout.corners, sizes, strict=True):
        assert x >= 0 and y >= -0.01
        assert x + width <= layout.width + 0.01 and y + height <= layout.height + 0.01
    for (source, target), route in zip(edges, layout.routes, strict=True):
        assert (source == target) == (not route)
        if route:
            middles = [layout.corners[node][1] + sizes[node][1] / 2 for node in (source, target)]
            ends = [route[0][1], route[-1][1]]
            for end, middle, node in zip(ends, middles, (source, target), strict=True):
                assert abs(end - middle) <= sizes[node][1] / 2
            across = [x for x, _ in route]
            assert across == sorted(across) or across == sorted(across, reverse=True)


@settings(max_examples=60, deadline=None)
@given(drawings())
def test_without_cycles_everything_flows_to_the_right(
    drawing: tuple[list[tuple[float, float]], list[tuple[int, int]]],
) -> None:
    sizes, edges = drawing
    ahead = [(min(edge), max(edge)) for edge in edges if edge[0] != edge[1]]
    layout = place(sizes, ahead)
    for source, target in ahead:
        assert layout.corners[source][0] + sizes[source][0] < layout.corners[target][0]


def test_a_chain_is_straight() -> None:
    layout = place([(100, 40)] * 6, [(number, number + 1) for number in range(5)])
    assert len({round(y, 3) for _, y in layout.corners}) == 1


def test_two_strands_do_not_cross() -> None:
    edges = [(0, 2), (1, 3), (2, 5), (3, 4)]
    layout = place([(50, 20)] * 6, edges)
    ys = [y for _, y in layout.corners]
    assert (ys[0] < ys[1]) == (ys[2] < ys[3]) == (ys[5] < ys[4])


def test_a_crowd_of_sources_is_no_tower() -> None:
    layout = place([(100, 30)] * 101, [(number, 100) for number in range(100)])
    assert layout.height < 100 * (30 + GAP_ACROSS) / 2 and not overlap(layout, [(100.0, 30.0)] * 101)


def test_deep_and_large() -> None:
    count = 5000
    chain = [(number, number + 1) for number in range(count - 1)]
    layout = place([(10, 10)] * count, [*chain, (0, count - 1), (count - 1, 0)])
    assert len(layout.corners) == count


def test_nothing() -> None:
    assert place([], []) == Layout([], [], 0.0, 0.0)
