"""One visitor's session in the store: every step writes its events and moves the visitor's own clock on."""

from collections.abc import Callable, Sequence
from math import log
from random import Random
from typing import Literal, get_args

import msgspec

from events import types
from events.types import Address, Contact, Location, Payment
from simulator import labels
from simulator.catalogue import Basket, Product
from simulator.clock import DAY_MS
from simulator.ids import Ids
from simulator.journal import Journal
from simulator.people import Card, Device
from simulator.places import Country

Method = Literal["card", "wallet", "bank_transfer", "cash_on_delivery", "voucher"]
_REFERRERS = (None, None, None, "https://www.google.com/", "https://www.instagram.com/", "https://www.bing.com/")
_DECLINES = ("insufficient_funds", "insufficient_funds", "do_not_honor", "issuer_unavailable", "expired_card")
_PAUSE = log(13_000)


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """What the store sees of whoever is at the keyboard; without cookies neither device nor session."""

    ip: str
    location: Location
    user_agent: str
    device_id: str | None
    session_id: str | None


Avs = Literal["match", "partial", "mismatch", "unavailable"]
Cvv = Literal["match", "mismatch", "unavailable"]
ThreeDs = Literal["authenticated", "attempted", "failed", "not_enrolled"]
AVS: tuple[Avs, ...] = get_args(Avs)
CVV: tuple[Cvv, ...] = get_args(Cvv)
THREE_DS: tuple[ThreeDs, ...] = get_args(ThreeDs)


class Checks(msgspec.Struct, frozen=True):
    """How often the gateway's checks give each answer, in the order of `AVS`, `CVV` and `THREE_DS`."""

    avs: tuple[int, ...]
    cvv: tuple[int, ...]
    three_ds: tuple[int, ...]


HOLDERS = Checks((30, 10, 5, 55), (92, 3, 5), (58, 17, 2, 23))


class Purchase(msgspec.Struct, frozen=True, kw_only=True):
    """Who buys what, how it is paid, and where it goes."""

    customer_id: str
    account_id: str | None
    contact: Contact
    basket: Basket
    billing: Address
    shipping: Address
    method: Method = "card"
    card: Card | None = None
    checks: Checks = HOLDERS
    promo_code: str | None = None
    is_gift: bool = False


def arrive(rng: Random, ids: Ids, device: Device, ip: str, country: Country, refuses_cookies: bool) -> Visitor:
    """A visitor with that device at that connection; the city is only as good as an address lookup's."""
    city = country.cities[int(rng.random() * len(country.cities))][1] if rng.random() < 0.8 else None
    return Visitor(
        ip=ip,
        location=Location(country=country.code, city=city),
        user_agent=device.user_agent,
        device_id=None if refuses_cookies else device.device_id,
        session_id=None if refuses_cookies else ids.mint("v"),
    )


class Visit:
    """`at_ms` is the visitor's clock, in milliseconds since 1970; `fraud` marks all that is written."""

    def __init__(self, journal: Journal, rng: Random, visitor: Visitor, at_ms: int, fraud: str | None = None) -> None:
        self.at_ms = at_ms
        self.visitor = visitor
        self.customer_id: str | None = None
        self._journal, self._rng, self._fraud = journal, rng, fraud

    def page(self, path: str, pause_ms: int, *, method: str = "GET", referrer: str | None = None) -> None:
        """See a page and stay on it for that long."""
        visitor = self.visitor
        self._journal.write(
            types.VisitRecorded,
            self.at_ms,
            self._fraud,
            session_id=visitor.session_id,
            device_id=visitor.device_id,
            customer_id=self.customer_id,
            ip=visitor.ip,
            location=visitor.location,
            user_agent=visitor.user_agent,
            path=path,
            referrer=referrer,
            duration_ms=pause_ms,
            cookies_enabled=visitor.session_id is not None,
            status=200 if method == "GET" else 303,
            method=method,
        )
        self.at_ms += pause_ms

    def wait(self, haste: float = 1.0) -> int:
        """How long a person takes over a page (milliseconds); `haste` divides it."""
        return min(1_200_000, 900 + int(self._rng.lognormvariate(_PAUSE, 1.0) / haste))

    def wander(self, products: Sequence[Product], haste: float = 1.0) -> None:
        """Come in (one in six by a link to a product), load the shop's script if it is not cached, look around."""
        rng = self._rng
        if rng.random() < 5 / 6:
            self.page("/", self.wait(haste), referrer=_REFERRERS[int(rng.random() * len(_REFERRERS))])
        if rng.random() < 0.6:
            self.page("/assets/shop.js", 40 + int(rng.random() * 400))
        for product in products:
            if rng.random() < 0.3:
                self.page(f"/categories/{product.category}", self.wait(haste))
            elif rng.random() < 0.25:
                self.page(f"/search?q={product.category}", self.wait(haste))
            self.page(f"/products/{product.sku}", self.wait(haste))

    def check_out(self, haste: float = 1.0) -> None:
        self.page("/cart", self.wait(haste), method="POST")
        self.page("/checkout", self.wait(haste))

    def register(self, customer_id: str, contact: Contact) -> None:
        self._act(types.AccountRegistered, customer_id, contact=contact)
        self._act(types.PolicyAccepted, customer_id, policy_version="2025-09")
        self.customer_id = customer_id

    def sign_in(self, customer_id: str, failures: int = 0, pause_ms: int = 9_000) -> None:
        """Fail that many times, a pause apart, then succeed."""
        for _ in range(failures):
            self._act(types.LoggedIn, customer_id, succeeded=False)
            self.at_ms += int(pause_ms * (0.6 + self._rng.random()))
        self._act(types.LoggedIn, customer_id, succeeded=True)
        self.customer_id = customer_id

    def change_credentials(self, customer_id: str, what: str) -> None:
        self._act(types.CredentialsChanged, customer_id, what=what)
        self.at_ms += self.wait()

    def add_address(self, customer_id: str, address: Address) -> None:
        self._act(types.AddressAdded, customer_id, address=address)
        self.at_ms += self.wait()

    def pay(self, customer_id: str, card: Card, basket: Basket, approved: bool) -> None:
        """Try to pay; a person or a script that is declined may try again."""
        code = None if approved else _DECLINES[int(self._rng.random() * len(_DECLINES))]
        self._act(
            types.PaymentAttempted,
            customer_id,
            approved=approved,
            decline_code=code,
            psp_token=card.psp_token,
            amount_minor=basket.amount_minor,
            currency=basket.currency,
        )
        self.at_ms += 700 + int(self._rng.random() * 2_500)

    def refund(self, customer_id: str, order_id: str, basket: Basket) -> None:
        self._act(
            types.OrderRefunded,
            customer_id,
            order_id=order_id,
            amount_minor=basket.amount_minor,
            currency=basket.currency,
        )

    def enter_contest(self, customer_id: str) -> None:
        """The draw of the week."""
        self._act(types.ContestEntered, customer_id, contest_id=f"draw-{self.at_ms // (7 * DAY_MS)}")

    def review(self, customer_id: str, sku: str, rating: int) -> None:
        self._act(types.ReviewSubmitted, customer_id, sku=sku, rating=rating)

    def order(self, purchase: Purchase) -> str:
        """Place it; the labels that it will get are written for their later moments. Returns the order's id."""
        minted, visitor, basket = self._journal.ids.mint, self.visitor, purchase.basket
        order_id = minted("o")
        self._journal.write(
            types.OrderPlaced,
            self.at_ms,
            self._fraud,
            order_id=order_id,
            customer_id=purchase.customer_id,
            account_id=purchase.account_id,
            session_id=visitor.session_id,
            device_id=visitor.device_id,
            seller_id=basket.seller_id,
            amount_minor=basket.amount_minor,
            currency=basket.currency,
            items=basket.items,
            contact=purchase.contact,
            billing=purchase.billing,
            shipping=purchase.shipping,
            payment=self._payment(purchase),
            tracking_ref=minted("t"),
            ip=visitor.ip,
            user_agent=visitor.user_agent,
            promo_code=purchase.promo_code,
            is_gift=purchase.is_gift,
        )
        striking = purchase.billing != purchase.shipping
        labels.follow(self._journal, self._rng, order_id, self.at_ms, self._fraud, striking)
        return order_id

    def _payment(self, purchase: Purchase) -> Payment:
        card, checks, rng = purchase.card, purchase.checks, self._rng
        reference = self._journal.ids.mint("r")
        if card is None:
            return Payment(method=purchase.method, psp_reference=reference)
        return Payment(
            method=purchase.method,
            psp_token=card.psp_token,
            psp_reference=reference,
            last4=card.last4,
            bin=card.bin,
            issuer_country=card.issuer_country,
            avs=rng.choices(AVS, checks.avs)[0],
            cvv_result=rng.choices(CVV, checks.cvv)[0],
            three_ds=rng.choices(THREE_DS, checks.three_ds)[0],
        )

    def _act(self, event_type: Callable[..., types.ActivityEvent], customer_id: str, **fields: object) -> None:
        visitor = self.visitor
        self._journal.write(
            event_type,
            self.at_ms,
            self._fraud,
            customer_id=customer_id,
            session_id=visitor.session_id,
            device_id=visitor.device_id,
            ip=visitor.ip,
            **fields,
        )
        self.at_ms += 250 + int(self._rng.random() * 700)
