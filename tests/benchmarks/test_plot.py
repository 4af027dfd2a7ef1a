import re
from xml.etree import ElementTree as ET

from benchmarks.plot import Plot, svg

PLOT = Plot("Cost", "events", "us", {"flat": [(1e4, 30.0), (1e7, 30.0)], "rising": [(1e4, 90.0), (1e6, 9_000.0)]})


def test_each_curve_is_drawn_and_named_on_axes_of_whole_decades() -> None:
    drawn = ET.fromstring(svg(PLOT))
    texts = [element.text for element in drawn.iter() if element.tag.endswith("text")]
    assert {"Cost", "events", "us", "flat", "rising"} < set(texts)
    assert {"10,000", "100,000", "1,000,000", "10,000,000", "10", "100", "1,000"} < set(texts)


def test_equal_ratios_are_equal_distances() -> None:
    flat, rising = re.findall(r'points="([^"]*)"', svg(PLOT))
    (_, y_first), (_, y_last) = (map(float, point.split(",")) for point in flat.split())
    assert y_first == y_last
    (x0, y0), (x1, y1) = ([float(part) for part in point.split(",")] for point in rising.split())
    assert (x0, x1) == (80.0, 406.7)
    assert round(y0 - y1, 1) == 216.0  # two of the three decades on 324 points
