"""What plain SQL tampered with is named by its place; what was rewritten and signed anew, by what others kept."""

import pytest
import sqlalchemy as sa

from sharing import tables
from sharing.ledger import verification
from sharing.ledger.checkpoints import Signer
from sharing.ledger.leaves import body_of
from sharing.ledger.receipts import Receipt
from sharing.ledger.store import Ledger, snapshot
from sharing.ledger.tree import leaf_hash
from sharing.ledger.verification import Finding, Kept, Verification, verify
from tests.sharing.ledger.made import LEDGER, SIGNER, TRUSTED, bodies, filled, of_every_kind, rewritten, signed, told

CHANGED = body_of(told(999))


def verified(engine: sa.Engine, *kept: Kept) -> Verification:
    with snapshot(engine) as connection:
        return verify(connection, TRUSTED, kept)


def found(engine: sa.Engine, *kept: Kept) -> list[str]:
    return [str(finding) for finding in verified(engine, *kept).findings]


def tamper(engine: sa.Engine, *statements: str, **values: object) -> None:
    with engine.begin() as connection:
        for statement in statements:
            text = sa.text(statement)
            connection.execute(text, {name: values[name] for name in text.compile().params})


def kept(engine: sa.Engine, name: str = "the partner's checkpoint") -> Kept:
    return Kept(name, TRUSTED.opened(signed(engine)))


def receipt(engine: sa.Engine, place: int) -> Kept:
    note = signed(engine)
    checkpoint = TRUSTED.opened(note)
    with engine.connect() as connection:
        proof = LEDGER.inclusion(connection, place, checkpoint.size)
        whole = Receipt(place, LEDGER.body(connection, place), tuple(proof), note)
    return Kept(f"the receipt of {place}", whole.checked(TRUSTED), place, whole.body)


def test_a_whole_ledger_of_any_size_is_whole(engine: sa.Engine) -> None:
    size = 0
    for more in (0, 1, 1, 1, 1, 3, 1, 1, 22, 1, 1):
        size += more
        filled_more(engine, more)
        partner = kept(engine)
        outcome = verified(engine, partner)
        assert (outcome.size, outcome.findings) == (size, ())
        assert outcome.root == partner.checkpoint.root
    assert outcome.agreeing == 11 + 1


def test_leaves_of_every_kind_are_whole(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        LEDGER.append(connection, of_every_kind(0))
    assert found(engine) == []


def test_a_changed_row_is_named(engine: sa.Engine) -> None:
    filled(engine, 11)
    partner = kept(engine)
    for place in range(11):
        change = "UPDATE sharing_leaves SET body = :body WHERE place = :place"
        tamper(engine, change, body=CHANGED, place=place)
        assert found(engine, partner) == [f"entry {place}: its bytes are not what was appended, or its hash is not"]
        tamper(engine, change, body=bodies(11)[place], place=place)
    assert found(engine, partner) == []


def test_a_changed_hash_is_named(engine: sa.Engine) -> None:
    filled(engine, 11)
    tamper(engine, "UPDATE sharing_leaves SET hash = :hash WHERE place = 6", hash=b"x" * 32)
    assert found(engine) == ["entry 6: its bytes are not what was appended, or its hash is not"]


def test_a_row_changed_together_with_its_hash_is_named_as_one_of_two(engine: sa.Engine) -> None:
    filled(engine, 11)
    partner = kept(engine)
    tamper(
        engine,
        "UPDATE sharing_leaves SET body = :body, hash = :hash, sealed = :sealed WHERE place = 6",
        body=CHANGED,
        hash=leaf_hash(CHANGED),
        sealed=told(999).sealed,
    )
    assert found(engine, partner) == ["entries 6 to 7: one or more are not what was appended"]


def test_a_receipt_says_which_of_the_two(engine: sa.Engine) -> None:
    filled(engine, 11)
    mine = receipt(engine, 6)
    tamper(
        engine,
        "UPDATE sharing_leaves SET body = :body, hash = :hash, sealed = :sealed WHERE place = 6",
        body=CHANGED,
        hash=leaf_hash(CHANGED),
        sealed=told(999).sealed,
    )
    assert found(engine, mine)[0] == "entry 6: not what the receipt of 6 is for"


def test_removed_rows_are_named(engine: sa.Engine) -> None:
    filled(engine, 11)
    tamper(engine, "DELETE FROM sharing_lookup", "DELETE FROM sharing_leaves WHERE place IN (0, 5, 10)")
    assert {f"entry {place}: is not there any more" for place in (0, 5, 10)} <= set(found(engine))


def test_a_removed_row_in_the_middle_says_nothing_against_the_others(engine: sa.Engine) -> None:
    filled(engine, 11)
    partner = kept(engine)
    tamper(engine, "DELETE FROM sharing_lookup", "DELETE FROM sharing_leaves WHERE place = 5")
    assert found(engine, partner) == ["entry 5: is not there any more"]


def test_two_rows_that_changed_places_are_both_named(engine: sa.Engine) -> None:
    filled(engine, 11)
    tamper(
        engine,
        "DELETE FROM sharing_lookup",
        "UPDATE sharing_leaves SET place = 100 WHERE place = 2",
        "UPDATE sharing_leaves SET place = 2 WHERE place = 9",
        "UPDATE sharing_leaves SET place = 9 WHERE place = 100",
    )
    assert found(engine) == [
        "entries 2 to 3: one or more are not what was appended",
        "entries 8 to 9: one or more are not what was appended",
    ]


def test_an_entry_that_is_looked_up_by_another_message_is_named(engine: sa.Engine) -> None:
    filled(engine, 3)
    tamper(engine, "UPDATE sharing_leaves SET sealed = :sealed WHERE place = 1", sealed=b"x" * 32)
    assert found(engine) == ["entry 1: it is looked up by another message's hash than its own"]


def test_rows_beyond_the_ledgers_end_are_named(engine: sa.Engine) -> None:
    filled(engine, 3)
    tamper(
        engine,
        "INSERT INTO sharing_leaves (place, hash, body) VALUES (7, :hash, :body)",
        "INSERT INTO sharing_nodes (level, place, hash) VALUES (1, 3, :hash)",
        hash=leaf_hash(CHANGED),
        body=CHANGED,
    )
    assert found(engine) == [
        "entries 6 to 7: a hash over entries that are not there",
        "entry 7: beyond the ledger's end: its head says 3 entries",
    ]


@pytest.mark.parametrize("statement", ["UPDATE sharing_nodes SET hash = :hash", "DELETE FROM sharing_nodes"])
def test_a_changed_or_removed_subtree_is_one_finding_at_its_entries(engine: sa.Engine, statement: str) -> None:
    filled(engine, 11)
    partner = kept(engine)
    tamper(engine, f"{statement} WHERE level = 2 AND place = 1", hash=b"x" * 32)
    [finding] = verified(engine, partner).findings
    assert (finding.first, finding.last) == (4, 7)


def test_a_cut_end_is_named_although_the_head_was_cut_too(engine: sa.Engine) -> None:
    filled(engine, 11)
    partner = kept(engine)
    cut = (
        "DELETE FROM sharing_lookup",
        "DELETE FROM sharing_leaves WHERE place >= 8",
        "DELETE FROM sharing_nodes WHERE (level = 1 AND place >= 4) OR (level = 2 AND place >= 2)",
    )
    tamper(engine, *cut)
    gone = [f"entry {place}: is not there any more" for place in (8, 9, 10)]
    assert set(gone) < set(found(engine))
    tamper(engine, "UPDATE sharing_head SET size = 8")
    which = "3 of these entries were removed, or more and others added; a kept receipt tells which"
    ours = f"entries 0 to 10: our own checkpoint of 11 entries was signed over 11 entries; the ledger has 8: {which}"
    assert found(engine) == [ours]
    tamper(engine, "DELETE FROM sharing_checkpoints")
    assert found(engine) == []
    theirs = f"entries 0 to 10: the partner's checkpoint was signed over 11 entries; the ledger has 8: {which}"
    assert found(engine, partner) == [theirs]


def test_a_tree_rewritten_and_signed_anew_fails_against_what_a_partner_kept(engine: sa.Engine) -> None:
    filled(engine, 5)
    earlier = kept(engine, "the checkpoint of Monday")
    with engine.begin() as connection:
        LEDGER.append(connection, [told(number) for number in range(5, 11)])
    later, mine = kept(engine, "the checkpoint of Friday"), receipt(engine, 7)
    rewritten(engine, [*bodies(7), CHANGED, *bodies(11)[8:]])
    assert TRUSTED.opened(signed(engine)).size == 11
    assert found(engine) == []
    assert verified(engine, earlier).findings == ()
    assert found(engine, earlier, later) == ["entries 5 to 10: not what was signed in the checkpoint of Friday"]
    assert found(engine, mine)[-1] == "entry 7: not what the receipt of 7 is for"


def test_a_tree_rewritten_without_one_entry_fails_against_the_receipt_for_it(engine: sa.Engine) -> None:
    filled(engine, 6)
    mine = receipt(engine, 5)
    rewritten(engine, bodies(5))
    signed(engine)
    which = "one of these entries was removed, or more and others added; a kept receipt tells which"
    assert found(engine, mine) == [
        f"entries 0 to 5: the receipt of 5 was signed over 6 entries; the ledger has 5: {which}",
        "entry 5: is not there any more; the receipt of 5 is for it",
    ]


def test_an_entry_removed_from_the_middle_is_among_those_after_the_last_checkpoint_that_agrees(
    engine: sa.Engine,
) -> None:
    filled(engine, 3)
    earlier = kept(engine, "the checkpoint of Monday")
    with engine.begin() as connection:
        LEDGER.append(connection, [told(number) for number in range(3, 8)])
    later, mine = kept(engine, "the checkpoint of Friday"), receipt(engine, 5)
    rewritten(engine, [*bodies(5), *bodies(8)[6:]])
    shorter = "was signed over 8 entries; the ledger has 7: one of these entries was removed, or more and others added"
    assert found(engine, later) == [f"entries 0 to 7: the checkpoint of Friday {shorter}; a kept receipt tells which"]
    assert found(engine, earlier, later) == [
        f"entries 3 to 7: the checkpoint of Friday {shorter}; a kept receipt tells which"
    ]
    assert "entry 5: not what the receipt of 5 is for" in found(engine, earlier, mine)


def test_where_what_is_left_agrees_the_end_alone_is_gone(engine: sa.Engine) -> None:
    filled(engine, 4)
    earlier = kept(engine, "the checkpoint of Monday")
    with engine.begin() as connection:
        LEDGER.append(connection, [told(4), told(5)])
    later = kept(engine, "the checkpoint of Friday")
    rewritten(engine, bodies(4))
    assert found(engine, earlier, later) == [
        "entries 4 to 5: the checkpoint of Friday was signed over 6 entries; the ledger has 4"
    ]


def test_a_stored_checkpoint_of_another_key_or_size_is_named(engine: sa.Engine) -> None:
    filled(engine, 4)
    stranger = Ledger(Signer([b"o" * 32], "store.example/ledger"))
    with engine.begin() as connection:
        note = stranger.checkpoint(connection, 1)
        root = LEDGER.root(connection, 4)
    assert found(engine) == ["entries 0 to 3: our own checkpoint of 4 entries is signed by nobody who is trusted"]
    assert note
    tamper(engine, "UPDATE sharing_checkpoints SET signed = :signed, size = 3", signed=SIGNER.sign(4, root))
    assert found(engine) == ["entries 0 to 2: our own checkpoint of 3 entries is one of 4"]


def test_an_answer_to_what_was_not_told_yet_is_named(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        LEDGER.append(connection, [told(0), *of_every_kind(4)[1:2]])
    assert found(engine) == ["entry 1: it is about an entry that was not there yet"]


@pytest.mark.parametrize("partner", ["agency", "acquirer"])
def test_an_answer_to_what_its_partner_was_not_told_is_named(engine: sa.Engine, partner: str) -> None:
    answered = of_every_kind(0)[1]
    with engine.begin() as connection:
        LEDGER.append(connection, [told(0, partner), answered, answered if partner == "agency" else told(3), answered])
    expected = {
        "agency": [f"entry {place}: it is about entry 0, which is no message to its partner" for place in (1, 2, 3)],
        "acquirer": [],
    }
    assert found(engine) == expected[partner]


def test_an_answer_to_a_changed_entry_is_not_held_against_the_answer(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        LEDGER.append(connection, of_every_kind(0))
    tamper(engine, "UPDATE sharing_leaves SET body = :body WHERE place = 0", body=CHANGED)
    assert found(engine) == ["entry 0: its bytes are not what was appended, or its hash is not"]


def test_a_tree_rewritten_by_who_cannot_sign_fails_against_our_own_checkpoints(engine: sa.Engine) -> None:
    for count in (3, 5, 3):
        filled_more(engine, count)
        signed(engine)
    with engine.begin() as connection:
        ours = [row._asdict() for row in connection.execute(sa.select(tables.checkpoints))]
    rewritten(engine, [*bodies(4), CHANGED, *bodies(11)[5:]])
    with engine.begin() as connection:
        connection.execute(sa.insert(tables.checkpoints), ours)
    assert found(engine) == [
        "entries 3 to 7: not what was signed in our own checkpoint of 8 entries",
        "entries 3 to 10: not what was signed in our own checkpoint of 11 entries",
    ]


def filled_more(engine: sa.Engine, count: int) -> None:
    with engine.begin() as connection:
        size = LEDGER.size(connection)
        LEDGER.append(connection, [told(number) for number in range(size, size + count)])


def test_many_findings_are_counted_and_the_first_hundred_told(engine: sa.Engine) -> None:
    filled(engine, 300)
    tamper(engine, "UPDATE sharing_leaves SET body = :body", body=CHANGED)
    outcome = verified(engine)
    assert (outcome.found, len(outcome.findings)) == (300, 100)
    assert outcome.findings[0] == Finding(0, 0, "its bytes are not what was appended, or its hash is not")


def test_a_ledger_of_several_pages_is_verified_and_told_of_as_it_goes(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "PAGE", 16)
    filled(engine, 37)
    tamper(engine, "UPDATE sharing_leaves SET body = :body WHERE place = 16", body=CHANGED)
    tamper(engine, "UPDATE sharing_nodes SET hash = :hash WHERE level = 5", hash=b"x" * 32)
    passed: list[int] = []
    with snapshot(engine) as connection:
        outcome = verify(connection, TRUSTED, (), passed.append)
    assert passed == [16, 16, 5]
    assert [(finding.first, finding.last) for finding in outcome.findings] == [(0, 31), (16, 16)]


def test_verifying_sees_one_state_while_others_append(engine: sa.Engine) -> None:
    filled(engine, 5)
    signed(engine)
    with snapshot(engine) as connection:
        assert LEDGER.size(connection) == 5
        with engine.begin() as other:
            LEDGER.append(other, [told(5)])
        signed(engine)
        assert verify(connection, TRUSTED) == Verification(5, LEDGER.root(connection, 5), 1, 0, ())
    assert verified(engine).size == 6
