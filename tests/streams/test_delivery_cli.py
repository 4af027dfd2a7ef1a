"""`amana delivery`: what a person sees of deliveries, and does about them."""

from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from history.database import make_engine, migrate
from sharing import tables
from sharing.contracts import FOLDER, PartnerName
from sharing.database import LOCK, MIGRATIONS
from sharing.delivery import allowances, outbox, registrations
from sharing.delivery.limits import Limits
from sharing.delivery.streams import POLL, Kept, Stream
from sharing.tables import notices
from streams.cli import main
from streams.options import PARTNER_NAME
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


SHIPPED = "acquirer, carrier, fellow-merchant, law-enforcement, successor, verification-agency"
ABOUT_ONE = [("pause", "--actor", "sara"), ("resume",), ("limit", "--per-day", "5"), ("limit",), ("dead", "--partner")]


@pytest.mark.parametrize("command", ABOUT_ONE, ids=" ".join)
def test_a_typing_mistake_is_no_partner(desk: Desk, command: tuple[str, ...]) -> None:
    said = desk.run(*command, "aquirer", code=2).splitlines()[-1]
    assert said == (
        "Error: Invalid value for partner: aquirer is in no contract, and nothing was ever told to it; did you mean"
        f" acquirer? Expected one of: {SHIPPED}"
    )
    said = desk.run(*command, "zzz", code=2).splitlines()[-1]
    assert said == (
        "Error: Invalid value for partner: zzz is in no contract, and nothing was ever told to it."
        f" Expected one of: {SHIPPED}"
    )
    with desk.engine.connect() as connection:
        assert allowances.paused(connection) == {}
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.allowances)) == 0


@pytest.mark.parametrize("command", ABOUT_ONE, ids=" ".join)
@pytest.mark.parametrize("name", ["", "Acquirer", "acquirer ", "-acquirer", "a" * 33, "a\n", "\udcff", "نورة"])
def test_what_no_contract_can_name_is_no_partner(desk: Desk, command: tuple[str, ...], name: str) -> None:
    given = (*command, name) if command[-1] == "--partner" else (*command, "--", name)
    result = CliRunner(env={"AMANA_DATABASE": desk.url}).invoke(main, ["delivery", *given])
    asked = "'--partner'" if command[-1] == "--partner" else "'PARTNER'"
    assert (result.exit_code, result.output.splitlines()[-1]) == (
        2,
        f"Error: Invalid value for {asked}: expected a partner's name: lower-case letters, digits and -, at most 32",
    )


@pytest.mark.parametrize("name", ["a", "a-9", "a" * 32, "Acquirer", "a" * 33, "a\n", "9a", "", "a_b"])
def test_a_partners_name_here_is_one_in_contracts(name: str) -> None:
    by_type = CliRunner().invoke(click.Command("x", params=[click.Argument(["n"], type=PARTNER_NAME)]), ["--", name])
    try:
        msgspec.convert(name, PartnerName)
    except msgspec.ValidationError:
        assert by_type.exit_code == 2
    else:
        assert by_type.exit_code == 0


def test_a_partner_whose_contract_is_gone_is_known_by_what_it_was_told(desk: Desk) -> None:
    desk.desktop.tell(1, partner="gone")
    with desk.engine.begin() as connection:
        connection.execute(sa.delete(tables.outbox))
    assert desk.run("pause", "gone", "--actor", "sara") == "gone: paused; urgent messages go on\n"
    assert desk.run("resume", "gone") == "gone: resumed\n"
    assert desk.run("limit", "gone", "--per-day", "5") == "gone: 5 a day\n"
    assert desk.run("dead", "--partner", "gone") == ""
    assert "; did you mean gone? Expected one of: acquirer, carrier, fellow-merchant, gone, " in desk.run(
        "pause", "gone-", "--actor", "sara", code=2
    )


def test_a_partner_is_known_by_what_waits_for_it_or_by_a_stream_of_its_own(desk: Desk) -> None:
    desk.desktop.tell(1, partner="waited-for")
    with desk.engine.begin() as connection:
        connection.execute(sa.delete(tables.disclosures))
        registrations.add(connection, Stream("s" * 22, "streaming", Kept(POLL)))
    assert desk.run("pause", "waited-for", "--actor", "sara") == "waited-for: paused; urgent messages go on\n"
    assert desk.run("pause", "streaming", "--actor", "sara") == "streaming: paused; urgent messages go on\n"


def test_a_partner_of_the_stores_own_contracts_is_known_although_another_cannot_be_read(
    desk: Desk, tmp_path: Path
) -> None:
    folder = tmp_path / "contracts"
    folder.mkdir()
    (folder / "a.yaml").write_text("nothing that could be read")
    shipped = (FOLDER / "carrier.yaml").read_text(encoding="utf-8")
    (folder / "ours.yaml").write_text(shipped.replace("partner: carrier", "partner: ours"), encoding="utf-8")
    own = ("--contracts", str(folder))
    assert desk.run("pause", "ours", "--actor", "sara", *own) == "ours: paused; urgent messages go on\n"
    assert desk.run("pause", "acquirer", "--actor", "sara", *own, code=2).endswith(" Expected one of: ours\n")


def test_what_was_paused_by_mistake_before_is_resumed_and_not_paused_again(desk: Desk) -> None:
    with desk.engine.begin() as connection:
        allowances.pause(connection, "aquirer", "sara", 0)
        allowances.pause(connection, "", "sara", 0)
    assert desk.run("pause", "aquirer", "--actor", "sara", code=2).endswith(f"Expected one of: {SHIPPED}\n")
    assert desk.run("resume", "aquirer") == "aquirer: resumed\n"
    assert desk.run("resume", "aquirer", code=2).endswith(f"Expected one of: {SHIPPED}\n")


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
