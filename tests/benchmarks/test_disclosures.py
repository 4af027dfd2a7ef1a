"""What the recorder leaves in the tables, and that a table which does not agree with the ledger would be noticed."""

import random
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks.disclosures import Made, Recorder, disagreements, generated, opened, receipts_verified
from sharing import tables
from tests.sharing.watching import canaries_in


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[sa.Engine, list[Made]]:
    engine = opened(tmp_path / "told.db")
    recorder = Recorder(engine, random.Random(1))
    made = recorder.seal(recorder.project(generated(1, 30)))
    recorder.record(made)
    return engine, made


def _bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("told.db*")))


def test_no_canary_is_in_any_table_dead_letters_included(
    recorded: tuple[sa.Engine, list[Made]], tmp_path: Path
) -> None:
    engine, made = recorded
    with engine.begin() as connection:
        connection.execute(sa.update(tables.outbox).values(dead="undeliverable"))
    engine.dispose()
    assert canaries_in(_bytes(tmp_path)) == []
    assert any(canaries_in(each.payload) for each in made)  # the partner's own id is in what was sealed


def test_a_dead_letter_in_clear_would_be_found(recorded: tuple[sa.Engine, list[Made]], tmp_path: Path) -> None:
    engine, made = recorded
    with engine.begin() as connection:
        connection.execute(sa.update(tables.outbox).values(sealed=b"".join(each.payload for each in made)))
    engine.dispose()
    assert canaries_in(_bytes(tmp_path))


def test_a_message_that_is_not_on_the_ledger_and_a_lost_one_are_counted(
    recorded: tuple[sa.Engine, list[Made]],
) -> None:
    engine, made = recorded
    assert disagreements(engine) == {"messages": 30, "unledgered": 0, "lost": 0}
    with engine.begin() as connection:
        connection.execute(sa.delete(tables.outbox).where(tables.outbox.c.jti == made[0].jti))
        connection.execute(sa.update(tables.outbox).where(tables.outbox.c.jti == made[1].jti).values(sealed=b"another"))
    engine.dispose()
    assert disagreements(engine) == {"messages": 29, "unledgered": 1, "lost": 3}


def test_receipts_are_verified_by_the_auditors_file(tmp_path: Path) -> None:
    assert receipts_verified(generated(2, 5), tmp_path) == 1.0
