"""At difficulty 0 each kind shows its documented signature; the stories are told alone, in an otherwise empty store."""

from collections import Counter
from collections.abc import Callable
from random import Random
from statistics import mean

import pytest

from events.types import (
    AccountRegistered,
    AddressAdded,
    ChargebackReceived,
    ContestEntered,
    CredentialsChanged,
    LoggedIn,
    OrderPlaced,
    OrderRefunded,
    PaymentAttempted,
    ReviewSubmitted,
    VisitRecorded,
)
from simulator.catalogue import Catalogue
from simulator.frauds import (
    KINDS,
    Kind,
    account_takeover,
    card_testing,
    fake_accounts,
    friendly_fraud,
    promotion_abuse,
    refund_abuse,
    scripted,
    stolen_card,
)
from simulator.ids import Ids
from simulator.journal import Journal, Simulated
from simulator.labels import KNOWN
from simulator.people import Population
from simulator.settings import Mix, Settings, blend
from simulator.shopping import Shop

FOREVER = 2**45
Story = Callable[[Shop, Random, int], None]


def shop_at(difficulty: float, seed: int = 3) -> Shop:
    settings = Settings(seed=seed, customers=40, difficulty=difficulty, refusing_cookies=0)
    ids = Ids(seed)
    return Shop(Journal(ids), Catalogue(Random(1), ids), Population(Random(2), ids, settings), settings)


def tell(story: Story, difficulty: float, seed: int = 3) -> list[Simulated]:
    shop = shop_at(difficulty, seed)
    story(shop, Random(seed), 1_767_000_000_000)
    return [told for told in shop.journal.until(FOREVER) if told.fraud]


def of(told: list[Simulated], event_type: type) -> list:
    return [one.event for one in told if isinstance(one.event, event_type)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_a_story_has_the_orders_its_kind_declares_all_marked_with_it(kind: Kind, difficulty: float) -> None:
    counts = []
    for seed in range(30):
        told = tell(kind.story, difficulty, seed)
        counts.append(len(of(told, OrderPlaced)))
        assert {one.fraud for one in told} == {kind.name}
    assert mean(counts) == pytest.approx(kind.orders, rel=0.2)


def test_every_kind_has_a_share_in_the_settings_and_its_labels() -> None:
    assert [kind.name for kind in KINDS] == list(Mix.__struct_fields__)
    assert sum(Mix().share(kind.name) for kind in KINDS) == pytest.approx(1)
    assert {kind.name for kind in KINDS} == set(KNOWN)


def test_card_testers_try_many_cards_from_one_device_and_connection() -> None:
    told = tell(card_testing.story, 0)
    attempts = of(told, PaymentAttempted)
    assert len(attempts) >= 3
    assert len({attempt.psp_token for attempt in attempts}) > 0.8 * len(attempts)
    assert len({(attempt.device_id, attempt.ip, attempt.customer_id) for attempt in attempts}) == 1
    assert sum(attempt.approved for attempt in attempts) == len(of(told, OrderPlaced))


def test_thieves_of_accounts_guess_change_the_contact_add_an_address_and_order_to_it_from_a_new_device() -> None:
    told = tell(account_takeover.story, 0)
    order, added = of(told, OrderPlaced)[0], of(told, AddressAdded)[0]
    logins = of(told, LoggedIn)
    assert [login.succeeded for login in logins] == [False] * (len(logins) - 1) + [True]
    assert len(logins) >= 3
    assert of(told, CredentialsChanged)
    assert order.shipping == added.address != order.billing
    known = {customer.customer_id: customer for customer in shop_at(0).population.customers}[order.customer_id]
    assert order.device_id not in {device.device_id for device in known.devices}
    assert order.contact == known.contact


def test_gangs_send_many_cards_goods_to_one_drop_under_many_names() -> None:
    orders = of(tell(stolen_card.story, 0), OrderPlaced)
    assert len(orders) >= 4
    assert len({order.shipping for order in orders}) == 1
    assert len({order.customer_id for order in orders}) == len({order.contact.email for order in orders}) == len(orders)
    assert len({order.payment.psp_token for order in orders}) == len(orders)
    assert all(order.billing != order.shipping for order in orders)


def test_scripts_step_through_three_pages_at_one_period_and_load_no_assets() -> None:
    told = tell(scripted.story, 0)
    visits = of(told, VisitRecorded)
    assert set(Counter(visit.session_id for visit in visits).values()) == {3}
    gaps = [visit.duration_ms for visit in visits]
    assert max(gaps) - min(gaps) < 0.05 * mean(gaps)
    assert not [visit for visit in visits if "assets" in visit.path]
    assert len({visit.session_id for visit in visits}) == len(of(told, OrderPlaced))


def test_rings_register_their_accounts_in_a_row_from_one_device_then_buy_from_one_seller_and_praise_it() -> None:
    told = tell(fake_accounts.story, 0)
    registered, orders, praised = of(told, AccountRegistered), of(told, OrderPlaced), of(told, ReviewSubmitted)
    assert len(registered) == len(orders) == len(praised) >= 5
    assert len({(one.device_id, one.ip) for one in registered}) == 1
    assert registered[-1].occurred_at < orders[0].occurred_at
    assert len({order.seller_id for order in orders}) == 1
    assert len({(order.payment.psp_token, order.shipping) for order in orders}) == 1
    assert len({order.customer_id for order in orders}) == len(orders)
    assert {review.rating for review in praised} == {5}


def test_hunters_of_gifts_use_a_code_and_enter_the_draw_under_ever_new_names_from_one_device() -> None:
    told = tell(promotion_abuse.story, 0)
    orders, entries = of(told, OrderPlaced), of(told, ContestEntered)
    assert all(order.promo_code for order in orders)
    assert len({order.customer_id for order in orders}) == len(orders) >= 4
    assert len({(order.device_id, order.ip, order.shipping, order.payment.psp_token) for order in orders}) == 1
    assert len({entry.customer_id for entry in entries}) > 0.5 * len(orders)
    assert {entry.device_id for entry in entries} == {orders[0].device_id}


def test_abusers_of_refunds_have_every_order_paid_back_in_full_within_days() -> None:
    told = tell(refund_abuse.story, 0)
    orders, refunds = of(told, OrderPlaced), {refund.order_id: refund for refund in of(told, OrderRefunded)}
    assert len(orders) == len(refunds) >= 3
    assert len({(order.customer_id, order.shipping) for order in orders}) <= 2  # home, or a pick-up point
    for order in orders:
        refund = refunds[order.order_id]
        assert (refund.amount_minor, refund.currency) == (order.amount_minor, order.currency)
        assert 0 < (refund.occurred_at - order.occurred_at).total_seconds() < 86_400


def test_careful_abusers_of_refunds_keep_some_orders_which_are_no_fraud() -> None:
    kept = 0
    for seed in range(10):
        shop = shop_at(1.0, seed)
        refund_abuse.story(shop, Random(seed), 1_767_000_000_000)
        told = shop.journal.until(FOREVER)
        refunded = {refund.order_id for refund in of(told, OrderRefunded)}
        orders = [one for one in told if isinstance(one.event, OrderPlaced)]
        assert all((one.fraud is not None) == (one.event.order_id in refunded) for one in orders)
        kept += sum(one.fraud is None for one in orders)
    assert kept > 10


def test_friendly_frauds_are_orders_with_ones_own_card_to_ones_own_home_that_are_disputed_afterwards() -> None:
    shop = shop_at(0.0)
    friendly_fraud.story(shop, Random(3), 1_767_000_000_000)
    told = shop.journal.until(FOREVER)
    orders, disputes = of(told, OrderPlaced), of(told, ChargebackReceived)
    assert len(of(told, AccountRegistered)) == 1
    assert len({(order.customer_id, order.billing) for order in orders}) == 1
    assert {order.order_id for order in orders} >= {dispute.order_id for dispute in disputes}
    assert len(disputes) >= len(orders) - 1
    assert {item.category for order in orders for item in order.items} <= {
        "electronics", "phones", "perfume", "gift_cards",
    }  # fmt: skip


@pytest.mark.parametrize("story", [refund_abuse.story, friendly_fraud.story])
def test_careful_abusers_are_customers_of_long_standing(story: Story) -> None:
    def known(difficulty: float) -> int:
        count = 0
        for seed in range(20):
            customers = {customer.customer_id for customer in shop_at(difficulty, seed).population.customers}
            count += of(tell(story, difficulty, seed), OrderPlaced)[0].customer_id in customers
        return count

    assert known(0.0) == 0
    assert known(1.0) >= 10


@pytest.mark.parametrize("story", [stolen_card.story, scripted.story])
def test_careful_frauds_register_fewer_accounts_in_sight(story: Story) -> None:
    registered = {
        difficulty: sum(len(of(tell(story, difficulty, seed), AccountRegistered)) for seed in range(15))
        for difficulty in (0.0, 1.0)
    }
    assert registered[1.0] < 0.6 * registered[0.0]


def test_a_habit_moves_from_careless_to_careful_with_difficulty() -> None:
    assert [blend(1.0, 3.0, difficulty) for difficulty in (0, 0.5, 1)] == [1.0, 2.0, 3.0]
