"""A partner's report becomes one label with its source, and only about what that partner was told."""

import msgspec
import pytest
import sqlalchemy as sa

from history.database import migrate
from review.desk import Desk
from review.feedback import take_reports
from review.opener import Vault, open_case
from review.store import CaseStore
from sharing import reports
from sharing.database import LOCK, MIGRATIONS
from tests.review.examples import NOW_MS, decision
from tests.sharing.orders import ORDER

JTI, GROUP = "j" * 22, "g" * 22


@pytest.fixture
def told(engine: sa.Engine, store: CaseStore, vault: Vault) -> sa.Engine:
    """The acquirer was told of ord-1; another partner of a group."""
    migrate(engine, MIGRATIONS, LOCK)
    store.take_in(open_case(decision(), ORDER, vault, NOW_MS))
    insert = sa.text(
        "INSERT INTO sharing_disclosures"
        " (jti, partner, contract, case_id, kind, state, place, made_at_ms, changed_at_ms)"
        " VALUES (:jti, :partner, :contract, :case_id, 'disclosure', 'acknowledged', 0, 0, 0)"
    )
    rows = [(JTI, "acquirer", "topic:0:17"), (GROUP, "fellow-merchant", None)]
    with engine.begin() as connection:
        for jti, partner, case_id in rows:
            connection.execute(insert, {"jti": jti, "partner": partner, "contract": b"", "case_id": case_id})
    return engine


def report(engine: sa.Engine, partner: str, jti: str, verdict: reports.Verdict) -> bool:
    with engine.begin() as connection:
        return reports.put(connection, partner, jti, verdict, NOW_MS)


@pytest.mark.parametrize(("verdict", "kind"), [("confirmed", "FraudConfirmed"), ("false_alarm", "FraudDismissed")])
def test_a_report_becomes_a_label_with_its_source(
    told: sa.Engine, store: CaseStore, verdict: reports.Verdict, kind: str
) -> None:
    assert report(told, "acquirer", JTI, verdict)
    assert take_reports(told) == 1
    (label,) = store.pending_labels(NOW_MS)
    written = msgspec.json.decode(msgspec.json.encode(label))
    assert {name: written[name] for name in ("type", "order_id", "labelled_at", "source")} == {
        "type": kind,
        "order_id": "ord-1",
        "labelled_at": "2026-03-01T22:16:40Z",
        "source": "partner.acquirer",
    }
    assert take_reports(told) == 0


def test_a_report_that_is_repeated_is_one_label(told: sa.Engine, store: CaseStore) -> None:
    for _ in range(3):
        report(told, "acquirer", JTI, "confirmed")
    assert take_reports(told) == 1
    assert len(store.pending_labels(NOW_MS)) == 1


def test_nobody_reports_on_what_another_was_told(told: sa.Engine, store: CaseStore) -> None:
    assert not report(told, "carrier", JTI, "false_alarm")
    assert not report(told, "acquirer", "n" * 22, "false_alarm")
    assert (take_reports(told), store.pending_labels(NOW_MS)) == (0, ())


def test_a_report_on_a_group_labels_no_order(told: sa.Engine, store: CaseStore) -> None:
    assert report(told, "fellow-merchant", GROUP, "confirmed")
    assert (take_reports(told), store.pending_labels(NOW_MS)) == (0, ())


def test_an_analysts_label_names_no_source(store: CaseStore, desk: Desk, vault: Vault) -> None:
    case = open_case(decision(), ORDER, vault, NOW_MS)
    store.take_in(case)
    desk.decide(case, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert b"source" not in msgspec.json.encode(store.pending_labels(NOW_MS)[0])
