"""`amana delivery`: what a person sees of deliveries, and does about them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from history.database import make_engine, migrate
from sharing.database import LOCK, MIGRATIONS
from sharing.delivery import allowances, outbox, registrations
from sharing.delivery.limits import Limits
from sharing.delivery.streams import POLL, Kept, Stream
from sharing.tables import notices
from streams.cli import main
from tests.sharing.delivery.fakes import Desktop, jti


class Desk:
    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/amana.db"
        self.engine = make_engine(self.url)
        migrate(self.engine, MIGRATIONS, LOCK)
        self.desktop = Desktop(self.engine)

    def run(self, *words: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, ["delivery", *words, "--database", self.url])
        assert result.exit_code == code, result.output
        return result.output


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.engine.dispose()


def test_a_partner_is_paused_by_somebody_and_resumed(desk: Desk) -> None:
    assert desk.run("pause", "acquirer", "--actor", "sara") == "acquirer: paused; urgent messages go on\n"
    assert desk.run("pause", "acquirer", "--actor", "omar").startswith("acquirer: was paused already")
    (held,) = [line.split() for line in desk.run("status").splitlines() if "sara" in line]
    assert held[1] == "acquirer"
    assert desk.run("resume", "acquirer") == "acquirer: resumed\n"
    assert desk.run("resume", "acquirer") == "acquirer: was not paused\n"


def test_a_streams_receiver_is_told_of_a_pause(desk: Desk) -> None:
    with desk.engine.begin() as connection:
        registrations.add(connection, Stream("s" * 22, "acquirer", Kept(POLL)))
    desk.run("pause", "acquirer", "--actor", "sara")
    desk.run("pause", "acquirer", "--actor", "sara")
    desk.run("resume", "acquirer")
    with desk.engine.connect() as connection:
        told = list(connection.execute(sa.select(notices.c.partner, notices.c.payload).order_by(notices.c.place)))
    assert told == [("acquirer", b'{"status":"paused"}'), ("acquirer", b'{"status":"enabled"}')]


def test_a_partner_has_limits_of_its_own_until_it_has_none(desk: Desk) -> None:
    assert (
        desk.run("limit", "acquirer", "--per-minute", "60", "--per-day", "500") == "acquirer: 60 a minute, 500 a day\n"
    )
    with desk.engine.connect() as connection:
        assert allowances.limits_of(connection, "acquirer", Limits()) == Limits(60, 500)
    assert desk.run("limit", "acquirer") == "acquirer: the limits of the deliverer\n"
    with desk.engine.connect() as connection:
        assert allowances.limits_of(connection, "acquirer", Limits()) == Limits()


def test_the_status_counts_what_waits_and_how_far_it_is(desk: Desk) -> None:
    desk.desktop.tell(1)
    desk.desktop.tell(2)
    shown = [line.split() for line in desk.run("status").splitlines() if "acquirer" in line]
    assert [[word for word in line if word not in {"│", "┃"}] for line in shown] == [
        ["acquirer", "2", "0", "0"], ["acquirer", "pending", "2"],
    ]  # fmt: skip


def test_a_dead_letter_is_listed_by_its_id_and_sent_again(desk: Desk) -> None:
    desk.desktop.tell(1)
    with desk.engine.begin() as connection:
        outbox.bury(connection, [jti(1)], outbox.GAVE_UP)
    listed = desk.run("dead", "--partner", "acquirer")
    assert listed.startswith(f"{jti(1)}  acquirer  gave_up  0 attempts  made ")
    assert "sealed" not in listed
    assert desk.run("retry", jti(1)) == f"{jti(1)}: is sent again\n"
    assert desk.run("dead") == ""
    assert "no dead letter by that id" in desk.run("retry", jti(1), code=1)
