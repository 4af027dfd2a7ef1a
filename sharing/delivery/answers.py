"""What partners sign on their acknowledgement topics: verified, taken in once, or noted with the reason why not."""

from collections.abc import Callable

import structlog

from sharing.delivery.desk import Desk, Report
from sharing.delivery.disclosures import Answer
from sharing.delivery.statements import Place
from sharing.errors import KeysError, TokenError
from sharing.tokens import Acknowledgement, PartnerKeys, verify_acknowledgement

log = structlog.get_logger()

KeysOf = Callable[[str], PartnerKeys | None]
TAKEN, AGAIN = "taken", "again"


class Answers:
    """`audience` is our issuer name; `keys_of` gives a partner's public keys as they are now."""

    def __init__(
        self, desk: Desk, audience: str, keys_of: KeysOf, now_ms: Callable[[], int], report: Report | None = None
    ) -> None:
        self._desk = desk
        self._audience = audience
        self._keys_of = keys_of
        self._now_ms = now_ms
        self._report = report

    def take(self, partner: str, place: Place, signed: bytes | None) -> str:
        """Take in one record; `taken`, `again` for one that was, or why it was refused. Safe to repeat."""
        try:
            said = self._verified(partner, signed)
        except TokenError as error:
            return self._refused(partner, place, error.reason)
        answers = [*map(Answer, said.acks), *(Answer(jti, each.err) for jti, each in said.errs.items())]
        told, taken = self._desk.stated(partner, place, said.jti, answers, signed or b"", said.reports, self._report)
        if told == "replayed":
            return self._refused(partner, place, told)
        if taken.unknown:
            # What it says of this partner's own messages was taken in; ids that are nobody's, or another's, were not.
            return self._refused(partner, place, "unknown_message")
        return told

    def _verified(self, partner: str, signed: bytes | None) -> Acknowledgement:
        try:
            keys = self._keys_of(partner)
        except KeysError:
            keys = None
        if keys is None:
            raise TokenError("no_keys", f"no usable keys of {partner}")
        if not signed:
            raise TokenError("malformed", "a record without a value")
        return verify_acknowledgement(signed, keys, self._audience, self._now_ms() // 1000)

    def _refused(self, partner: str, place: Place, reason: str) -> str:
        self._desk.disbelieve(partner, place, reason)
        log.warning("answer.refused", partner=partner, partition=place.partition, offset=place.position, reason=reason)
        return reason
