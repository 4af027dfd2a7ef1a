import subprocess
import sys
from itertools import pairwise

import pytest

from events.facts import KINDS
from features import DEFINITIONS
from features.definitions import WINDOWS, Age, Column, Definitions, Direct, Feature, Windowed
from features.formulas import Decayed, Mean
from features.numbers import Distinct, First, Roll, Since, Window
from features.rates import RATES, Rates
from features.script import lua, ttl_s

ONE = Windowed("card", "orders", "count", "1h")
_DAYS = [(window.name, window.width_s) for window in WINDOWS.values()]


def test_a_features_name_derives_from_its_definition() -> None:
    features = (ONE, Windowed("ip", "refunds", "sum", "30d"), Age("card"), Direct("amount_usd", 1))
    names = ("card.orders.count.1h", "ip.refunds.sum.30d", "card.age_s", "order.amount_usd")
    assert Definitions(features).names == names


def test_every_kind_has_its_orders_in_every_window_and_its_age() -> None:
    for kind in KINDS:
        assert f"{kind}.age_s" in DEFINITIONS.names
        for window in WINDOWS:
            assert {f"{kind}.orders.{a}.{window}" for a in ("count", "sum")} <= set(DEFINITIONS.names)


def test_two_features_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        Definitions((ONE, ONE))


@pytest.mark.parametrize(
    "other",
    [
        Definitions((Windowed("card", "orders", "count", "24h"),)),
        Definitions((ONE, Age("card"))),
        Definitions((ONE,), Rates("other", RATES.usd)),
    ],
)
def test_other_definitions_or_rates_have_another_hash(other: Definitions) -> None:
    assert other.hash != Definitions((ONE,)).hash


def test_the_order_and_a_functions_version_are_part_of_the_hash() -> None:
    pair = (ONE, Age("card"))
    assert Definitions(pair).hash != Definitions(pair[::-1]).hash
    assert Definitions((Direct("lines", 1),)).hash != Definitions((Direct("lines", 2),)).hash


def test_the_hash_is_the_same_in_another_process() -> None:
    code = "from features import DEFINITIONS; print(DEFINITIONS.hash)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == DEFINITIONS.hash


def test_tiles_hold_what_the_features_need_and_no_more() -> None:
    features = (ONE, Windowed("card", "orders", "count", "7d"), Windowed("card", "declines", "count", "1h"), Age("ip"))
    assert Definitions(features).columns == {
        "card": (Column("orders", "count"), Column("declines", "count")),
        "ip": (),
    }


def test_what_formulas_need_is_read_but_not_in_the_vector() -> None:
    features = (Mean("card", "orders", "1h"), Since("card", "declines"), First("card", "orders", "device"))
    definitions = Definitions(features)
    assert definitions.names == ("card.orders.mean.1h", "card.declines.since_s", "card.device.first")
    summed, counted = Windowed("card", "orders", "sum", "1h"), Windowed("card", "orders", "count", "1h")
    assert definitions.numbers == (summed, counted, *features[1:])
    columns = (Column("orders", "sum"), Column("orders", "count"), Column("declines", "last"))  # kept columns last
    assert definitions.columns == {"card": columns}
    assert definitions.rolls == {"card": (Roll("orders", "device"),)}


def test_windows_may_be_others_and_are_part_of_the_hash() -> None:
    longer = Definitions((ONE,), windows=(Window("1h", 3_600, 600), Window("90d", 7_776_000, 86_400)))
    assert longer.window_names == ["1h", "90d"]
    assert longer.hash != Definitions((ONE,)).hash
    assert ttl_s(longer.windows) == 91 * 86_400 + 300 + 86_400


@pytest.mark.parametrize(
    ("features", "windows", "why"),
    [
        ((ONE,), [("1d", 86_400, 3_600)], "no window is called 1h; there are 1d"),
        ((ONE,), [("1h", 3_600, 90)], "1h is not made of whole hops"),
        ((ONE,), [("1h", 3_600, 420)], "1h is not made of whole hops"),
        ((ONE,), [("1h", 3_600, 300), ("2h", 7_200, 450)], "2h is not made of whole hops"),
        ((ONE,), [("2h", 7_200, 300), ("1h", 3_600, 300)], "1h is not made of whole hops"),
        ((Decayed("card", "orders"),), [(*w, 60) for w in _DAYS], "default windows alone"),
    ],
)
def test_windows_that_cannot_be_are_refused(
    features: tuple[Feature, ...], windows: list[tuple[str, int, int]], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        Definitions(features, windows=tuple(Window(*window) for window in windows))


@pytest.mark.parametrize(
    ("feature", "why"),
    [
        (
            Windowed("cart", "orders", "count", "1h"),
            "cart.orders.count.1h: no entity is called cart; there are c",
        ),
        (Windowed("card", "oders", "count", "1h"), "card.oders.count.1h: no source is called oders; there are orders"),
        (Distinct("card", "orders", "route", "1h"), "card.route.distinct.1h: no fact of the orders says its route"),
        (First("card", "visits", "route"), "card.route.first: no order says its route"),
        (Windowed("card", "refunds", "units", "1h"), "card.refunds.units.1h: no fact of the refunds says its quantity"),
        (
            Windowed("card", "visits", "earliest", "30d"),
            "card.visits.earliest.30d: in the longest window that is asked",
        ),
        (Mean("cart", "orders", "1h"), "cart.orders.sum.1h: no entity is called cart"),
        (Direct("amount_eur", 1), "no function is called amount_eur"),
    ],
)
def test_what_no_fact_can_ever_give_is_refused(feature: Feature, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Definitions((feature,))


def test_windows_are_made_of_each_others_tiles() -> None:
    windows = list(WINDOWS.values())
    for finer, coarser in pairwise(windows):
        assert coarser.hop_s % finer.hop_s == 0
        assert coarser.width_s > finer.width_s
    assert all(window.width_s % window.hop_s == 0 for window in windows)


def test_an_entity_wider_than_the_script_can_unpack_is_refused() -> None:
    windows = tuple(Window(f"{n}d", n * 86_400, 60) for n in (1, 2, 3))
    definitions = Definitions((Windowed("card", "orders", "count", "1d"),), windows=windows)
    with pytest.raises(
        ValueError, match=r"^a card could need 8652 values \(1 columns in up to 4326 tiles, 0 rolls\): "
    ):
        lua(definitions)
