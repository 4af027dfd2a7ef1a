import re
from xml.etree import ElementTree as ET

from models.measures import Curves, Group, Measures
from models.page import NAMES, Page, html

MEASURES = Measures(
    auc=0.9, average_precision=0.5, precision_at_100_per_day=0.25, card_precision_at_100=None, recall_at_1pct_fpr=0.4,
    value_recall=0.6, calibration_error=0.01, brier=0.02,
)  # fmt: skip
CURVE = [(0.0, 0.0), (0.5, 0.9), (1.0, 1.0)]


def page(**changes):
    given = {
        "title": "orders.csv", "facts": [("orders", "طلبات.csv")], "measures": MEASURES, "orders": 1_000, "frauds": 10,
        "curves": Curves(CURVE, CURVE, CURVE, []), "groups": [Group(500, 0.001, 0.0), Group(500, 0.02, 0.02)],
        "notes": ("3 labels name no order of the table: left out",), "weights": [("customer.age_s", 0.01)],
    }  # fmt: skip
    return html(Page(**given | changes))


def test_every_figure_is_named_in_both_languages() -> None:
    text = page()
    for english, arabic in NAMES.values():
        assert english in text
        assert arabic in text
    assert "<td class=n>0.9000</td>" in text
    assert "<td class=n>–</td>" in text  # what cannot be said


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    text = page().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|<script|<link|<img|src=|url\(", text)


def test_arabic_is_written_from_right_to_left_and_names_by_their_own_script() -> None:
    assert "<h1 lang=ar dir=rtl>" in page()
    assert "<td dir=auto>طلبات.csv</td>" in page()


def test_what_the_data_says_is_text_and_never_markup() -> None:
    text = page(title="<b>", facts=[("a", "<script>")], notes=("<i>",), weights=[("<u>", 0.1)])
    assert not re.search("<b>|<script>|<i>|<u>", text)


def test_each_plot_is_well_formed_and_within_its_frame() -> None:
    drawn = re.findall(r"<svg.*?</svg>", page(), re.DOTALL)
    assert len(drawn) == 4
    for text in drawn:
        plot = ET.fromstring(text)
        width, height = map(float, plot.attrib["viewBox"].split()[2:])
        for line in plot.iter("{http://www.w3.org/2000/svg}polyline"):
            for point in line.attrib["points"].split():
                x, y = map(float, point.split(","))
                assert 0 <= x <= width
                assert 0 <= y <= height


def test_the_calibration_plot_says_how_far_its_axes_go() -> None:
    text = page(groups=[Group(500, 0.001, 0.0), Group(500, 0.182, 0.16)])
    plot = re.findall(r"<svg.*?</svg>", text, re.DOTALL)[3]
    assert re.findall(r">([0-9.]+)</text>", plot) == ["0", "0.1", "0.2", "0", "0.1", "0.2"]
    assert re.findall(r">([0-9.]+)</text>", re.findall(r"<svg.*?</svg>", page(), re.DOTALL)[0])[:3] == ["0", "0.5", "1"]


def test_columns_that_moved_nothing_are_not_listed() -> None:
    assert "customer.age_s" not in page(weights=[("seller.age_s", 0.01), ("customer.age_s", 0.00004)])
