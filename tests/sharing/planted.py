"""Leaks planted on purpose: each breaks one thing that holds values back, and must be found.

Each is a function of a pytest.MonkeyPatch; the name says what was broken. Operators that leak within the type are
planted together with a type that was widened for them, since the closed type alone stops them.
"""

import base64
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Counter
from pytest import MonkeyPatch  # noqa: PT013 - a type in every signature here

from sharing import contracts as compiler
from sharing.errors import ProjectionError
from sharing.fields import FIELDS, Disclosable
from sharing.operators import Band, Derive, Keep, Last4, Truncate
from sharing.projection import Projection
from sharing.tokens import Sealer
from tests.sharing import agreement, leaking

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
    def project(self: Projection, item: Disclosable) -> bytes:
        message = self.message_type(jti=self.message_id(item.decision_id), **self._values(item))
        return msgspec.json.encode(message)

    _reads(patch, "outcome", lambda item: item.order.contact.name)
    patch.setattr(Projection, "project", project)


def a_field_is_read_from_the_wrong_place(patch: MonkeyPatch) -> None:
    _reads(patch, "psp_reference", lambda item: item.order.customer_id)


def an_id_goes_to_another_than_who_issued_it(patch: MonkeyPatch) -> None:
    _reads(patch, "psp_reference", lambda item: item.order.tracking_ref)


def an_error_quotes_the_value(patch: MonkeyPatch) -> None:
    def project(self: Projection, item: Disclosable) -> bytes:
        try:
            return _project(self, item)
        except ProjectionError:
            raise ProjectionError(f"{self.partner}: {item.order.payment.three_ds!r} does not fit") from None

    patch.setattr(Projection, "project", project)


def an_error_carries_its_cause(patch: MonkeyPatch) -> None:
    def project(self: Projection, item: Disclosable) -> bytes:
        try:
            return _project(self, item)
        except ProjectionError as error:
            raise ProjectionError("failed") from ValueError(item.order, error)

    patch.setattr(Projection, "project", project)


def a_message_id_is_the_decisions_id(patch: MonkeyPatch) -> None:
    patch.setattr(Projection, "message_id", lambda _, decision_id: decision_id[:22])


def a_field_beside_the_contracts_own(patch: MonkeyPatch) -> None:
    def project(self: Projection, item: Disclosable) -> bytes:
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
    problem = compiler._problem
    patch.setattr(compiler, "_problem", lambda *asked: (asked[1].name != "customer_id" and problem(*asked)) or None)
    _reads(patch, "customer_id", lambda item: item.order.customer_id)
    found = agreement.contracts

    def widened() -> dict[str, dict[str, Any]]:
        line = {"name": "customer_id", "operator": "keep", "reason": "planted by the tests"}
        return {name: {**contract, "fields": [*contract["fields"], line]} for name, contract in found().items()}

    patch.setattr(leaking, "contracts", widened)


def a_log_of_what_was_projected(patch: MonkeyPatch) -> None:
    def project(self: Projection, item: Disclosable) -> bytes:
        logging.getLogger("sharing").info("projected %s", item)
        return _project(self, item)

    patch.setattr(Projection, "project", project)


def a_line_on_standard_error(patch: MonkeyPatch) -> None:
    def project(self: Projection, item: Disclosable) -> bytes:
        print(item.order.contact)  # noqa: T201 - the leak
        return _project(self, item)

    patch.setattr(Projection, "project", project)


def a_metric_by_customer(patch: MonkeyPatch) -> None:
    registry = CollectorRegistry()
    told = Counter("told", "Disclosures.", ["customer"], registry=registry)

    def project(self: Projection, item: Disclosable) -> bytes:
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


def _reads(patch: MonkeyPatch, name: str, read: Callable[[Disclosable], Any]) -> None:
    patch.setitem(FIELDS, name, msgspec.structs.replace(FIELDS[name], read=read))


PLANTS: dict[str, Plant] = {
    name.replace("_", " "): found
    for name, found in list(globals().items())
    if callable(found) and name.startswith(("a_", "an_", "reasons_", "eight_"))
}
