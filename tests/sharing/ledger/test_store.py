import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from sharing import tables
from sharing.errors import LedgerBroken, LedgerError
from sharing.ledger.leaves import Disclosed, hash_of, leaf_of
from sharing.ledger.store import Ledger, snapshot
from sharing.ledger.tree import EMPTY_ROOT, consistent, folded, grown, included, leaf_hash
from sharing.ledger.verification import verify
from tests.sharing.ledger.made import LEDGER, SALT, SIGNER, TRUSTED, bodies, filled, of_every_kind, signed, told

ROOT = Path(__file__).parents[3]


def root_of(leaf_bodies: list[bytes]) -> bytes:
    hashes = [leaf_hash(body) for body in leaf_bodies]
    return folded((0, len(hashes)), {(0, p): h for p, h in enumerate(hashes)} | dict(grown(0, {}, hashes)))


def test_an_empty_ledger_has_the_empty_root_a_checkpoint_and_no_proofs(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        assert LEDGER.size(connection) == 0
        assert LEDGER.root(connection, 0) == EMPTY_ROOT
        assert TRUSTED.opened(LEDGER.checkpoint(connection, 1)).root == EMPTY_ROOT
        assert LEDGER.append(connection, []) == []
        with pytest.raises(LedgerError, match="expected a place below 0, not 0"):
            LEDGER.inclusion(connection, 0, 0)
        with pytest.raises(LedgerError, match="the ledger has no entry 0"):
            LEDGER.body(connection, 0)


def test_leaves_get_the_places_after_the_last_and_read_as_they_were(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        assert LEDGER.append(connection, of_every_kind(0)) == [0, 1, 2, 3]
        assert LEDGER.append(connection, [told(4)]) == [4]
    with engine.begin() as connection:
        assert [LEDGER.leaf(connection, place) for place in range(5)] == [*of_every_kind(0), told(4)]


@pytest.mark.parametrize("steps", [[1] * 9, [3, 1, 4, 1, 5], [8, 8, 1]])
def test_the_tree_is_the_same_however_it_was_appended(engine: sa.Engine, steps: list[int]) -> None:
    total = sum(steps)
    for at, count in enumerate(steps):
        with engine.begin() as connection:
            before = sum(steps[:at])
            LEDGER.append(connection, [told(number) for number in range(before, before + count)])
    with engine.connect() as connection:
        root = LEDGER.root(connection, total)
        assert root == root_of(bodies(total))
        for place in range(total):
            proof = LEDGER.inclusion(connection, place, total)
            assert included(place, total, leaf_hash(bodies(total)[place]), proof, root)
        for old in range(total + 1):
            proof = LEDGER.consistency(connection, old, total)
            assert consistent(old, total, root_of(bodies(old)), root, proof)


def test_proofs_may_be_of_any_earlier_size_and_of_no_later_one(engine: sa.Engine) -> None:
    filled(engine, 9)
    with engine.connect() as connection:
        proof = LEDGER.inclusion(connection, 2, 5)
        assert included(2, 5, leaf_hash(bodies(9)[2]), proof, root_of(bodies(5)))
        assert LEDGER.consistency(connection, 9, 9) == []
        with pytest.raises(LedgerError, match="expected a size of at most 9, not 10"):
            LEDGER.consistency(connection, 10, 9)
        with pytest.raises(LedgerBroken, match="the ledger has no hash of entries 8 to 9"):
            LEDGER.root(connection, 10)


def test_what_is_rolled_back_was_never_there(engine: sa.Engine) -> None:
    filled(engine, 3)
    with engine.connect() as connection:
        assert LEDGER.append(connection, [told(3), told(4)]) == [3, 4]
        connection.rollback()
    with engine.begin() as connection:
        assert LEDGER.append(connection, [told(5)]) == [3]
        assert LEDGER.root(connection, 4) == root_of([*bodies(3), bodies(6)[5]])


def test_an_ill_formed_leaf_takes_no_place(engine: sa.Engine) -> None:
    bad = Disclosed(at_ms=1, partner="acquirer", contract=b"short", sealed=b"s" * 32, commitment=b"c" * 32)
    with engine.begin() as connection:
        with pytest.raises(LedgerError, match="ill-formed at contract"):
            LEDGER.append(connection, [told(0), bad])
        assert LEDGER.size(connection) == 0


def test_a_sealed_message_has_one_leaf_and_no_second(engine: sa.Engine) -> None:
    filled(engine, 1)
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        LEDGER.append(connection, [told(0)])
    with engine.begin() as connection:
        assert LEDGER.append(connection, [told(1)]) == [1]


def test_a_message_is_held_only_if_the_tree_includes_its_leaf(engine: sa.Engine) -> None:
    filled(engine, 6)
    message = hash_of(b"sealed 4")
    with engine.begin() as connection:
        assert LEDGER.place_of(connection, message) == 4
        assert LEDGER.holds(connection, message)
        assert not LEDGER.holds(connection, hash_of(b"never told"))


@pytest.mark.parametrize(
    "put",
    [
        "INSERT INTO sharing_leaves (place, hash, body, sealed) VALUES (6, :hash, :body, :sealed)",
        "UPDATE sharing_leaves SET sealed = :sealed WHERE place = 4",
        "UPDATE sharing_leaves SET sealed = :sealed, body = :sealed WHERE place = 4",
        "UPDATE sharing_leaves SET sealed = :sealed, body = :body, hash = :hash WHERE place = 4",
    ],
    ids=["a row put in", "another's leaf", "no leaf at all", "a leaf rewritten"],
)
def test_a_message_that_somebody_wrote_into_the_table_is_not_held(engine: sa.Engine, put: str) -> None:
    filled(engine, 6)
    body = bodies(8)[7]
    forged = {"sealed": hash_of(b"sealed 7"), "body": body, "hash": leaf_hash(body)}
    with engine.begin() as connection:
        statement = sa.text(put)
        connection.execute(statement, {name: forged[name] for name in statement.compile().params})
    with engine.begin() as connection:
        assert not LEDGER.holds(connection, hash_of(b"sealed 7"))


def test_a_checkpoint_is_made_once_for_a_size_and_says_what_the_tree_is(engine: sa.Engine) -> None:
    filled(engine, 5)
    first = signed(engine, now_ms=10)
    assert TRUSTED.opened(first).root == root_of(bodies(5))
    assert signed(engine, now_ms=20) == first
    with engine.begin() as connection:
        kept = connection.execute(sa.select(tables.checkpoints)).one()
    assert (kept.size, bytes(kept.signed), kept.made_at_ms) == (5, first, 10)


def test_no_checkpoint_is_signed_over_leaves_that_may_still_be_rolled_back(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        LEDGER.append(connection, [told(0)])
        with pytest.raises(LedgerError, match="after what was appended is committed"):
            LEDGER.checkpoint(connection, 1)
    assert TRUSTED.opened(signed(engine)).size == 1
    with engine.connect() as connection:
        LEDGER.append(connection, [told(1)])
        connection.rollback()
        assert TRUSTED.opened(LEDGER.checkpoint(connection, 1)).size == 1


def test_no_checkpoint_is_signed_over_a_tree_that_is_not_the_one_signed_before(engine: sa.Engine) -> None:
    filled(engine, 4)
    signed(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE sharing_nodes SET hash = :hash WHERE level = 2"), {"hash": b"x" * 32})
        LEDGER.append(connection, [told(4)])
    with pytest.raises(LedgerBroken, match="not as it was signed at 4 entries: nothing is signed"):
        signed(engine)


def test_a_ledger_without_a_key_appends_and_signs_nothing(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        assert Ledger().append(connection, [told(0)]) == [0]
    with engine.begin() as connection, pytest.raises(LedgerError, match="needs the ledger's key"):
        Ledger().checkpoint(connection, 1)


@pytest.mark.parametrize(("table", "why"), [("nodes", "no hash of entries"), ("head", "head is missing")])
def test_nothing_is_appended_where_the_trees_edge_is_gone(engine: sa.Engine, table: str, why: str) -> None:
    filled(engine, 7)
    with engine.begin() as connection:
        connection.execute(sa.text(f"DELETE FROM sharing_{table}"))
    with pytest.raises(LedgerBroken, match=why), engine.begin() as connection:
        LEDGER.append(connection, [told(7)])


def test_an_erased_case_is_opened_by_nothing_and_the_tree_stays_whole(engine: sa.Engine) -> None:
    filled(engine, 8)
    before = signed(engine)
    with engine.begin() as connection:
        assert LEDGER.opening(connection, 3) == {"case_id": "case-3", "jti": "jti-3", "salt": SALT}
        assert LEDGER.places(connection, jti="jti-3") == [3]
        assert LEDGER.forget(connection, "case-3") == 1
        assert LEDGER.forget(connection, "case-3") == 0
    with engine.begin() as connection:
        assert LEDGER.opening(connection, 3) is None
        assert LEDGER.places(connection, jti="jti-3") == []
        assert leaf_of(LEDGER.body(connection, 3)) == told(3)
        proof = LEDGER.inclusion(connection, 3, 8)
        assert included(3, 8, leaf_hash(bodies(8)[3]), proof, TRUSTED.opened(before).root)
    assert signed(engine) == before
    with snapshot(engine) as connection:
        assert verify(connection, TRUSTED).found == 0
    with engine.connect() as connection:
        kept = [bytes(value) for row in connection.execute(sa.select(tables.lookup)) for value in row if value == SALT]
    assert len(kept) == 7


def test_threads_that_append_at_once_each_get_places_of_their_own(engine: sa.Engine) -> None:
    def append(worker: int) -> list[int]:
        places = []
        for number in range(10):
            with engine.begin() as connection:
                places += LEDGER.append(connection, [told(1000 * worker + number, f"partner{worker}")])
        return places

    with ThreadPoolExecutor(4) as pool:
        places = [place for each in pool.map(append, range(4)) for place in each]
    assert sorted(places) == list(range(40))
    with snapshot(engine) as connection:
        assert verify(connection, TRUSTED).found == 0


_APPENDS = """
import sys
from history.database import make_engine
from tests.sharing.ledger.made import LEDGER, told
engine = make_engine(sys.argv[1])
for number in range(int(sys.argv[3])):
    with engine.begin() as connection:
        LEDGER.append(connection, [told(int(sys.argv[2]) * 1000 + number * 3 + each) for each in range(1 + number % 3)])
"""
_STOPS = """
import sys, time
from history.database import make_engine
from tests.sharing.ledger.made import LEDGER, told
connection = make_engine(sys.argv[1]).connect()
print(LEDGER.append(connection, [told(100), told(101)]), flush=True)
time.sleep(60)
"""


def started(program: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_processes_that_append_at_once_make_one_tree(engine: sa.Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    processes = [started(_APPENDS, url, str(worker), "12") for worker in range(3)]
    assert [process.wait(timeout=100) for process in processes] == [0, 0, 0]
    for process in processes:
        process.stdout.close()  # type: ignore[union-attr]
    with snapshot(engine) as connection:
        found = verify(connection, TRUSTED)
    assert (found.size, found.found) == (3 * 24, 0)


def test_a_process_killed_between_append_and_commit_leaves_no_trace(engine: sa.Engine) -> None:
    filled(engine, 5)
    before = signed(engine)
    with started(_STOPS, engine.url.render_as_string(hide_password=False)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "[5, 6]\n"
        os.kill(process.pid, signal.SIGKILL)
    with engine.begin() as connection:
        assert LEDGER.append(connection, [told(5)]) == [5]
    with snapshot(engine) as connection:
        found = verify(connection, SIGNER.trusted())
    assert (found.size, found.found, found.agreeing) == (6, 0, 1)
    assert found.root == root_of(bodies(6))
    assert TRUSTED.opened(before).root == root_of(bodies(5))
