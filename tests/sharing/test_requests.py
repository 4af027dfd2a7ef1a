"""Requests of the law: exactly the named fields of the named case, once two others have approved; or nothing."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from sharing import roles
from sharing.asking import Requests, granted, said_of
from sharing.errors import RequestRefused, RolesError
from sharing.ledger import leaves
from sharing.requests import LawRequest, asked, moved, officer
from tests.sharing.projected import CONTRACTS, NOW_MS, Desk

CASE = "topic:0:17"
LAW = CONTRACTS["law-enforcement"]
DAY_MS = 86_400_000


def request(**changes: Any) -> LawRequest:
    values: dict[str, Any] = {
        "reference": "LE-2026-0042",
        "partner": "law-enforcement",
        "case_id": CASE,
        "fields": ("name", "ip"),
        "basis": "Anti-Cyber Crime Law, article 6, order 42",
        "asked_at_ms": NOW_MS,
        "expires_at_ms": NOW_MS + 7 * DAY_MS,
        "asked_by": "noura",
    }
    return LawRequest(**(values | changes))


@pytest.fixture
def desk(engine: sa.Engine) -> Desk:
    return Desk(engine)


@pytest.fixture
def requests(desk: Desk) -> Requests:
    return Requests(desk.ledger, lambda size: b"s" * size)


def move(desk: Desk, requests: Requests, *steps: tuple[str, str]) -> LawRequest:
    with desk.engine.begin() as connection:
        requests.ask(connection, request(), LAW, NOW_MS)
    for action, actor in steps:
        with desk.engine.begin() as connection:
            after = requests.move(connection, "LE-2026-0042", action, actor, NOW_MS)  # type: ignore[arg-type]
    return after


ANSWERED = (("approve", "saud"), ("approve", "layla"), ("answer", "noura"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"fields": ("name", "psp_reference")}, "the contract does not allow psp_reference; it allows name, email"),
        ({"fields": ("request_ref",)}, "the contract does not allow request_ref"),
        ({"fields": ()}, "expected one field or more, each once"),
        ({"fields": ("ip", "ip")}, "expected one field or more, each once"),
        ({"reference": "no spaces"}, "reference: expected 3 to 64 letters"),
        ({"reference": "4111111111111111"}, "reference: expected 3 to 64 letters"),
        ({"basis": "because"}, "basis: expected 10 to 200 printable characters"),
        ({"basis": " " * 20}, "basis: expected 10 to 200 printable characters"),
        ({"basis": "card 4111 1111 1111 1111"}, "basis: expected 10 to 200 printable characters"),
        ({"expires_at_ms": NOW_MS}, "expiry: expected within the next 90 days"),
        ({"expires_at_ms": NOW_MS + 91 * DAY_MS}, "expiry: expected within the next 90 days"),
    ],
)
def test_what_may_not_be_asked_is_refused_and_says_why(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(RequestRefused, match=why):
        asked(request(**changes), LAW, NOW_MS)


@pytest.mark.parametrize("contract", [None, CONTRACTS["acquirer"]])
def test_only_a_contract_that_answers_requests_is_asked_under(contract: Any) -> None:
    with pytest.raises(RequestRefused, match="no contract with this partner answers requests"):
        asked(request(), contract, NOW_MS)


def test_two_people_approve_and_neither_of_them_asked() -> None:
    with pytest.raises(RequestRefused, match="who entered a request does not approve it"):
        moved(request(), "approve", "noura", NOW_MS)
    once = moved(request(), "approve", "saud", NOW_MS)
    assert (once.state, once.approved_by) == ("asked", ("saud",))
    with pytest.raises(RequestRefused, match="approved by this person before"):
        moved(once, "approve", "saud", NOW_MS)
    with pytest.raises(RequestRefused, match="a request that is asked does not take answer; it takes approve, refuse"):
        moved(once, "answer", "saud", NOW_MS)
    twice = moved(once, "approve", "layla", NOW_MS)
    assert (twice.state, twice.approved_by) == ("approved", ("saud", "layla"))
    with pytest.raises(RequestRefused, match="it takes answer, refuse"):
        moved(twice, "approve", "huda", NOW_MS)


@pytest.mark.parametrize("action", ["approve", "answer"])
def test_after_its_expiry_a_request_is_only_refused(action: Any) -> None:
    approved = request(state="approved" if action == "answer" else "asked", approved_by=("saud", "layla"))
    late = approved.expires_at_ms
    with pytest.raises(RequestRefused, match="the request has expired"):
        moved(approved, action, "huda", late)
    assert moved(approved, "refuse", "huda", late).state == "refused"


def test_an_answer_has_the_named_fields_of_the_named_case_and_no_others(desk: Desk, requests: Requests) -> None:
    move(desk, requests, *ANSWERED)
    step = desk.run("requested", CASE, reference="LE-2026-0042")
    assert step.recorded == [("law-enforcement", "disclosure")]
    (told,) = desk.told("law-enforcement")
    assert {**told, "jti": ""} == {
        "jti": "",
        "request_ref": "LE-2026-0042",
        "name": "نورة Noura",
        "ip": "203.0.113.77",
    }
    assert desk.run("requested", CASE, reference="LE-2026-0042").recorded == []


@pytest.mark.parametrize(
    ("steps", "reference"),
    [
        ((("approve", "saud"),), "LE-2026-0042"),
        ((("approve", "saud"), ("approve", "layla")), "LE-2026-0042"),
        ((("refuse", "saud"),), "LE-2026-0042"),
        (ANSWERED, "LE-another"),
        (ANSWERED, None),
    ],
)
def test_without_a_request_that_was_ordered_to_be_answered_nothing_leaves(
    desk: Desk, requests: Requests, steps: Any, reference: str | None
) -> None:
    move(desk, requests, *steps)
    step = desk.run("requested", CASE, reference=reference)
    assert (step.recorded, list(step.failures)) == ([], ["no request that is approved and has not expired"])


def test_another_case_than_the_requests_is_not_told(desk: Desk, requests: Requests) -> None:
    move(desk, requests, *ANSWERED)
    step = desk.run("requested", "topic:0:18", reference="LE-2026-0042")
    assert (step.recorded, list(step.failures)) == ([], ["law-enforcement: the request is for another case"])


def test_a_request_that_expired_before_it_was_projected_is_not_answered(desk: Desk, requests: Requests) -> None:
    move(desk, requests, *ANSWERED)
    desk.clock[0] += 7 * DAY_MS
    assert desk.run("requested", CASE, reference="LE-2026-0042").recorded == []
    with desk.engine.connect() as connection:
        assert granted(connection, "LE-2026-0042", desk.clock[0]) is None
        assert granted(connection, "LE-2026-0042", desk.clock[0] - 1) is not None


def test_every_step_is_a_leaf_that_commits_to_who_did_what_and_when(desk: Desk, requests: Requests) -> None:
    move(desk, requests, *ANSWERED)
    with desk.engine.connect() as connection:
        steps = requests.steps(connection, "LE-2026-0042")
        found = [desk.ledger.leaf(connection, step.place) for step in steps]
    assert [(step.action, step.actor) for step in steps] == [
        ("ask", "noura"),
        ("approve", "saud"),
        ("approve", "layla"),
        ("answer", "noura"),
    ]
    for step, leaf in zip(steps, found, strict=True):
        said = said_of("LE-2026-0042", step.action, step.actor, NOW_MS, ("name", "ip"))
        assert leaf == leaves.Audited(
            at_ms=NOW_MS,
            action=f"request.{step.action}",
            commitment=leaves.commitment(b"s" * 32, CASE, "", said),
        )


def test_a_reference_is_entered_once_and_an_unknown_one_is_said_to_be(desk: Desk, requests: Requests) -> None:
    with desk.engine.begin() as connection:
        requests.ask(connection, request(), LAW, NOW_MS)
    with pytest.raises(RequestRefused, match="entered before"), desk.engine.begin() as connection:
        requests.ask(connection, request(fields=("email",)), LAW, NOW_MS)
    with pytest.raises(RequestRefused, match="no request by that reference"), desk.engine.begin() as connection:
        requests.get(connection, "LE-none")
    with desk.engine.begin() as connection:
        assert requests.all(connection) == [request()]


def test_what_is_part_of_the_answers_transaction_fails_with_it(desk: Desk, requests: Requests) -> None:
    move(desk, requests, *ANSWERED[:2])

    def fail(_: sa.Connection, after: LawRequest) -> None:
        raise ValueError(after.state)

    with pytest.raises(ValueError, match="answered"), desk.engine.begin() as connection:
        requests.move(connection, "LE-2026-0042", "answer", "noura", NOW_MS, fail)
    with desk.engine.begin() as connection:
        assert requests.get(connection, "LE-2026-0042").state == "approved"
        assert len(requests.steps(connection, "LE-2026-0042")) == 3


def test_requests_are_for_privacy_officers_alone() -> None:
    known = roles.parse("noura: [privacy_officer]\nsaud: [analyst]\n", "roles.yaml")
    assert officer("noura", known) == "noura"
    for actor in ("saud", "nobody", ""):
        with pytest.raises(RequestRefused, match="requests are for privacy officers"):
            officer(actor, known)


NAMED = re.escape("expected lines like `noura: [privacy_officer]`, names of a to z, digits and . _ -")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("noura: privacy_officer", "expected lines like"),
        ("noura: [boss]", "expected lines like"),
        ("- noura", "expected lines like"),
        ("? [a]\n: [analyst]\n", "roles.yaml"),
        *(
            (f"noura: [privacy_officer]\n{name}: [privacy_officer]\n", f"^roles.yaml: {NAMED}$")
            for name in ('"noura "', '"nour\\u200ba"', "Noura", '"noura\\n"', '""', "ن")
        ),
        ("a: &x [analyst]\nb: *x\n", "an alias"),
        ("a: [", r"roles.yaml:1: not YAML"),
        ("noura: [analyst]\nnoura: [privacy_officer]\n", r"^roles.yaml:2: 'noura' stands here twice$"),
        ("!!python/object:os.system {}", "roles.yaml"),
    ],
)
def test_an_ill_formed_roles_file_says_what_was_expected(text: str, why: str) -> None:
    with pytest.raises(RolesError, match=why):
        roles.parse(text, "roles.yaml")


def test_a_roles_file_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "roles.yaml"
    path.write_text("noura: [privacy_officer]\n")
    path.chmod(0o644)
    assert roles.load(path) == {"noura": frozenset({"privacy_officer"})}
    path.chmod(0o666)
    with pytest.raises(RolesError, match="others than its owner may write to it"):
        roles.load(path)
    with pytest.raises(RolesError, match="No such file"):
        roles.load(tmp_path / "none.yaml")


def test_fields_are_kept_as_they_were_asked(desk: Desk, requests: Requests) -> None:
    move(desk, requests, *ANSWERED)
    (row,) = desk.rows("sharing_requests")
    assert msgspec.json.decode(row["fields"]) == ["name", "ip"]
