from history.links import Shared
from review.console.picture import MOST_ORDERS, Line, Node, drawn


def shared(number: int, *kinds: str) -> Shared:
    return Shared(
        decision_id=f"d{number}", order_id=f"o{number}", occurred_at_ms=number, outcome="approve",
        amount_minor=None, currency=None, kinds=kinds, label=None,  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_order_what_it_shares_and_who_shares_it_stand_in_three_columns() -> None:
    found = [shared(1, "card", "ip"), shared(2, "ip")]
    picture = drawn(found, mirrored=False)
    assert (picture.height, picture.order) == (80, Node(90, 40))
    assert picture.entities == (("card", Node(360, 20)), ("ip", Node(360, 60)))
    assert picture.orders == ((found[0], Node(630, 20)), (found[1], Node(630, 60)))
    assert picture.lines[2:] == (
        Line(Node(360, 20), Node(630, 20)),
        Line(Node(360, 60), Node(630, 20)),
        Line(Node(360, 60), Node(630, 60)),
    )


def test_from_right_to_left_it_is_mirrored() -> None:
    picture = drawn([shared(1, "card")], mirrored=True)
    assert (picture.order.x, picture.entities[0][1].x, picture.orders[0][1].x) == (630, 360, 90)


def test_it_has_at_most_thirty_nodes() -> None:
    kinds = ("customer", "card", "device", "ip", "address", "session")
    picture = drawn([shared(number, *kinds) for number in range(50)], mirrored=False)
    assert 1 + len(picture.entities) + len(picture.orders) == 1 + 6 + MOST_ORDERS == 29
