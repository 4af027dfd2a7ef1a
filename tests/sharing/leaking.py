"""Discloses generated orders under contracts, with every way out watched for canaries and compared with naive words.

`Disclosing.disclose` does what the projector does, and hands all that would leave to the watch: payloads, sealed
tokens (opened again with the partner's key), headers, topics, errors, logs, metrics.
"""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from random import Random
from typing import Any

import msgspec
from joserfc.jwk import OKPKey
from joserfc.util import urlsafe_b64decode
from prometheus_client import REGISTRY, generate_latest

from sharing.fields import Disclosable
from sharing.projection import Projection
from sharing.tokens import Opener, Sealer, claims, jose
from sharing.tokens.keys import partner_keys
from tests.sharing import naive, sealed
from tests.sharing.agreement import compiled, contracts, disclosable, message_id, told_otherwise
from tests.sharing.mutated import everything, mutate
from tests.sharing.salted import Salted
from tests.sharing.watching import Watch, without

PRIVATE = sealed.private_set(60)


class Line:
    """One contract in use: its projection, its partner's keys, and which of its fields give an id back."""

    def __init__(self, contract: dict[str, Any], projection: Projection) -> None:
        self.contract = contract
        self.projection = projection
        self.partner = projection.partner
        self.echoed = [term["name"] for term in contract["fields"] if term["operator"] == "echo"]
        keys = {self.partner: partner_keys(self.partner, sealed.public_set(PRIVATE), self.partner)}
        self.sealer = Sealer(sealed.ISSUER, sealed.OURS, keys)
        self.opener = Opener(PRIVATE, sealed.JWKS, issuer=sealed.ISSUER, audience=self.partner)

    def allowed(self, order: dict[str, Any], decision: dict[str, Any]) -> list[str]:
        """The texts that may stand in this partner's message: its own ids, and what an approved request names."""
        values = [naive._value(name, order, decision) for name in self.echoed]
        if self.contract["trigger"] == "requested":
            try:
                values.append(naive.told(self.contract, order, decision))
            except naive.Refused:
                return []
        return list(_texts(values))


class Disclosing:
    """`checked` counts disclosures; `wrong` says what was not as the naive interpreter has it, without values."""

    def __init__(self, seed: int, *, seal_every: int = 50, compare_every: int = 5, spoil_every: int = 100) -> None:
        self.watch = Watch()
        self.checked = 0
        self.sealed = 0
        self.wrong: list[str] = []
        self._made = Salted(seed)
        self._random = Random(seed)
        self._seal_every = seal_every
        self._compare_every = compare_every
        self._spoil_every = spoil_every
        self._held = {key["kid"]: OKPKey.import_key(key) for key in PRIVATE["keys"]}

    def lines(self, mutated: int) -> list[Line]:
        """The contracts that are there, one that asks for all that may be asked, and as many usable mutations."""
        originals = [*contracts().values(), everything()]
        candidates = [*originals, *(mutate(self._random, self._random.choice(originals)) for _ in range(6 * mutated))]
        found = ((contract, compiled(contract)) for contract in candidates)
        return [Line(contract, projection) for contract, projection in found if projection][: len(originals) + mutated]

    def disclose(self, lines: list[Line], orders: int) -> None:
        """Each order under each contract; one in `spoil_every` again with values that no guard would have let in."""
        for number in range(orders):
            order, decision = self._made.order(), self._made.decision()
            item = disclosable(order, decision)
            for line in lines:
                self._one(line, item, order, decision)
            if number % self._spoil_every == 0:
                self._spoilt(lines, item)

    def _one(self, line: Line, item: Disclosable, order: dict[str, Any], decision: dict[str, Any]) -> None:
        self.checked += 1
        try:
            payload = line.projection.project(item)
        except Exception as error:  # noqa: BLE001 - whatever it is, its text is watched
            self._failed(error)
            if told_otherwise(line.contract, line.projection, order, decision):
                self.wrong.append(f"{line.partner}: {type(error).__name__} on what may be told")
            return
        allowed = line.allowed(order, decision)
        self.watch.saw("payload", without(payload, allowed))
        if self.checked % self._compare_every == 0:
            wrong = told_otherwise(line.contract, line.projection, order, decision)
            self.wrong += [f"{line.partner}: {wrong}"] if wrong else []
        if self.checked % self._seal_every == 0:
            self._seal(line, payload, decision, allowed)

    def _seal(self, line: Line, payload: bytes, decision: dict[str, Any], allowed: list[str]) -> None:
        """The token as it leaves, and all that its partner can read of it."""
        self.sealed += 1
        jti = message_id(line.projection, decision)
        token = line.sealer.seal(line.partner, jti, jti, sealed.EVENT, payload, sealed.NOW_MS)
        signed = jose.decrypt(token, claims.CTY, self._held.get)
        header, body, _ = signed.split(b".")
        self.watch.saw("sealed", token)
        self.watch.saw("header", urlsafe_b64decode(token.partition(b".")[0]) + urlsafe_b64decode(header))
        self.watch.saw("plaintext", without(urlsafe_b64decode(body), allowed))
        self.watch.saw("topic", f"share.{line.partner}.v1")
        if line.opener.open(token).event != payload:
            self.wrong.append(f"{line.partner}: what is opened is not what was projected")

    def _spoilt(self, lines: list[Line], item: Disclosable) -> None:
        """Values that fit no closed type, as if a guard or a store had failed: nothing may leave, errors neither."""
        text = f"Noura {self._made.text()} 4111"
        payment = msgspec.structs.replace(
            item.order.payment, **dict.fromkeys(("method", "three_ds", "avs", "last4", "psp_reference"), text)
        )
        changes: list[dict[str, Any]] = [{"payment": payment}, {"ip": text}, {"currency": text}, {"tracking_ref": text}]
        for line in (line for line in lines if line.contract["trigger"] != "requested"):
            for change in changes:
                spoilt = msgspec.structs.replace(item, order=msgspec.structs.replace(item.order, **change))
                try:
                    payload = line.projection.project(spoilt)
                except Exception as error:  # noqa: BLE001 - its text is watched, whatever it is
                    self._failed(error)
                else:
                    self.watch.saw("payload", without(payload, _untouched(spoilt, text)))

    def _failed(self, error: Exception) -> None:
        self.watch.saw("error", f"{error} {error!r} {''.join(traceback.format_exception(error))}")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While it lasts, logs and standard streams are watched; then metrics."""
        root, level, streams = logging.getLogger(), logging.getLogger().level, StringIO()
        root.addHandler(self.watch)
        root.setLevel(logging.DEBUG)
        try:
            with redirect_stdout(streams), redirect_stderr(streams):
                yield
        finally:
            root.removeHandler(self.watch)
            root.setLevel(level)
            self.watch.saw("log", streams.getvalue())
            self.watch.saw("metrics", generate_latest(REGISTRY))

    def findings(self) -> dict[str, list[str]]:
        """By way out what was found there; under "difference" what was not as the naive interpreter has it."""
        wrong = {"difference": sorted(set(self.wrong))} if self.wrong else {}
        return {**self.watch.found(), **wrong}


def _untouched(item: Disclosable, text: str) -> list[str]:
    """The ids that go back to who issued them and were not spoilt."""
    verified = item.verification.verification_ref if item.verification else None
    values = (item.order.payment.psp_reference, item.order.tracking_ref, verified)
    return [value for value in values if value and value != text]


def _texts(value: Any) -> Iterator[str]:
    """All texts in it, the longest first: none is cut up by another that it holds."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        each = value.values() if isinstance(value, dict) else value
        yield from sorted((text for inner in each for text in _texts(inner)), key=len, reverse=True)


def checked(seed: int, orders: int, mutated: int, **settings: Any) -> Disclosing:
    """All contracts and as many mutated ones, each on that many orders."""
    disclosing = Disclosing(seed, **settings)
    with disclosing.listening():
        disclosing.disclose(disclosing.lines(mutated), orders)
    return disclosing
