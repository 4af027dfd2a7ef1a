"""The projector's SQL on a real PostgreSQL under its role: every kind of trigger, batches, notices and reports.

What a case's envelope holds is made up here: tests/streams/test_secured_telling.py opens real ones.
"""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from events.types import LabelEvent
from review.chores import publish_due
from review.disclosing import SealedCases
from review.feedback import take_reports
from review.opener import open_case
from review.store import CaseStore, SubjectKeyTable
from review.triggers import Kind, put
from sharing import reports
from sharing.asking import Requests
from sharing.batches import K
from sharing.delivery import notices, registrations, streams
from sharing.delivery.schedule import Schedule
from sharing.delivery.streams import Stream
from sharing.ledger.store import Ledger
from sharing.projecting import begun
from sharing.requests import LawRequest
from sharing.tokens import Sealer
from streams.roles import PROJECTOR
from tests.review.examples import decision
from tests.review.examples import vault as vault_of
from tests.sharing import sealed
from tests.sharing.orders import ORDER
from tests.sharing.projected import CONTRACTS, NOW_MS, PARTNERS, Desk
from tests.streams.used_rights import granted, reached, seen
from vault.keyring import Keyring

pytestmark = pytest.mark.timeout(300)

CASES = [f"topic:0:{number}" for number in range(100, 100 + K + 2)]
DAY_MS = 86_400_000
# Taken by SELECT ... FOR UPDATE, for which PostgreSQL wants the right to change the row.
LOCKED = {("sharing_waiting", "UPDATE"), ("sharing_reports", "UPDATE"), ("sharing_notices", "UPDATE")}


class RoleDesk(Desk):
    """Who leaves triggers and who looks at tables is the owner; all else is the projector's."""

    def __init__(self, own: sa.Engine, owner: sa.Engine) -> None:
        super().__init__(own)
        self.owner = owner

    def trigger(self, kind: Kind, *case_ids: str, reference: str | None = None) -> None:
        with self.owner.begin() as connection:
            put(connection, kind, case_ids, reference)

    def rows(self, table: str, order: str = "1") -> list[Any]:
        with self.owner.connect() as connection:
            return list(connection.execute(sa.text(f"SELECT * FROM {table} ORDER BY {order}")).mappings())


@pytest.fixture
def desk() -> Iterator[RoleDesk]:
    with reached("projector") as (own, owner):
        yield RoleDesk(own, owner)


def test_all_that_it_does_is_within_what_its_role_may_and_it_may_do_no_more(desk: RoleDesk, tmp_path: Path) -> None:
    with seen(desk.engine) as used:
        cases(desk)
        groups(desk)
        asked(desk)
        announced(desk)
        noticed(desk)
        reported(desk, Keyring.create(tmp_path / "keyring.json", os.urandom))
    assert used <= granted(PROJECTOR), used - granted(PROJECTOR)
    assert granted(PROJECTOR) - used == LOCKED


def cases(desk: RoleDesk) -> None:
    """Told of, put right, confirmed; and one of them failed, and is tried again."""
    desk.run("flagged", *CASES)
    assert ("acquirer", "correction") in desk.run("corrected", CASES[0]).recorded
    desk.cases.changes = {case: {"verdict": "confirmed"} for case in CASES}
    desk.run("confirmed", *CASES)
    assert len(desk.run("requested", CASES[3], reference="LE-none").failures) == 1
    with begun(desk.engine) as connection:
        desk.projecting.triggers.retry(connection)
    assert len(desk.settle().failures) == 1


def groups(desk: RoleDesk) -> None:
    """A batch leaves; it is put right and at last withdrawn as cases leave it, cleared or erased."""
    release = desk.projecting.release
    assert release(early=True).recorded == [("fellow-merchant", "disclosure")]
    assert ("acquirer", "withdrawal") in desk.run("cleared", CASES[0]).recorded
    assert release(early=True).recorded == [("fellow-merchant", "correction")]
    assert ("acquirer", "deletion") in desk.run("erased", CASES[1]).recorded
    assert release(early=True).recorded == [("fellow-merchant", "correction")]
    desk.run("cleared", CASES[2])
    assert release(early=True).recorded == [("fellow-merchant", "withdrawal")]


def asked(desk: RoleDesk) -> None:
    """A request of the law that others have entered and approved is answered."""
    requests, law = Requests(Ledger(), os.urandom), CONTRACTS["law-enforcement"]
    request = LawRequest(
        reference="LE-1",
        partner=law.partner,
        case_id=CASES[3],
        fields=("name",),
        basis="Anti-Cyber Crime Law, article 6",
        asked_at_ms=NOW_MS,
        expires_at_ms=NOW_MS + 7 * DAY_MS,
        asked_by="noura",
    )
    with desk.owner.begin() as connection:
        requests.ask(connection, request, law, NOW_MS)
        requests.move(connection, "LE-1", "approve", "saud", NOW_MS)
        requests.move(connection, "LE-1", "approve", "layla", NOW_MS)
        requests.move(connection, "LE-1", "answer", "noura", NOW_MS)
    assert desk.run("requested", CASES[3], reference="LE-1").recorded == [("law-enforcement", "disclosure")]


def announced(desk: RoleDesk) -> None:
    """The successor's pseudonyms change on 1 January 2027."""
    desk.clock[0] = round(datetime.combine(date(2026, 12, 25), datetime.min.time(), UTC).timestamp() * 1000)
    assert desk.projecting.announce().recorded == [("successor", "notice")]
    desk.clock[0] = NOW_MS


def noticed(desk: RoleDesk) -> None:
    """What the deliverer left for who holds the keys is sealed."""
    stream = Stream("s" * 22, "carrier", streams.Kept(streams.POLL))
    with desk.owner.begin() as connection:
        registrations.add(connection, stream)
        registrations.notify(connection, stream, streams.VERIFICATION, {}, NOW_MS)
    sealer = Sealer(sealed.ISSUER, sealed.OURS, PARTNERS)
    with begun(desk.engine) as connection:
        assert notices.release(connection, sealer, desk.ledger, Schedule(), os.urandom, NOW_MS) == 1


def reported(desk: RoleDesk, keyring: Keyring) -> None:
    """A real case, opened as the opener does and told of; what its partner reports is published as a label."""
    case = open_case(decision(), ORDER, vault_of(keyring, SubjectKeyTable(desk.owner)), NOW_MS)
    CaseStore(desk.owner).take_in(case)
    real = SealedCases(CaseStore(desk.engine), vault_of(keyring, SubjectKeyTable(desk.engine)).envelopes)
    disclosable = real.disclosable(case.decision_id)
    assert disclosable is not None
    assert disclosable.order.order_id == ORDER.order_id
    desk.settle()
    jti = next(row["jti"] for row in desk.rows("sharing_disclosures") if row["case_id"] == case.decision_id)
    with desk.owner.begin() as connection:
        reports.put(connection, "acquirer", jti, "confirmed", NOW_MS)
    assert take_reports(desk.engine) == 1
    published: list[LabelEvent] = []
    assert publish_due(CaseStore(desk.engine), published.extend, NOW_MS) == 1
    assert [(label.order_id, label.source) for label in published] == [(ORDER.order_id, "partner.acquirer")]
