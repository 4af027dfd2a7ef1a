"""Cases as various as a store's: names in two scripts, currencies, reasons, ages and how far the work has come."""

import random
from datetime import UTC, datetime
from typing import Literal

import msgspec

from events.types import Address, Contact, Item, OrderPlaced, Payment
from history.pages import Page
from models.decisions import Outcome, Reason
from review.cases import Case, Verdict
from review.console.house import House
from review.opener import Known, Vault, open_case
from tests.review.examples import decision
from tests.sharing.orders import ORDER

MINUTE_MS = 60_000
PEOPLE = (
    ("نورة العتيبي", "noura.otaibi@example.com", "+966501234567", "SA", "Riyadh", "SAR", 100),
    ("Omar Haddad", "omar.h@example.com", "+971502223344", "AE", "Dubai", "AED", 100),
    ("فاطمة الزهراء", "fatima.z@example.com", "+96594445566", "KW", "Kuwait City", "KWD", 1000),
    ("Priya Raman", "priya.raman@example.com", "+97333112233", "BH", "Manama", "BHD", 1000),
    ("عبد الله بن سالم", "absalem@example.com", "+96891234567", "OM", "Muscat", "OMR", 1000),
    ("Jonas Keller", "jk@example.com", "+4915112345678", "DE", "Berlin", "EUR", 100),
    ("ليلى منصور", "layla@example.com", "+201001234567", "EG", "Cairo", "EGP", 100),
)
REASONS = (
    Reason("card.velocity", "card.orders.count.1h", 7.0),
    Reason("order.amount", "amount_usd", 912.0),
    Reason("device.spread", "device.cards.distinct.1d", 4.0),
    Reason("customer.age"),
    Reason("order.location", "ip_distance_km", 4213.0),
    Reason("card.declines", "card.declines.count.1h", 3.0),
    Reason("order.avs"),
    Reason("visit.automation"),
    Reason("email.frauds"),
)
METHODS: tuple[Literal["card", "wallet", "bank_transfer", "cash_on_delivery", "voucher"], ...] = (
    "card",
    "card",
    "card",
    "wallet",
    "cash_on_delivery",
    "bank_transfer",
    "voucher",
)
GOODS = (
    ("هاتف ذكي", "phones"),
    ("Gold bracelet 18K", "jewellery"),
    ("بطاقة هدايا", "cards"),
    ("Running shoes", "shoes"),
)
ROUTES = ("/", "/search", "/products/{id}", "/products/{id}", "/basket", "/checkout", "/checkout/payment")


def made(number: int, held: Vault, now_ms: int) -> Case:
    """One open case; the same number, the same case."""
    rng = random.Random(number)
    outcome: Outcome = "block" if rng.random() < 0.35 else "review"
    score = rng.uniform(0.75, 0.99) if outcome == "block" else rng.uniform(0.3, 0.75)
    order, age_ms = order_of(number, rng), round(rng.expovariate(1 / 90) * MINUTE_MS) + MINUTE_MS
    placed_ms = now_ms - age_ms - 20_000
    case = decision(
        number,
        order_id=order.order_id,
        occurred_at_ms=placed_ms,
        outcome=outcome,
        score=round(score, 4),
        reasons=tuple(rng.sample(REASONS, 3)),
        amount_minor=order.amount_minor,
        currency=order.currency,
        priority=round(rng.paretovariate(1.2) * 40, 2),
    )
    path = tuple(
        Page(placed_ms - (len(ROUTES) - n) * 31_000, route, 200, 9_000 + 1_000 * n) for n, route in enumerate(ROUTES)
    )
    return open_case(case, order, held, now_ms - age_ms, Known(path=path))


def order_of(number: int, rng: random.Random) -> OrderPlaced:
    name, email, phone, country, city, currency, unit = PEOPLE[number % len(PEOPLE)]
    method, (title, category) = rng.choice(METHODS), rng.choice(GOODS)
    amount_minor = round(rng.lognormvariate(5.2, 1.0)) * unit
    address = Address(lines=(f"Street {number}",), city=city, postal_code="11564", country=country)
    return msgspec.structs.replace(
        ORDER,
        order_id=f"o-{2_604_100 + 37 * number}",
        occurred_at=datetime(2026, 3, 1, tzinfo=UTC),
        customer_id=f"cus-{number}",
        amount_minor=amount_minor,
        currency=currency,
        items=(Item(sku=f"sku-{number}", title=title, category=category, quantity=1, unit_amount_minor=amount_minor),),
        contact=Contact(name=name, email=email, phone=phone),
        billing=address,
        shipping=address,
        payment=Payment(
            method=method, psp_token=f"tok-{number}", last4=f"{rng.randrange(10_000):04}" if method == "card" else None
        ),
        ip=f"203.0.113.{number % 250 + 1}",
        user_agent="Mozilla/5.0 (Linux; Android 14) Chrome/130.0 Mobile",
    )


def filled(house: House, number: int, now_ms: int) -> None:
    """So many cases; some claimed, snoozed, waiting or escalated, and a day's verdicts behind them."""
    held = Vault(house.envelopes, house.blind)
    house.cases.take_in_all(made(n, held, now_ms) for n in range(number))
    rng = random.Random(number)
    cases = sorted(house.cases.list("open", limit=number), key=lambda case: case.order_id)
    for n, case in enumerate(cases):
        if n % 2:
            _decided(house, case, now_ms - round(rng.uniform(0.02, 23) * 60) * MINUTE_MS, rng)
        elif n % 14 == 2:
            _put_off(house, case, now_ms, n)


def _decided(house: House, case: Case, at_ms: int, rng: random.Random) -> None:
    verdict: Verdict = "confirm_fraud" if rng.random() < (case.score or 0.0) - 0.25 else "dismiss"
    words = house.sealed(case, "reason", "the customer answered our call")
    house.desk.decide(case, verdict, reason=words, actor=rng.choice(("noura", "salem")), now_ms=at_ms)


def _put_off(house: House, case: Case, now_ms: int, n: int) -> None:
    words = house.sealed(case, "note", "asked the order service for the courier's photo")
    mine = house.desk.act(case, "claim", "salem", now_ms)
    action = ("snooze", "ask", "escalate")[n // 14 % 3]
    if action == "snooze":
        house.desk.act(mine, "snooze", "salem", now_ms, until_ms=now_ms + 240 * MINUTE_MS, reason=words)
    elif action == "ask":
        house.desk.act(mine, "ask", "salem", now_ms, reason=words)
    else:
        house.desk.act(mine, "escalate", "salem", now_ms, reason=words)
