import re
from pathlib import Path

import pytest

import events
from features.definitions import DEFINITIONS
from features.sources import SOURCES
from models import fallback, reasons
from models.decisions import Reason
from models.reasons import OTHER, TEXTS, code_of, text_of, told
from models.rules import default
from sharing.operators.derive import SAFE

ARABIC = re.compile(r"[\u0600-\u06ff]")
REFUSED, ANSWERED = (
    {word for path in paths for word in re.findall(rf'"({first}\.[a-z_]+)"', path.read_text())}
    for first, paths in (
        ("refused", Path(events.__file__).parent.glob("*.py")),
        ("fallback", [Path(fallback.__file__)]),
    )
)


@pytest.mark.parametrize("name", DEFINITIONS.names)
def test_every_feature_has_a_code_of_its_own_topic(name):
    assert code_of(name) in TEXTS
    assert code_of(name) != OTHER


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_of_features_is_told_of(source):
    assert code_of(f"customer.{source}.count.1h") != OTHER


def test_every_rule_every_refusal_and_every_answer_of_the_fallback_has_a_text():
    assert {rule.code for rule in default(DEFINITIONS.names).rules} | REFUSED | ANSWERED <= set(TEXTS)
    assert len(REFUSED) > 10
    assert len(ANSWERED) == 8


@pytest.mark.parametrize("code", TEXTS)
def test_every_code_is_told_in_english_and_in_arabic(code):
    text = TEXTS[code]
    assert text.en.isascii()
    assert ARABIC.search(text.ar)
    assert "{" not in text.en + text.ar


def test_no_two_codes_of_default_features_read_the_same():
    codes = {code_of(name) for name in DEFINITIONS.names}
    assert len({TEXTS[code].en for code in codes}) == len({TEXTS[code].ar for code in codes}) == len(codes)


def test_partners_are_told_of_the_codes_that_are_marked_for_them_and_no_others():
    assert set(SAFE) == {code for code, text in TEXTS.items() if text.partner}


def test_customers_are_told_of_what_they_typed_and_of_their_banks_checks_alone():
    assert {code for code, text in TEXTS.items() if text.customer} == {
        "order.avs",
        "order.cvv_result",
        "order.three_ds",
        "refused.card_number",
        "refused.card_verification_value",
        "refused.credentials",
    }
    assert set(TEXTS) >= reasons._CUSTOMER | reasons._PARTNER


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("card.orders.count.1h", "card.velocity"),
        ("card.orders.burst.1h.7d", "card.velocity"),
        ("customer.orders.since_s", "customer.velocity"),
        ("card.orders.sum.30d", "card.spend"),
        ("card.amount.z.30d", "card.amount"),
        ("ip.declines.count.24h", "ip.declines"),
        ("customer.refunds.sum.7d", "customer.refunds"),
        ("device.card.distinct.1h", "device.spread"),
        ("session.route.distinct.1h", "session.visits"),
        ("customer.address.first", "customer.new_address"),
        ("session.visits.evenness.1h", "session.automation"),
        ("visit.visits.pace_s.1h", "visit.automation"),
        ("visit.checkouts.reached_s.1h", "visit.checkouts"),
        ("card.quantity.ratio.30d", "card.quantity"),
        ("customer.verifications_failed.agency.distinct.30d", "customer.verifications_failed"),
        ("phone.age_s", "phone.age"),
        ("order.amount_usd", "order.amount"),
        ("order.hour_local", "order.time"),
        ("order.three_ds", "order.three_ds"),
        ("order.whatever", OTHER),
        ("x.y", OTHER),
        ("card.extra.count.1h", OTHER),
        ("amount", OTHER),
    ],
)
def test_a_code_is_the_entity_and_what_is_told_of_it(name, code):
    assert code_of(name) == code


WHY = (
    Reason("card.velocity", "card.orders.count.1h", 7.0, 1.25),
    Reason("order.avs", "order.avs", 2.0, 0.5),
    Reason("phone.age", "phone.age_s"),
    Reason("shop.special"),
)


def test_an_analyst_is_told_the_number_behind_a_reason():
    assert told(WHY, "analyst", "en") == (
        "Number and pace of orders of this card (card.orders.count.1h = 7)",
        "The bank's check of the billing address (order.avs = 2)",
        "How long this phone number has been known (phone.age_s)",
        "A rule of the store's own: shop.special",
    )
    assert told(WHY, "analyst", "ar")[0] == "عدد الطلبات ووتيرتها لهذه البطاقة (card.orders.count.1h = 7)"


def test_partners_and_customers_are_told_what_is_marked_and_never_a_number():
    assert told(WHY, "partner", "en") == (
        "Number and pace of orders of this card",
        "The bank's check of the billing address",
    )
    assert told(WHY, "customer", "ar") == ("تحقق البنك من عنوان الفوترة",)
    assert told((), "customer", "ar") == ()


def test_a_code_that_is_not_in_the_table_is_named_to_analysts_alone():
    text = text_of("shop.special")
    assert (text.partner, text.customer) == (False, False)
    assert text.ar == "قاعدة خاصة بالمتجر: shop.special"
