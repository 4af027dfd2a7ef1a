"""Leaks planted on purpose: each breaks one thing that holds values back, and must be found.

Each is a function of a pytest.MonkeyPatch; the name says what was broken. Operators that leak within the type are
planted together with a type that was widened for them, since the closed type alone stops them.
"""

import base64
import hashlib
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Counter
from pytest import MonkeyPatch  # noqa: PT013 - a type in every signature here

from sharing import contracts as compiler
from sharing.errors import ProjectionError
from sharing.fields import FIELDS
from sharing.operators import Band, Derive, Generalise, Keep, Last4, Pseudonym, Truncate
from sharing.projection import Projection
from sharing.pseudonyms import Epoch, Pseudonyms
from sharing.tokens import Sealer
from tests.sharing import agreement, leaking
from vault.derivation import key_for

Plant = Callable[[MonkeyPatch], None]
_project = Projection.project
_seal = Sealer.seal


def _widened(patch: MonkeyPatch, operator: Any) -> None:
    patch.setattr(operator, "output", lambda *_: Any)


def a_broken_operator_says_what_it_was_not_given(patch: MonkeyPatch) -> None:
    patch.setattr(Keep, "apply", lambda _, value: f"{value} xqzjvkwp")


def a_widened_type_lets_free_text_through(patch: MonkeyPatch) -> None:
    _reads(patch, "outcome", lambda item: item.order.contact.name)
    _widened(patch, Keep)


def a_projection_skips_the_reading_again(patch: MonkeyPatch) -> None:
    _reads(patch, "outcome", lambda item: item.order.contact.name)
    patch.setattr(Projection, "_checked", lambda _, message: msgspec.json.encode(message))


def a_field_is_read_from_the_wrong_place(patch: MonkeyPatch) -> None:
    _reads(patch, "psp_reference", lambda item: item.order.customer_id)


def an_id_goes_to_another_than_who_issued_it(patch: MonkeyPatch) -> None:
    _reads(patch, "psp_reference", lambda item: item.order.tracking_ref)


def an_error_quotes_the_value(patch: MonkeyPatch) -> None:
    def project(self: Projection, item: Any, _: str | None = None) -> bytes:
        try:
            return _project(self, item)
        except ProjectionError:
            raise ProjectionError(f"{self.partner}: {item.order.payment.three_ds!r} does not fit") from None

    patch.setattr(Projection, "project", project)


def an_error_carries_its_cause(patch: MonkeyPatch) -> None:
    def project(self: Projection, item: Any, _: str | None = None) -> bytes:
        try:
            return _project(self, item)
        except ProjectionError as error:
            raise ProjectionError("failed") from ValueError(item.order, error)

    patch.setattr(Projection, "project", project)


def a_message_id_is_the_decisions_id(patch: MonkeyPatch) -> None:
    patch.setattr(Projection, "message_id", lambda _, decision_id, *more: decision_id[:22])  # noqa: ARG005 - as what it replaces


def a_field_beside_the_contracts_own(patch: MonkeyPatch) -> None:
    def project(self: Projection, item: Any, _: str | None = None) -> bytes:
        return _project(self, item)[:-1] + b',"debug":' + msgspec.json.encode(item.order.contact.email) + b"}"

    patch.setattr(Projection, "project", project)


def a_name_hidden_in_base64(patch: MonkeyPatch) -> None:
    _widened(patch, Keep)
    _reads(patch, "outcome", lambda item: base64.urlsafe_b64encode(item.order.contact.name.encode()).decode())


def a_name_hidden_backwards_in_hexadecimal(patch: MonkeyPatch) -> None:
    _widened(patch, Keep)
    _reads(patch, "outcome", lambda item: item.order.order_id[::-1].encode().hex())


def an_amount_that_is_not_banded(patch: MonkeyPatch) -> None:
    _widened(patch, Band)
    patch.setattr(Band, "apply", lambda _, value: str(value[0]))


def a_time_that_is_not_truncated(patch: MonkeyPatch) -> None:
    _widened(patch, Truncate)
    patch.setattr(Truncate, "apply", lambda _, value: str(value))


def a_band_off_by_one(patch: MonkeyPatch) -> None:
    patch.setattr(Band, "apply", lambda self, value: self._labels()[sum(edge < value[0] for edge in self.edges)])


def reasons_that_are_not_marked_safe(patch: MonkeyPatch) -> None:
    _widened(patch, Derive)
    patch.setattr(Derive, "apply", lambda _, value: tuple(value))


def reasons_in_the_order_of_their_weight(patch: MonkeyPatch) -> None:
    apply = Derive.apply
    patch.setattr(Derive, "apply", lambda self, value: tuple(reversed(apply(self, value))))


def eight_digits_of_a_card_instead_of_four(patch: MonkeyPatch) -> None:
    _widened(patch, Last4)
    _reads(patch, "last4", lambda item: (item.order.payment.bin or "") + (item.order.payment.last4 or ""))


def an_id_that_leaves_by_any_operator(patch: MonkeyPatch) -> None:
    """The class table is not looked at: what a contract asks for leaves."""
    _widened(patch, Keep)
    problem = compiler._of_field
    patch.setattr(compiler, "_of_field", lambda *asked: None if asked[1].name == "event_id" else problem(*asked))
    _reads(patch, "event_id", lambda item: item.order.event_id)
    found = agreement.contracts

    def widened() -> dict[str, dict[str, Any]]:
        line = {"name": "event_id", "operator": "keep", "reason": "planted by the tests"}
        return {name: {**contract, "fields": [*contract["fields"], line]} for name, contract in found().items()}

    patch.setattr(leaking, "contracts", widened)


def a_name_that_is_the_id_itself(patch: MonkeyPatch) -> None:
    _widened(patch, Pseudonym)
    patch.setattr(Pseudonym, "told", lambda _, value, occasion: value)  # noqa: ARG005 - as what it replaces


def a_name_that_needs_no_key(patch: MonkeyPatch) -> None:
    def name(_self: Pseudonyms, kind: str, value: str, _epoch: Epoch) -> str:
        return base64.urlsafe_b64encode(hashlib.sha256(f"{kind}{value}".encode()).digest()[:16]).decode()[:22]

    patch.setattr(Pseudonyms, "name", name)


def a_name_that_two_partners_share(patch: MonkeyPatch) -> None:
    patch.setattr("sharing.pseudonyms.key_for", lambda root, context, _partner, *rest: key_for(root, context, *rest))


def a_name_that_no_epoch_changes(patch: MonkeyPatch) -> None:
    patch.setattr("sharing.pseudonyms.key_for", lambda root, *use: key_for(root, *use[:-1]))


def a_request_that_nobody_approved_is_answered(patch: MonkeyPatch) -> None:
    for where in ("sharing.projection.refusal", "sharing.operators.disclose.refusal"):
        patch.setattr(where, lambda _: None)


def a_request_is_answered_with_more_than_it_names(patch: MonkeyPatch) -> None:
    patch.setattr(Projection, "_asked", lambda *_: True)
    patch.setattr("sharing.operators.disclose.named", lambda *_: True)


def a_city_instead_of_its_region(patch: MonkeyPatch) -> None:
    _widened(patch, Generalise)
    patch.setattr(Generalise, "apply", lambda _, value: getattr(value, "city", value))


def a_verification_goes_to_another_agency(patch: MonkeyPatch) -> None:
    patch.setattr(Projection, "_issued", lambda *_: True)


def a_log_of_what_was_projected(patch: MonkeyPatch) -> None:
    def project(self: Projection, item: Any, _: str | None = None) -> bytes:
        logging.getLogger("sharing").info("projected %s", item)
        return _project(self, item)

    patch.setattr(Projection, "project", project)


def a_line_on_standard_error(patch: MonkeyPatch) -> None:
    def project(self: Projection, item: Any, _: str | None = None) -> bytes:
        print(item.order.contact)  # noqa: T201 - the leak
        return _project(self, item)

    patch.setattr(Projection, "project", project)


def a_metric_by_customer(patch: MonkeyPatch) -> None:
    registry = CollectorRegistry()
    told = Counter("told", "Disclosures.", ["customer"], registry=registry)

    def project(self: Projection, item: Any, _: str | None = None) -> bytes:
        told.labels(item.order.customer_id).inc()
        return _project(self, item)

    patch.setattr(Projection, "project", project)
    patch.setattr(leaking, "REGISTRY", registry)


def a_subject_that_is_the_order(patch: MonkeyPatch) -> None:
    def seal(self: Sealer, partner: str, jti: str, _: str, uri: str, payload: bytes, at_ms: int) -> bytes:
        return _seal(self, partner, jti, "order-xqzjvkwpxqzjvkwp", uri, payload, at_ms)

    patch.setattr(Sealer, "seal", seal)


def a_key_id_that_names_the_customer(patch: MonkeyPatch) -> None:
    patch.setattr("sharing.tokens.claims.TYP", "secevent+jwt;c=xqzjvkwpxqzjvkwp")


def _reads(patch: MonkeyPatch, name: str, read: Callable[[Any], Any]) -> None:
    patch.setitem(FIELDS, name, msgspec.structs.replace(FIELDS[name], read=read))


PLANTS: dict[str, Plant] = {
    name.replace("_", " "): found
    for name, found in list(globals().items())
    if callable(found) and name.startswith(("a_", "an_", "reasons_", "eight_"))
}
