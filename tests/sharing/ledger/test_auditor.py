"""The auditor's file, run as an auditor does: by itself, in an empty folder, with nothing of ours to import."""

import base64
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from history.database import make_engine, migrate
from sharing.database import LOCK, MIGRATIONS
from sharing.ledger.export import exported
from sharing.ledger.leaves import body_of
from sharing.ledger.receipts import Consistency, Opening, Receipt
from sharing.ledger.store import snapshot
from sharing.ledger.tree import leaf_hash
from tests.sharing.ledger.made import LEDGER, SALT, SIGNER, TRUSTED, bodies, filled, rewritten, signed, told

VERIFIER = Path(__file__).parents[3] / "examples" / "auditor" / "verify.py"


class Auditor:
    """A folder with the verifier, the keys, and what the ledger gives."""

    def __init__(self, folder: Path, engine: sa.Engine) -> None:
        self.folder = folder
        self.engine = engine
        shutil.copy(VERIFIER, folder)
        self.put("ledger.keys", "".join(f"{key}\n" for key in SIGNER.keys).encode())

    def put(self, name: str, data: bytes) -> str:
        (self.folder / name).write_bytes(data)
        return name

    def receipt(self, place: int) -> str:
        note = signed(self.engine)
        with self.engine.connect() as connection:
            proof = LEDGER.inclusion(connection, place, TRUSTED.opened(note).size)
            whole = Receipt(place, LEDGER.body(connection, place), tuple(proof), note)
        return self.put(f"{place}.tlog-proof", whole.text())

    def consistency(self, old: int) -> str:
        note = signed(self.engine)
        with self.engine.connect() as connection:
            proof = LEDGER.consistency(connection, old, TRUSTED.opened(note).size)
        return self.put("consistency.txt", Consistency(old, tuple(proof), note).text())

    def export(self) -> str:
        note = signed(self.engine)
        with snapshot(self.engine) as connection:
            pages = list(exported(connection, TRUSTED.opened(note), note))
        return self.put("ledger.txt", b"".join(page.data for page in pages))

    def run(self, *arguments: str) -> tuple[int, str]:
        """-I: no current folder, no environment, no site of the user's: what is not installed cannot be imported."""
        command = [sys.executable, "-I", "verify.py", *arguments, "--key", "ledger.keys"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, env={})
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def auditor(tmp_path: Path) -> Auditor:
    engine = make_engine(f"sqlite:///{tmp_path}/amana.db")
    migrate(engine, MIGRATIONS, LOCK)
    filled(engine, 11)
    folder = tmp_path / "auditor"
    folder.mkdir()
    return Auditor(folder, engine)


def test_the_verifier_imports_the_standard_library_and_cryptography_alone() -> None:
    imported = {
        line.split()[1].partition(".")[0]
        for line in VERIFIER.read_text().splitlines()
        if line.startswith(("import ", "from "))
    }
    assert imported - sys.stdlib_module_names == {"cryptography"}


def test_a_receipt_is_verified(auditor: Auditor) -> None:
    code, said = auditor.run("receipt", auditor.receipt(7))
    assert code == 0, said
    assert said.startswith("entry 7 of store.example/ledger is in the tree of 11 entries:\n")
    assert "  at_ms: 2027-01-15T08:00:00.007+00:00\n" in said
    assert "  type: disclosed\n" in said


def test_every_receipt_of_the_ledger_is_verified(auditor: Auditor) -> None:
    assert [auditor.run("receipt", auditor.receipt(place))[0] for place in range(11)] == [0] * 11


def test_a_receipt_is_for_its_message_and_no_other(auditor: Auditor) -> None:
    mine, other = auditor.put("mine.jwe", b"sealed 7"), auditor.put("other.jwe", b"sealed 8")
    assert auditor.run("receipt", auditor.receipt(7), "--sealed", mine)[0] == 0
    assert auditor.run("receipt", auditor.receipt(7), "--sealed", other) == (
        1,
        auditor.run("receipt", auditor.receipt(7))[1]
        + "NOT VERIFIED: other.jwe is not the message that this entry is about\n",
    )


def test_an_opening_shows_what_was_told(auditor: Auditor) -> None:
    opening = Opening(place=7, case_id="case-7", jti="jti-7", salt=SALT)
    opens = auditor.put("opening.json", msgspec.json.encode(opening))
    payload, other = auditor.put("payload.json", b'{"outcome":"block"}'), auditor.put("other.json", b"{}")
    receipt = auditor.receipt(7)
    code, said = auditor.run("receipt", receipt, "--opening", opens, "--payload", payload)
    assert (code, said.splitlines()[-1]) == (0, "the opening and the payload are what it was committed to")
    code, said = auditor.run("receipt", receipt, "--opening", opens, "--payload", other)
    assert (code, said.splitlines()[-1]) == (1, "NOT VERIFIED: the entry is not about this case, message and payload")
    assert auditor.run("receipt", receipt, "--opening", opens)[0] == 2


@pytest.mark.parametrize(
    ("opening", "error"),
    [(b"[" * 200_000, "RecursionError"), (b"{", "JSONDecodeError"), (b"{}", "KeyError"), (b"[]", "TypeError")],
)
def test_an_opening_that_is_none_is_said_in_a_line(auditor: Auditor, opening: bytes, error: str) -> None:
    opens, payload = auditor.put("opening.json", opening), auditor.put("payload.json", b"{}")
    code, said = auditor.run("receipt", auditor.receipt(7), "--opening", opens, "--payload", payload)
    assert (code, said.splitlines()[-1]) == (
        1,
        f"NOT VERIFIED: a file cannot be read as it should: {error}",
    )


def test_a_leaf_whose_time_no_calendar_has_is_said_in_a_line(auditor: Auditor) -> None:
    leaf = b'{"at_ms":1' + b"0" * 400 + b"}"
    checkpoint = SIGNER.sign(1, leaf_hash(leaf))
    path = auditor.put("0.tlog-proof", Receipt(0, leaf, (), checkpoint).text())
    code, said = auditor.run("receipt", path)
    assert (code, said.splitlines()[-1]) == (
        1,
        "NOT VERIFIED: a file cannot be read as it should: OverflowError",
    )


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"index 7", b"index 6", "entry 6 is not what the checkpoint has there"),
        (b"index 7", b"index 99999", "entry 99999 is not what the checkpoint has there"),
        (b"extra eyJ", b"extra eyK", "entry 7 is not what the checkpoint has there"),
        (b"\n11\n", b"\n12\n", "the checkpoint's signature does not fit its text"),
        (b"store.example", b"other.example", "the checkpoint's signature does not fit its text"),
        (b"c2sp.org", b"example.org", "7.tlog-proof: not a receipt with its leaf"),
        (b"\n\n", b"\n", "expected base64 of 32 bytes"),
    ],
)
def test_a_changed_receipt_is_refused(auditor: Auditor, old: bytes, new: bytes, why: str) -> None:
    path = auditor.folder / auditor.receipt(7)
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    code, said = auditor.run("receipt", path.name)
    assert code == 1
    assert said.startswith(f"NOT VERIFIED: {why}")


def test_keys_that_are_none_are_refused(auditor: Auditor) -> None:
    receipt = auditor.receipt(7)
    auditor.put("ledger.keys", SIGNER.keys[0].replace("store", "other").encode())
    assert auditor.run("receipt", receipt)[0] == 1
    auditor.put("ledger.keys", b"")
    assert auditor.run("receipt", receipt) == (1, "NOT VERIFIED: the checkpoint is signed by no key that you trust\n")


@pytest.mark.parametrize("old", [0, 1, 4, 7, 8, 11])
def test_the_ledger_begins_with_what_was_kept(auditor: Auditor, old: int) -> None:
    with auditor.engine.connect() as connection:
        kept = auditor.put("kept.txt", SIGNER.sign(old, LEDGER.root(connection, old)))
    said = f"the ledger of 11 entries begins with the {old} entries of the kept checkpoint, unchanged\n"
    assert auditor.run("consistency", auditor.consistency(old), "--kept", kept) == (0, said)


def test_a_ledger_rewritten_and_signed_anew_does_not_pass(auditor: Auditor) -> None:
    kept, receipt = auditor.put("kept.txt", signed(auditor.engine)), auditor.receipt(7)
    rewritten(auditor.engine, [*bodies(7), body_of(told(999)), *bodies(12)[8:]])
    code, said = auditor.run("consistency", auditor.consistency(11), "--kept", kept)
    assert (code, said) == (
        1,
        "NOT VERIFIED: entries 0 to 10 are not those of the kept checkpoint: the ledger was rewritten\n",
    )
    export = auditor.export()
    assert auditor.run("export", export)[0] == 0
    assert auditor.run("export", export, "--kept", kept) == (
        1,
        "NOT VERIFIED: entries 0 to 10 are not what was signed in kept.txt\n",
    )
    assert auditor.run("export", export, "--receipt", receipt) == (
        1,
        "NOT VERIFIED: entry 7 is not what 7.tlog-proof is for\n",
    )


def test_a_ledger_cut_short_and_signed_anew_does_not_pass(auditor: Auditor) -> None:
    kept = auditor.put("kept.txt", signed(auditor.engine))
    rewritten(auditor.engine, bodies(8))
    assert auditor.run("export", auditor.export(), "--kept", kept) == (
        1,
        "NOT VERIFIED: entries 8 to 10 are gone: kept.txt was signed over 11\n",
    )


def test_an_export_is_verified_with_all_that_was_kept(auditor: Auditor) -> None:
    kept, receipt = auditor.put("kept.txt", signed(auditor.engine)), auditor.receipt(7)
    with auditor.engine.begin() as connection:
        LEDGER.append(connection, [told(number) for number in range(11, 20)])
    code, said = auditor.run("export", auditor.export(), "--kept", kept, "--receipt", receipt)
    assert (code, said) == (0, "store.example/ledger: 20 entries are what was signed; 2 kept checkpoints agree\n")


@pytest.mark.parametrize(
    ("place", "leaf", "why"),
    [
        (7, b'{"partner":"nobody"}', "entry 7 is not what the checkpoint has there"),
        (11, b'{"partner":"nobody"}', "entry 11 is not what the checkpoint has there"),
        (999_999, b'{"partner":"nobody"}', "entry 999999 is not what the checkpoint has there"),
        (8, body_of(told(7)), "entry 8 is not what the checkpoint has there"),
    ],
)
def test_an_export_agrees_with_no_receipt_that_proves_nothing(
    auditor: Auditor, place: int, leaf: bytes, why: str
) -> None:
    right = auditor.receipt(7)
    lines = (auditor.folder / right).read_bytes().split(b"\n")
    lines[1:3] = [b"extra " + base64.b64encode(leaf), b"index %d" % place]
    wrong = auditor.put("wrong.tlog-proof", b"\n".join(lines))
    refused = (1, f"NOT VERIFIED: wrong.tlog-proof: {why}\n")
    assert auditor.run("export", auditor.export(), "--receipt", wrong) == refused
    assert auditor.run("export", auditor.export(), "--receipt", wrong, "--receipt", right) == refused


def test_an_export_is_compared_with_each_receipt_of_a_place_and_not_the_last_alone(auditor: Auditor) -> None:
    before = auditor.put("before.tlog-proof", (auditor.folder / auditor.receipt(7)).read_bytes())
    rewritten(auditor.engine, [*bodies(7), body_of(told(999)), *bodies(12)[8:]])
    now, export = auditor.receipt(7), auditor.export()
    assert auditor.run("export", export, "--receipt", now)[0] == 0
    assert auditor.run("export", export, "--receipt", before, "--receipt", now) == (
        1,
        "NOT VERIFIED: entry 7 is not what before.tlog-proof is for\n",
    )


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"1800000000003", b"1800000000004", "entries 0 to 10 are not what was signed in the export's own checkpoint"),
        (b'"}\n\n', b'"}\n', "not a signed checkpoint: expected origin, size, root, an empty line, signatures"),
        (b'"}\n\n', b'"}\n{}\n\n', "the export has 12 entries, and its own checkpoint says 11"),
    ],
)
def test_a_changed_export_is_refused(auditor: Auditor, old: bytes, new: bytes, why: str) -> None:
    path = auditor.folder / auditor.export()
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    code, said = auditor.run("export", path.name)
    assert (code, said.splitlines()[0]) == (1, f"NOT VERIFIED: {why}")


def test_an_export_that_was_cut_off_is_refused(auditor: Auditor) -> None:
    path = auditor.folder / auditor.export()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    assert auditor.run("export", path.name) == (1, "NOT VERIFIED: the export ends before its checkpoint\n")


def test_an_empty_ledger_is_exported_and_verified(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/amana.db")
    migrate(engine, MIGRATIONS, LOCK)
    (tmp_path / "auditor").mkdir()
    auditor = Auditor(tmp_path / "auditor", engine)
    assert auditor.run("export", auditor.export())[1] == (
        "store.example/ledger: 0 entries are what was signed; 0 kept checkpoints agree\n"
    )


def test_an_export_holds_no_salt_no_case_and_no_message_id(auditor: Auditor) -> None:
    text = (auditor.folder / auditor.export()).read_bytes()
    assert text.count(b"\n") == 11 + 1 + 5
    for secret in (SALT, b"case-", b"jti-", b"outcome"):
        assert secret not in text
