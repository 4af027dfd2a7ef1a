import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import msgspec
import pytest
from click.testing import CliRunner, Result

from events.errors import AmanaError
from events.types import OrderPlaced
from history.database import make_engine
from history.pages import Page
from review import cli
from review.cases import Case
from review.database import upgrade
from review.opener import Known, Vault, open_case
from review.store import CaseStore, SubjectKeyTable
from tests.review.examples import NOW_MS, decision, vault
from tests.sharing.orders import ORDER
from vault.keyring import Keyring

HOSTILE = msgspec.structs.replace(
    ORDER,
    user_agent="\x1b]0;owned\x07[red]Mozilla[/red]",
    items=(msgspec.structs.replace(ORDER.items[0], title="\u202ejar.exe\x1b[2J"),),
)
PERSONAL = ("Noura", "نورة", "noura", "4567", "King", "Corniche", "21577", "113.77")


@pytest.fixture
def database(database_url: str, keyring_path: Path) -> str:
    engine = make_engine(database_url)
    upgrade(engine)
    pieces = vault(Keyring.load(keyring_path), SubjectKeyTable(engine))
    other = msgspec.structs.replace(ORDER, order_id="ord-2")
    CaseStore(engine).take_in_all(
        [
            open_case(decision(), HOSTILE, pieces, NOW_MS),
            open_case(decision(18, order_id="ord-2", outcome="review"), other, pieces, NOW_MS + 1),
            open_case(decision(19, order_id="ord-3", mode="refused", amount_minor=None), None, pieces, NOW_MS + 2),
        ]
    )
    engine.dispose()
    return database_url


@pytest.fixture
def run(database: str, keyring_path: Path):  # type: ignore[no-untyped-def]
    def run(*arguments: str, **environment: str) -> Result:
        variables = {"AMANA_DATABASE": database, "AMANA_KEYRING": str(keyring_path), "COLUMNS": "200"} | environment
        return CliRunner().invoke(cli.cases, arguments, env=variables)

    return run


def _take_in(database: str, keyring_path: Path, opened: Callable[[OrderPlaced, Vault], Case]) -> None:
    """One more case, of ord-4."""
    engine = make_engine(database)
    pieces = vault(Keyring.load(keyring_path), SubjectKeyTable(engine))
    CaseStore(engine).take_in(opened(msgspec.structs.replace(ORDER, order_id="ord-4"), pieces))
    engine.dispose()


def _rows(table: str, field: str, count: int) -> list[str]:
    """The lines of a field of many lines."""
    lines = table.splitlines()
    first = next(n for n, line in enumerate(lines) if line.strip("│ ").startswith(field))
    return lines[first : first + count]


def _decide(order: str, *more: str, reason: str = "card tested") -> tuple[str, ...]:
    return ("decide", order, "--reason", reason, "--actor", "noura", *more)


def test_the_list_shows_open_cases_newest_first(run) -> None:  # type: ignore[no-untyped-def]
    result = run("list", "--json")
    assert result.exit_code == 0
    assert [row["order_id"] for row in json.loads(result.output)] == ["ord-3", "ord-2", "ord-1"]
    table = run("list").output
    assert table.index("ord-3") < table.index("ord-2") < table.index("ord-1")
    assert "1299.50 SAR" in table
    assert "card.velocity" in table


def test_on_a_narrow_terminal_no_id_and_no_reason_is_cut_short(run) -> None:  # type: ignore[no-untyped-def]
    table = run("list", COLUMNS="60").output
    assert [order for order in ("ord-1", "ord-2", "ord-3") if order in table] == ["ord-1", "ord-2", "ord-3"]
    assert "…" not in table.partition("opened")[2]


def test_a_case_is_shown_masked(run) -> None:  # type: ignore[no-untyped-def]
    shown = json.loads(run("show", "ord-1", "--json").output)
    assert shown["customer"] == {
        "name": "ن•••",
        "email": "n•••@example.com",
        "phone": "•••67",
        "billing": "Riyadh, SA",
        "shipping": "Jeddah, SA",
        "ip": "203.0.113.0/24",
        "user_agent": "\\u{1b}]0;owned\\u{7}[red]Mozilla[/red]",
        "items": ["2 x \\u{202e}jar.exe\\u{1b}[2J"],
    }
    for output in (run("show", "ord-1").output, run("show", "ord-1", "--json").output):
        assert not [word for word in PERSONAL if word in output]


def test_a_case_says_why_in_english_and_in_arabic(run) -> None:  # type: ignore[no-untyped-def]
    shown = json.loads(run("show", "ord-1", "--json").output)
    assert shown["reasons"] == ["card.velocity", "customer.age"]
    assert shown["why"] == [
        "Number and pace of orders of this card (card.orders.count.1h = 7)",
        "How long this customer has been known",
    ]
    assert shown["why_ar"] == [
        "عدد الطلبات ووتيرتها لهذه البطاقة (card.orders.count.1h = 7)",
        "مدة معرفتنا بهذا العميل",
    ]


def test_escapes_bidi_marks_and_markup_of_customers_do_not_reach_the_terminal(run) -> None:  # type: ignore[no-untyped-def]
    output = run("show", "topic:0:17").output
    assert "[red]Mozilla[/red]" in output
    assert not set(output) & {"\x1b", "\x07", "\u202e"}


def test_a_case_without_its_order_says_why(run) -> None:  # type: ignore[no-untyped-def]
    shown = json.loads(run("show", "ord-3", "--json").output)
    assert shown["withheld"] == "refused"
    assert "customer" not in shown


def test_a_case_shows_the_path_of_its_session_in_order(run, database: str, keyring_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = (
        Page(1_000, "/", 200, 3_000),
        Page(4_200, "/product/:id", 404),
        Page(4_200, "/cart"),
        Page(64_250, "/checkout", 200, 9),
    )
    lines = ["/ 200", "/product/:id +3.2 s 404", "/cart +0.0 s", "/checkout +60.0 s 200"]
    _take_in(
        database,
        keyring_path,
        lambda order, pieces: open_case(decision(20, order_id="ord-4"), order, pieces, 0, Known(path)),
    )
    assert json.loads(run("show", "ord-4", "--json").output)["path"] == lines
    assert [
        line.strip("│ ").removeprefix("path").strip("│ ") for line in _rows(run("show", "ord-4").output, "path", 4)
    ] == lines


def test_a_case_without_a_path_says_why(run, database: str, keyring_path: Path) -> None:  # type: ignore[no-untyped-def]
    _take_in(
        database,
        keyring_path,
        lambda order, pieces: open_case(decision(20, order_id="ord-4"), order, pieces, 0, Known(())),
    )
    shown = [json.loads(run("show", order, "--json").output).get("path") for order in ("ord-1", "ord-4", "ord-3")]
    assert shown == [
        "none: the order named no session (cookies refused)",
        "none: no page of the session was known when the case opened",
        None,
    ]


def test_a_case_that_was_opened_before_paths_were_kept_is_shown_without_one(
    run,
    database: str,
    keyring_path: Path,  # type: ignore[no-untyped-def]
) -> None:
    def older(order: OrderPlaced, pieces: Vault) -> Case:
        case = open_case(decision(20, order_id="ord-4"), order, pieces, 0)
        body = msgspec.json.encode({"contact": order.contact, "ip": order.ip})
        return msgspec.structs.replace(case, envelope=pieces.envelopes.seal(case.subject, "ord-4", "order", body))

    _take_in(database, keyring_path, older)
    shown = json.loads(run("show", "ord-4", "--json").output)
    assert shown["customer"] == {
        "name": "ن•••", "email": "n•••@example.com", "phone": "•••67", "ip": "203.0.113.0/24"
    }  # fmt: skip
    assert "path" not in shown


def test_an_erased_customer_is_shown_as_erased(run, database: str) -> None:  # type: ignore[no-untyped-def]
    engine = make_engine(database)
    SubjectKeyTable(engine).delete(CaseStore(engine).get("ord-1").subject)
    engine.dispose()
    shown = json.loads(run("show", "ord-1", "--json").output)
    assert shown["withheld"] == "erased"
    assert not {"customer", "path"} & set(shown)


def test_a_verdict_appends_its_label_to_the_file(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    labels = tmp_path / "labels.jsonl"
    result = run(*_decide("ord-1", "--fraud", "--labels-file", str(labels)))
    assert (result.exit_code, result.output) == (0, "order ord-1: confirm_fraud\n")
    run(*_decide("ord-2", "--genuine", "--labels-file", str(labels)))
    written = [json.loads(line) for line in labels.read_text().splitlines()]
    assert [(each["type"], each["order_id"]) for each in written] == [
        ("FraudConfirmed", "ord-1"),
        ("FraudDismissed", "ord-2"),
    ]
    shown = json.loads(run("show", "ord-1", "--json").output)
    assert (shown["status"], shown["verdict"], shown["decided_by"]) == ("decided", "confirm_fraud", "noura")
    assert shown["reason"] == "card tested"
    assert not [path for path in tmp_path.glob("amana.db*") if b"card tested" in path.read_bytes()]


class Broker:
    """A publisher that keeps what it is given, or is down."""

    def __init__(self) -> None:
        self.up = True
        self.events: list[object] = []
        self.records: list[tuple[str, bytes]] = []

    def __call__(self, _: str) -> "Broker":
        return self

    def __enter__(self) -> Self:
        return self

    def publish_records(self, topic: str, records: list[tuple[bytes, bytes]]) -> None:
        self.records += [(topic, key) for key, _ in records]

    def __exit__(self, *_: object) -> None:
        pass

    def publish_many(self, events: Sequence[object]) -> None:
        if not self.up:
            raise AmanaError("no broker at 127.0.0.1:9092")
        self.events += events


def test_what_could_not_be_published_leaves_with_the_next_verdict(run, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    broker = Broker()
    monkeypatch.setattr(cli, "Publisher", broker)
    broker.up = False
    failed = run(*_decide("ord-1", "--fraud", "--brokers", "127.0.0.1:9092"))
    assert failed.exit_code == 1
    assert failed.stderr == "Error: decided; 1 labels wait for the next decision: no broker at 127.0.0.1:9092\n"
    broker.up = True
    assert run(*_decide("ord-2", "--genuine"), AMANA_BROKERS="127.0.0.1:9092").exit_code == 0
    assert [event.order_id for event in broker.events] == ["ord-1", "ord-2"]  # type: ignore[attr-defined]


def test_a_labels_file_wins_over_brokers_from_the_environment(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    labels = tmp_path / "labels.jsonl"
    result = run(*_decide("ord-1", "--fraud", "--labels-file", str(labels)), AMANA_BROKERS="127.0.0.1:1")
    assert result.exit_code == 0
    assert labels.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (_decide("ord-1", "--fraud"), 2, "give exactly one of --brokers and --labels-file"),
        (
            _decide("ord-1", "--fraud", "--labels-file", "x", "--brokers", "127.0.0.1:9092"),
            2,
            "exactly one of --brokers and",
        ),
        (_decide("ord-1", "--labels-file", "x"), 2, "give exactly one of --fraud and --genuine"),
        (_decide("ord-1", "--fraud", "--labels-file", "x", reason=" "), 2, "expected 3 to 1000 characters"),
        (
            _decide("ord-1", "--fraud", "--labels-file", "x", reason="card 4111 1111 1111 1111"),
            2,
            "without a card number",
        ),
        (_decide("ord-9", "--fraud", "--labels-file", "x"), 1, "Error: no case by that id"),
        (("show", "ord-9"), 1, "Error: no case by that id"),
    ],
)
def test_what_cannot_be_done_is_stated(run, arguments: tuple[str, ...], code: int, expected: str) -> None:  # type: ignore[no-untyped-def]
    result = run(*arguments)
    assert result.exit_code == code
    assert expected in result.stderr
    assert "4111" not in result.stderr


def test_a_second_verdict_is_refused_with_one_line(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    arguments = _decide("ord-1", "--fraud", "--labels-file", str(tmp_path / "labels.jsonl"))
    run(*arguments)
    result = run(*arguments)
    assert result.exit_code == 1
    assert (
        result.stderr
        == "Error: a case that is decided does not take confirm_fraud; it takes contest, reconsider, undo\n"
    )


def test_a_corrected_outcome_is_said_once_and_its_reason_kept_sealed(run, database: str) -> None:  # type: ignore[no-untyped-def]
    arguments = ("correct", "ord-1", "--outcome", "review", "--reason", "the rule was wrong", "--actor", "noura")
    result = run(*arguments)
    assert (result.exit_code, result.output) == (0, "order ord-1: block is corrected to review\n")
    assert json.loads(run("show", "ord-1", "--json").output)["outcome"] == "review"
    again = run(*arguments)
    assert (again.exit_code, again.stderr) == (1, "Error: the case has the outcome review; expected another\n")
    assert b"the rule was wrong" not in Path(database.removeprefix("sqlite:///")).read_bytes()


@pytest.mark.parametrize("arguments", [[], ["list"], ["show"], ["decide"], ["correct"]])
def test_help_has_examples_on_lines_of_their_own(run, arguments: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert any(line.strip().startswith("amana cases ") for line in run(*arguments, "--help").output.splitlines())


def test_a_database_that_is_not_there_is_said_so_and_not_made(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.cases, ["list", "--database", f"sqlite:///{tmp_path}/mistyped.db"])
    assert (result.exit_code, result.stderr) == (1, f"Error: {tmp_path}/mistyped.db: no such database\n")
    assert list(tmp_path.iterdir()) == []
