import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from history.database import make_engine
from sharing.ledger.checkpoints import ORIGIN, Signer
from sharing.ledger.receipts import receipt_of
from sharing.ledger.tree import leaf_hash
from streams.cli import main
from tests.sharing.full_disk import no_more_than
from tests.sharing.ledger.made import LEDGER, SALT, filled, rewritten, told
from tests.sharing.ledger.made import bodies as bodies_of
from vault.keyring import Keyring

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, on an empty ledger with a keyring of its own; files are in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMANA_DATABASE", f"sqlite:///{tmp_path}/amana.db")
    monkeypatch.setenv("AMANA_KEYRING", "keyring.json")
    Keyring.create(Path("keyring.json"), lambda count: b"k" * count)
    migrated = CliRunner().invoke(main, ["migrate"])
    assert migrated.exit_code == 0, migrated.output
    return lambda *arguments: CliRunner().invoke(main, ["ledger", *arguments])


@pytest.fixture
def engine(run: Run, tmp_path: Path) -> sa.Engine:
    engine = make_engine(f"sqlite:///{tmp_path}/amana.db")
    filled(engine, 7)
    return engine


def test_an_empty_ledger_is_whole(run: Run) -> None:
    done = run("verify")
    assert (done.exit_code, done.output.splitlines()[0]) == (0, "the ledger is whole: 0 entries, 0 checkpoints agree")


def test_a_partner_keeps_a_checkpoint_and_the_ledger_is_verified_against_it(run: Run, engine: sa.Engine) -> None:
    assert run("checkpoint", "--out", "kept.txt").exit_code == 0
    done = run("verify", "--checkpoint", "kept.txt")
    assert (
        done.output.splitlines()[0] == "the ledger is whole: 7 entries, 2 checkpoints agree, 1 of them kept by others"
    )
    told = json.loads(run("verify", "--json").output)
    assert (told["size"], told["agreeing"], told["found"], told["findings"]) == (7, 1, 0, [])


def test_a_changed_entry_is_named_and_the_exit_code_says_so(run: Run, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE sharing_leaves SET body = :body WHERE place = 3"), {"body": b"{}"})
    done = run("verify")
    assert done.exit_code == 1
    assert done.stdout == "entry 3: its bytes are not what was appended, or its hash is not\n"
    assert done.stderr == "the ledger of 7 entries is NOT whole: 1 findings\n"
    told = json.loads(run("verify", "--json").stdout)
    assert told["findings"] == [
        {"first": 3, "last": 3, "what": "its bytes are not what was appended, or its hash is not"}
    ]


def test_a_ledger_rewritten_and_signed_anew_fails_against_what_was_kept(run: Run, engine: sa.Engine) -> None:
    run("checkpoint", "--out", "kept.txt")
    run("receipt", "5", "--out", "5.tlog-proof")
    rewritten(engine, [*bodies_of(5), bodies_of(9)[8], bodies_of(7)[6]])
    run("checkpoint")
    assert run("verify").exit_code == 0
    done = run("verify", "--checkpoint", "kept.txt", "--receipt", "5.tlog-proof")
    assert done.exit_code == 1
    assert "entries 0 to 6: not what was signed in kept.txt\n" in done.stdout
    assert "entry 5: not what 5.tlog-proof is for\n" in done.stdout


def test_after_a_rewrite_there_is_no_proof_that_the_ledger_begins_as_was_kept(run: Run, engine: sa.Engine) -> None:
    run("checkpoint", "--out", "kept.txt")
    rewritten(engine, [*bodies_of(5), bodies_of(9)[8], bodies_of(7)[6]])
    done = run("prove", "--since", "kept.txt", "--out", "proof.txt")
    assert done.exit_code == 1
    assert done.stderr == (
        "Error: the ledger does not begin with the 7 entries of kept.txt, so nothing proves it; run"
        " `amana ledger verify --checkpoint kept.txt`\n"
    )
    assert not Path("proof.txt").exists()


@pytest.mark.parametrize("with_its_hash", [False, True])
@pytest.mark.parametrize("command", [["receipt", "3"], ["prove", "3"]])
def test_of_a_changed_entry_there_is_no_receipt(
    run: Run, engine: sa.Engine, command: list[str], with_its_hash: bool
) -> None:
    _change(engine, with_its_hash)
    done = run(*command, "--out", "3.tlog-proof")
    assert (done.exit_code, done.stderr) == (
        1,
        "Error: entry 3: not what was signed, so nothing proves it; run `amana ledger verify`\n",
    )
    assert not Path("3.tlog-proof").exists()


@pytest.mark.parametrize("with_its_hash", [False, True])
def test_changed_entries_are_not_exported(run: Run, engine: sa.Engine, with_its_hash: bool) -> None:
    _change(engine, with_its_hash)
    done = run("export", "--out", "ledger.txt")
    assert (done.exit_code, done.stderr) == (
        1,
        "Error: entries 0 to 6 are not what was signed: run `amana ledger verify`\n",
    )
    assert not Path("ledger.txt").exists()


def test_an_empty_ledger_is_exported(run: Run) -> None:
    assert run("export", "--out", "ledger.txt").exit_code == 0
    assert Path("ledger.txt").read_text().startswith(f"\n{ORIGIN}\n0\n")


def _change(engine: sa.Engine, with_its_hash: bool) -> None:
    """Entry 3's bytes, as somebody who may write the table would; and the hash of them."""
    run = "UPDATE sharing_leaves SET body = :body" + (", hash = :hash" if with_its_hash else "") + " WHERE place = 3"
    body = bodies_of(9)[8]
    values = {"body": body} | ({"hash": leaf_hash(body)} if with_its_hash else {})
    with engine.begin() as connection:
        connection.execute(sa.text(run), values)


def test_a_receipt_is_found_by_message_until_its_case_is_erased(run: Run, engine: sa.Engine) -> None:
    by_place, by_message = run("receipt", "5"), run("receipt", "--jti", "jti-5")
    assert by_place.stdout_bytes == by_message.stdout_bytes
    assert receipt_of(by_place.stdout_bytes).place == 5
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM sharing_lookup WHERE case_id = 'case-5'"))
    done = run("receipt", "--jti", "jti-5")
    assert done.exit_code == 1
    assert done.stderr == ("Error: no entry is known for that message: it was never told, or its case was erased\n")
    assert run("receipt", "5").stdout_bytes == by_place.stdout_bytes
    assert run("receipt", "5", "--opening", "opening.json").exit_code == 1
    assert not Path("opening.json").exists()


def test_what_opens_an_entry_is_a_file_of_its_own(run: Run, engine: sa.Engine) -> None:
    done = run("receipt", "5", "--opening", "opening.json")
    opening = json.loads(Path("opening.json").read_bytes())
    assert opening["case_id"] == "case-5"
    assert b"case-5" not in done.stdout_bytes
    assert SALT not in done.stdout_bytes


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["receipt", "7"], "the ledger has no entry 7"),
        (["prove", "7"], "expected a place below 7, not 7"),
        (["prove", "--since", "8"], "expected a size of at most 7, not 8"),
        (["verify", "--checkpoint", "keyring.json"], "keyring.json: not a signed note"),
        (["verify", "--receipt", "keyring.json"], "keyring.json: not a receipt"),
        (["verify", "--key", "keyring.json"], "keyring.json: expected an Ed25519 key"),
        (["key", "--keyring", "none.json"], "none.json: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(run: Run, engine: sa.Engine, arguments: list[str], why: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: {why}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["receipt"], ["receipt", "1", "--jti", "x"], ["prove"], ["prove", "1", "--since", "1"],
                  ["prove", "--since", "nothing.txt"], ["key", "--origin", "a b"]],
)  # fmt: skip
def test_a_wrong_call_is_exit_code_two(run: Run, engine: sa.Engine, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_database_without_a_ledger_is_named(run: Run, tmp_path: Path) -> None:
    make_engine(f"sqlite:///{tmp_path}/empty.db").connect().close()
    done = run("verify", "--database", f"sqlite:///{tmp_path}/empty.db")
    assert (done.exit_code, done.stderr) == (
        1,
        "Error: the database has no ledger; `amana migrate` makes its tables\n",
    )


def test_what_the_command_writes_is_what_the_auditors_file_verifies(run: Run, engine: sa.Engine) -> None:
    Path("ledger.keys").write_text(run("key").stdout)
    assert Path("ledger.keys").read_text() == Signer([b"k" * 32], ORIGIN).keys[0] + "\n"
    run("checkpoint", "--out", "kept.txt")
    run("receipt", "5", "--out", "5.tlog-proof", "--opening", "opening.json")
    run("prove", "--since", "kept.txt", "--out", "consistency.txt")
    run("export", "--out", "ledger.txt")
    Path("payload.json").write_bytes(b'{"outcome":"block"}')
    assert auditor("receipt", "5.tlog-proof", "--opening", "opening.json", "--payload", "payload.json") == 0
    assert auditor("consistency", "consistency.txt", "--kept", "kept.txt") == 0
    assert auditor("export", "ledger.txt", "--kept", "kept.txt", "--receipt", "5.tlog-proof") == 0
    Path("ledger.txt").write_bytes(Path("ledger.txt").read_bytes().replace(b"acquirer", b"agencies", 1))
    assert auditor("export", "ledger.txt") == 1


def test_who_may_read_alone_needs_no_signing_key_once_a_checkpoint_covers_it(run: Run, engine: sa.Engine) -> None:
    Path("ledger.keys").write_text(run("key").stdout)
    run("checkpoint")
    filled_more(engine, 2)
    Path("keyring.json").unlink()
    with engine.begin() as connection:
        connection.execute(
            sa.text("CREATE TRIGGER t BEFORE INSERT ON sharing_checkpoints BEGIN SELECT RAISE(FAIL, 'no'); END")
        )
    key = ("--key", "ledger.keys")
    assert run("verify", *key).output.startswith("the ledger is whole: 9 entries, 1 checkpoints agree\n")
    assert run("receipt", "6", *key, "--out", "6.tlog-proof").exit_code == 0
    assert auditor("receipt", "6.tlog-proof") == 0
    assert run("export", "--last", *key, "--out", "ledger.txt").exit_code == 0
    assert Path("ledger.txt").read_bytes().count(b"disclosed") == 7
    assert auditor("export", "ledger.txt") == 0
    assert run("prove", "--since", "3", *key).exit_code == 0
    done = run("receipt", "7", *key)
    assert (done.exit_code, done.stderr.startswith("Error: keyring.json")) == (1, True)


def filled_more(engine: sa.Engine, count: int) -> None:
    with engine.begin() as connection:
        LEDGER.append(connection, [told(100 + number) for number in range(count)])


def auditor(*arguments: str) -> int:
    verifier = Path(__file__).parents[2] / "examples" / "auditor" / "verify.py"
    command = [sys.executable, "-I", str(verifier), *arguments, "--key", "ledger.keys"]
    return subprocess.run(command, capture_output=True, check=False, env={}).returncode


@pytest.mark.parametrize("command", [("receipt", "5"), ("export", "--last")])
def test_a_disk_that_is_full_leaves_no_file_behind(run: Run, engine: sa.Engine, command: tuple[str, ...]) -> None:
    run("checkpoint", "--out", "kept.txt")
    before = sorted(path.name for path in Path().iterdir())
    with no_more_than(100):
        failed = run(*command, "--out", "out")
    assert (failed.exit_code, failed.stderr) == (1, "Error: out: File too large\n")
    assert sorted(path.name for path in Path().iterdir()) == before


PLACES = "9999999999999999"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("receipt", "9" * 20), f"Invalid value for '[PLACE]': {'9' * 20} is not in the range 0<=x<={PLACES}."),
        (("prove", "9" * 20), f"Invalid value for '[PLACE]': {'9' * 20} is not in the range 0<=x<={PLACES}."),
        (
            ("prove", "--since", "9" * 5000),
            "Invalid value for --since: expected a number of entries, at most 16 digits, or a file",
        ),
        (("prove", "--since", "\udcff"), "Invalid value for '--since': expected text in UTF-8"),
        (("receipt", "--jti", "\udcff"), "Invalid value for '--jti': expected text in UTF-8"),
        (("checkpoint", "--origin", "\udcff"), "Invalid value for '--origin': expected text in UTF-8"),
        (("verify", "--database", "sqlite:///\udcff"), "Invalid value for '--database': expected text in UTF-8"),
    ],
    ids=["a receipt's place", "a proof's place", "many digits", "since", "jti", "origin", "database"],
)
def test_an_argument_that_can_be_none_is_wrong_usage(
    run: Run, engine: sa.Engine, command: tuple[str, ...], why: str
) -> None:
    done = run(*command)
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, f"Error: {why}")


def test_the_last_place_and_number_of_entries_that_can_be_asked_for_are_not_there(run: Run, engine: sa.Engine) -> None:
    done = run("receipt", PLACES)
    assert (done.exit_code, done.stderr) == (1, f"Error: the ledger has no entry {PLACES}\n")
    assert run("prove", "--since", PLACES).exit_code == 1


def test_a_checkpoint_of_a_ledger_that_had_another_name_is_not_signed_and_both_are_named(
    run: Run, engine: sa.Engine
) -> None:
    run("checkpoint", "--out", "kept.txt")
    filled_more(engine, 1)
    why = f"the checkpoint is of {ORIGIN}; the keys that are trusted are of other.example/ledger"
    done = run("checkpoint", "--origin", "other.example/ledger", "--out", "new.txt")
    assert (done.exit_code, done.stderr, Path("new.txt").exists()) == (1, f"Error: {why}\n", False)
    done = run("verify", "--origin", "other.example/ledger", "--checkpoint", "kept.txt")
    assert (done.exit_code, done.stderr) == (1, f"Error: kept.txt: {why}\n")


@pytest.mark.parametrize("command", [("receipt", "3"), ("export",), ("checkpoint",), ("prove", "3")], ids=" ".join)
def test_a_device_that_is_full_is_named(run: Run, engine: sa.Engine, command: tuple[str, ...]) -> None:
    done = run(*command, "--out", "/dev/full")
    assert (done.exit_code, done.stderr) == (1, "Error: /dev/full: No space left on device\n")


def test_a_file_that_is_no_database_is_named(run: Run) -> None:
    Path("notes.txt").write_text("these are notes and no database")
    done = run("verify", "--database", "sqlite:///notes.txt")
    assert (done.exit_code, done.stderr) == (1, "Error: notes.txt: file is not a database\n")


@pytest.mark.parametrize("address", ["postgresql://u:hunter2@[::1/x", "sqlite:///hunter2.db?timeout=q"])
def test_an_address_that_is_none_is_not_shown(run: Run, address: str) -> None:
    done = run("verify", "--database", address)
    assert (done.exit_code, done.output) == (
        1,
        "Error: expected a database like sqlite:///var/amana.db or postgresql+psycopg://...\n",
    )
