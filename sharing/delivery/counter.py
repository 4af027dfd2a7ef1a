"""The partners' counter: what each request over HTTP does, a transaction each. Who asks is known by then.

A stream that is another partner's is answered like one that is not there.
"""

import hmac
from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa

from sharing.delivery import allowances, oauth, poll, registrations, statements, streams
from sharing.delivery.desk import Desk
from sharing.delivery.streams import Asked, AskedStatus, AskedVerification, Refused, Stream, Terms

Alarm = Callable[[str, int], None]  # a partner, so many rows that the ledger does not hold


class Counter:
    """`terms_of` gives what our contracts say of a partner's stream; None for a partner without a contract."""

    def __init__(
        self,
        engine: sa.Engine,
        desk: Desk,
        issuer: str,
        keys_of: oauth.KeysOf,
        terms_of: Callable[[str], Terms | None],
        now_ms: Callable[[], int],
        random: Callable[[int], bytes],
        alarm: Alarm,
    ) -> None:
        self._engine = engine
        self._desk = desk
        self._issuer = issuer
        self._keys_of = keys_of
        self._terms_of = terms_of
        self._now_ms = now_ms
        self._random = random
        self._alarm = alarm

    def token(self, form: oauth.Form) -> dict[str, Any]:
        """An access token for a verified assertion. Raises oauth.Refused."""
        now_ms = self._now_ms()
        audiences = frozenset({self._issuer, f"{self._issuer}/oauth/token"})
        claims, keys = oauth.asserted(form, self._keys_of, audiences, now_ms // 1000)
        bearer, lives_ms = oauth.token(self._random, keys), oauth.TOKEN_LIFE_S * 1000
        until_ms = (claims.exp + 2 * oauth.LEEWAY_S) * 1000
        with self._engine.begin() as connection:
            if not statements.is_new(connection, claims.iss, f"assertion {claims.jti}", "", until_ms):
                raise oauth.Refused("invalid_client", "the assertion was used before")
            registrations.grant(connection, oauth.token_hash(bearer), claims.iss, now_ms, now_ms + lives_ms)
        return {"access_token": bearer, "token_type": "Bearer", "expires_in": oauth.TOKEN_LIFE_S}

    def partner_of(self, bearer: str) -> str | None:
        """Whose token it is, while it lives and the partner's keys are those under which it was given."""
        with self._engine.connect() as connection:
            partner = registrations.partner_of(connection, oauth.token_hash(bearer), self._now_ms())
        return partner if partner is not None and oauth.given_under(bearer, self._keys_of(partner)) else None

    def create(self, partner: str, asked: Asked) -> dict[str, Any]:
        """Raises Refused: 409 where the partner has a stream, 403 where no contract with it is in force.

        A stream that is there stays when the contract ends: what takes back what was told goes over it.
        """
        terms = self._terms(partner)
        if not terms.in_force:
            raise Refused(403, "no contract with this partner is in force")
        stream = Stream(_random_id(self._random), partner, streams.chosen(asked, terms))
        with self._engine.begin() as connection:
            if not registrations.add(connection, stream):
                raise Refused(409, "the partner has its one stream already")
        return streams.configuration(stream, terms)

    def read(self, partner: str, stream_id: str | None) -> Any:
        """One stream, or with None all of them: a list of one or none."""
        terms = self._terms(partner)
        with self._engine.connect() as connection:
            if stream_id is not None:
                return streams.configuration(_own(connection, partner, stream_id), terms)
            stream = registrations.stream_of(connection, partner)
        return [] if stream is None else [streams.configuration(stream, terms)]

    def change(self, partner: str, asked: Asked, whole: bool) -> dict[str, Any]:
        """Update what is named, or replace the `whole` of what the receiver sets."""
        terms = self._terms(partner)
        if asked.stream_id is None:
            raise Refused(400, "stream_id is missing")
        with self._engine.begin() as connection:
            stream = _own(connection, partner, asked.stream_id)
            streams.check_same(asked, stream, terms)
            kept = streams.chosen(asked, terms, None if whole else stream.kept)
            changed = msgspec.structs.replace(stream, kept=kept)
            registrations.keep(connection, changed)
        return streams.configuration(changed, terms)

    def delete(self, partner: str, stream_id: str) -> None:
        with self._engine.begin() as connection:
            registrations.remove(connection, _own(connection, partner, stream_id))

    def status(self, partner: str, stream_id: str) -> dict[str, Any]:
        with self._engine.connect() as connection:
            stream = _own(connection, partner, stream_id)
            return streams.status_of(stream, bool(allowances.paused(connection, partner)))

    def set_status(self, partner: str, asked: AskedStatus) -> dict[str, Any]:
        """Raises Refused: 403 for `disabled`, which would have corrections and withdrawals thrown away."""
        with self._engine.begin() as connection:
            stream = _own(connection, partner, asked.stream_id)
            if asked.status == "disabled":
                raise Refused(403, "a stream can be paused or deleted: disabled, corrections would never reach you")
            changed = msgspec.structs.replace(stream, status=asked.status, reason=asked.reason)
            registrations.keep(connection, changed)
            return streams.status_of(changed, bool(allowances.paused(connection, partner)))

    def verify(self, partner: str, asked: AskedVerification) -> None:
        """Have a verification event come over the stream, with the state that the receiver gave."""
        now_ms = self._now_ms()
        event = {} if asked.state is None else {"state": asked.state}
        with self._engine.begin() as connection:
            stream = _own(connection, partner, asked.stream_id)
            if now_ms - (stream.verified_at_ms or 0) < streams.VERIFY_EVERY_S * 1000:
                raise Refused(429, f"a stream is verified every {streams.VERIFY_EVERY_S} s at most")
            registrations.keep(connection, msgspec.structs.replace(stream, verified_at_ms=now_ms))
            registrations.notify(connection, stream, streams.VERIFICATION, event, now_ms)

    def answered(self, partner: str, stream_id: str, asked: poll.Poll) -> None:
        """Take in what a poll says of earlier messages. Raises Refused where it may not poll there."""
        self._polled_stream(partner, stream_id)
        said = poll.answers(asked)
        if said:
            self._desk.answered(partner, said, poll.statement(asked, partner))

    def polled(self, partner: str, stream_id: str, at_most: int) -> poll.Polled:
        """What is due now, as it is sealed; nothing while the partner has paused the stream."""
        stream = self._polled_stream(partner, stream_id)
        if stream.status != "enabled" or at_most == 0 or partner not in self._desk.due():
            return poll.Polled({})
        claimed = self._desk.hand_out(partner, at_most)
        if claimed.unledgered:
            self._alarm(partner, len(claimed.unledgered))
        sets = {parcel.jti: parcel.sealed.decode() for parcel in claimed.parcels}
        return poll.Polled(sets, len(sets) == at_most and partner in self._desk.due())

    def _polled_stream(self, partner: str, stream_id: str) -> Stream:
        with self._engine.connect() as connection:
            stream = _own(connection, partner, stream_id)
        if stream.kept.method != streams.POLL:
            raise Refused(404, "the stream is not polled")
        return stream

    def _terms(self, partner: str) -> Terms:
        terms = self._terms_of(partner)
        if terms is None:
            raise Refused(403, "no contract with this partner is in force")
        return terms


def _own(connection: sa.Connection, partner: str, stream_id: str) -> Stream:
    stream = registrations.stream_of(connection, partner)
    if stream is None or not hmac.compare_digest(stream.stream_id.encode(), stream_id.encode()):
        raise Refused(404, "no stream of yours by that id")
    return stream


def _random_id(random: Callable[[int], bytes]) -> str:
    return oauth.random_word(random)[:22]
