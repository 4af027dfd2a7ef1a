"""Features that an order's fact says by itself: named pure functions, one number each, NaN where the fact is silent."""

from collections.abc import Callable, Mapping, Sequence
from math import isnan, nan

from events.facts import OrderFact
from features.rates import Rates

# Goods that thieves sell on: small, dear, wanted everywhere; and what is as good as cash, at once and untraceably.
RESALE = frozenset({
    "bags", "cameras", "computers", "electronics", "games", "gift_cards", "jewellery", "jewelry", "luxury", "perfume",
    "phones", "tickets", "watches",
})  # fmt: skip
CASH_LIKE = frozenset({"gift_cards", "tickets"})
_NIGHT = range(1, 6)  # hours in which few people buy

Function = Callable[[OrderFact, Rates], float]


def _usd(amount_minor: int, order: OrderFact, rates: Rates) -> float:
    cents = rates.cents(amount_minor, order.currency, order.occurred_at_ms)
    return nan if cents is None else cents / 100


def amount_usd(order: OrderFact, rates: Rates) -> float:
    """The order's amount in US dollars; NaN for a currency that the rate table does not have."""
    return _usd(order.amount_minor, order, rates)


def max_unit_usd(order: OrderFact, rates: Rates) -> float:
    """The dearest item's unit price in US dollars; NaN for a currency that the rate table does not have."""
    return _usd(order.max_unit_minor, order, rates)


def unit_usd(order: OrderFact, rates: Rates) -> float:
    """The order's amount over the units ordered, in US dollars; NaN without units."""
    return _usd(order.amount_minor, order, rates) / order.quantity if order.quantity else nan


def dearest_share(order: OrderFact, _: Rates) -> float:
    """The dearest item's unit price over the order's amount; over 1 where a promotion took something off."""
    return order.max_unit_minor / order.amount_minor if order.lines and order.amount_minor else nan


def currency_known(order: OrderFact, rates: Rates) -> float:
    """1 if the rate table has the currency; at 0 the order is missing from every sum of amounts."""
    return float(rates.cents(0, order.currency, order.occurred_at_ms) is not None)


def hour_utc(order: OrderFact, _: Rates) -> float:
    """The hour of the day, 0 to 23, UTC."""
    return float(order.occurred_at_ms // 3_600_000 % 24)


def weekday_utc(order: OrderFact, _: Rates) -> float:
    """The day of the week, 0 (Monday) to 6, UTC."""
    return float((order.occurred_at_ms // 86_400_000 + 3) % 7)


def quantity(order: OrderFact, _: Rates) -> float:
    """Units ordered."""
    return float(order.quantity)


def lines(order: OrderFact, _: Rates) -> float:
    """Different items ordered."""
    return float(order.lines)


def categories(order: OrderFact, _: Rates) -> float:
    """Different categories ordered from."""
    return float(len(set(order.categories)))


def resale_goods(order: OrderFact, _: Rates) -> float:
    """1 if a category ordered from is one that thieves sell on (`direct.RESALE`), NaN if none is known."""
    return _any(order.categories, RESALE)


def cash_like_goods(order: OrderFact, _: Rates) -> float:
    """1 if gift cards or tickets are ordered, NaN if no category is known."""
    return _any(order.categories, CASH_LIKE)


def has_account(order: OrderFact, _: Rates) -> float:
    """1 if placed with an account, 0 for a guest."""
    return float(order.has_account)


def has_promo(order: OrderFact, _: Rates) -> float:
    """1 if a promotion was used."""
    return float(order.promo is not None)


def is_gift(order: OrderFact, _: Rates) -> float:
    """1 if marked as a gift."""
    return float(order.is_gift)


def cookies_refused(order: OrderFact, _: Rates) -> float:
    """1 if neither session nor device is known."""
    return float(order.entities.session is None and order.entities.device is None)


def hour_local(order: OrderFact, _: Rates) -> float:
    """The hour of the day, 0 to 23, where the parcel goes, else where the ip is; by the country's principal clocks."""
    shipping, ip = order.shipping_utc_offset_min, order.ip_utc_offset_min
    offset_min = ip if shipping is None else shipping
    return nan if offset_min is None else float((order.occurred_at_ms // 60_000 + offset_min) // 60 % 24)


def at_night(order: OrderFact, rates: Rates) -> float:
    """1 if `hour_local` is 1 to 5, else 0; NaN if it is unknown."""
    hour = hour_local(order, rates)
    return nan if isnan(hour) else float(hour in _NIGHT)


def ip_hours_away(order: OrderFact, _: Rates) -> float:
    """Hours between the clocks where the ip is and where the parcel goes; NaN if either is unknown."""
    if order.ip_utc_offset_min is None or order.shipping_utc_offset_min is None:
        return nan
    return abs(order.ip_utc_offset_min - order.shipping_utc_offset_min) / 60


def ip_distance_km(order: OrderFact, _: Rates) -> float:
    """Kilometres from the ip's country to where the parcel goes, between the countries' principal places."""
    return nan if order.ip_distance_km is None else float(order.ip_distance_km)


def ip_is_shipping_country(order: OrderFact, _: Rates) -> float:
    """1 if the ip is where the parcel goes, 0 if elsewhere, NaN if either is unknown."""
    return _same(order.ip_country, order.shipping_country)


def ip_is_billing_country(order: OrderFact, _: Rates) -> float:
    """1 if the ip is where the bill goes, 0 if elsewhere, NaN if either is unknown."""
    return _same(order.ip_country, order.billing_country)


def ip_is_issuer_country(order: OrderFact, _: Rates) -> float:
    """1 if the ip is where the card was issued, 0 if elsewhere, NaN if either is unknown."""
    return _same(order.ip_country, order.issuer_country)


def name_in_email(order: OrderFact, _: Rates) -> float:
    """The share of the name's words that are in the e-mail address, 0 to 1; NaN if they cannot be compared."""
    return nan if order.name_in_email is None else order.name_in_email


def issuer_is_billing_country(order: OrderFact, _: Rates) -> float:
    """1 if the card was issued where the bill goes, 0 if elsewhere, NaN if either is unknown."""
    return _same(order.issuer_country, order.billing_country)


def issuer_is_shipping_country(order: OrderFact, _: Rates) -> float:
    """1 if the card was issued where the parcel goes, 0 if elsewhere, NaN if either is unknown."""
    return _same(order.issuer_country, order.shipping_country)


def billing_is_shipping_country(order: OrderFact, _: Rates) -> float:
    """1 if bill and parcel go to one country, 0 if not, NaN if either is unknown."""
    return _same(order.billing_country, order.shipping_country)


def billing_is_shipping_address(order: OrderFact, _: Rates) -> float:
    """1 if bill and parcel go to one address, 0 if not, NaN if either is unknown."""
    return _same(order.billing_address, order.entities.address)


def _same(one: str | None, other: str | None) -> float:
    return nan if one is None or other is None else float(one == other)


def _any(categories: Sequence[str], of: frozenset[str]) -> float:
    known = [category for category in categories if category != "other"]
    return float(not of.isdisjoint(known)) if known else nan


def _code(field: str, codes: Mapping[str, int], text: str) -> Function:
    def function(order: OrderFact, _: Rates) -> float:
        value = getattr(order, field)
        return nan if value is None else float(codes.get(value, len(codes)))

    listed = ", ".join(f"{code} {value}" for value, code in codes.items())
    function.__name__ = field
    function.__doc__ = f"{text}: {listed}; NaN if not given."
    return function


def _is_method(method: str) -> Function:
    def function(order: OrderFact, _: Rates) -> float:
        return float(order.method == method)

    function.__name__ = f"method_{method}"
    function.__doc__ = f"1 if paid by {method.replace('_', ' ')}."
    return function


def _codes(*values: str) -> dict[str, int]:
    return {value: code for code, value in enumerate(values)}


# Name of the feature is "order." and the function's; the number is its version: raise it when the meaning changes.
FUNCTIONS: tuple[tuple[Function, int], ...] = (
    (amount_usd, 1),
    (max_unit_usd, 1),
    (currency_known, 1),
    (hour_utc, 1),
    (weekday_utc, 1),
    (quantity, 1),
    (lines, 1),
    (categories, 1),
    (has_account, 1),
    (has_promo, 1),
    (is_gift, 1),
    (cookies_refused, 1),
    (issuer_is_billing_country, 1),
    (issuer_is_shipping_country, 1),
    (billing_is_shipping_country, 1),
    (billing_is_shipping_address, 1),
    (ip_is_shipping_country, 1),
    (ip_is_billing_country, 1),
    (ip_is_issuer_country, 1),
    (ip_distance_km, 1),
    (ip_hours_away, 1),
    (hour_local, 1),
    (at_night, 1),
    (name_in_email, 1),
    (unit_usd, 1),
    (dearest_share, 1),
    (resale_goods, 1),
    (cash_like_goods, 1),
    *((_is_method(m), 1) for m in ("card", "wallet", "bank_transfer", "cash_on_delivery", "voucher")),
    (_code("avs", _codes("match", "partial", "mismatch", "unavailable"), "The bank's address check"), 1),
    (_code("cvv_result", _codes("match", "mismatch", "unavailable"), "The bank's check of the security code"), 1),
    (_code("three_ds", _codes("authenticated", "attempted", "not_enrolled", "failed"), "3-D Secure"), 1),
    (_code("email_provider", _codes("other", "free", "disposable"), "The kind of e-mail provider"), 1),
)
