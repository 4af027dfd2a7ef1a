import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sharing import explain
from sharing.cli import contracts_command
from sharing.contracts import FOLDER, load, parse
from sharing.example import example_body
from tests.sharing.contracts import EVERYTHING, NAMES, shipped
from tests.sharing.full_disk import no_more_than


def run(*args: object) -> Result:
    return CliRunner().invoke(contracts_command, [str(arg) for arg in args], env={"COLUMNS": "160"})


@pytest.fixture
def carrier(tmp_path: Path) -> Path:
    """The carrier's contract in a folder of its own, a second version that keeps data longer, and the first one."""
    (tmp_path / "past").mkdir()
    shutil.copy(FOLDER / "carrier.yaml", tmp_path / "past" / "carrier-1.yaml")
    text = (FOLDER / "carrier.yaml").read_text(encoding="utf-8")
    path = tmp_path / "carrier.yaml"
    path.write_text(text.replace("version: 1", "version: 2").replace("retention_days: 30", "retention_days: 45"))
    return path


def test_check_names_every_shipped_contract_with_its_signers() -> None:
    result = run("check")
    assert result.exit_code == 0
    assert [line.partition(".yaml")[0] for line in result.output.splitlines()] == list(NAMES)
    assert (
        "carrier, version 1, 3 fields, until 2027-12-31, signed by noura (privacy officer, by an open key), faisal"
        in result.output
    )


def test_check_names_each_file_that_is_wrong_in_one_line_and_fails(carrier: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("partner: x\n")
    result = run("check", carrier, tmp_path / "bad.yaml", FOLDER / "acquirer.yaml")
    assert result.exit_code == 1
    assert result.stdout.startswith("acquirer.yaml: acquirer, version 1")
    assert result.stderr.splitlines() == [
        f"Error: {carrier}: the signature of noura is not of what the contract now says",
        f"Error: {tmp_path / 'bad.yaml'}:1: $: Object missing required field `kind`",
    ]


def test_diff_says_in_words_what_more_would_leave_and_exits_with_3(carrier: Path) -> None:
    result = run("diff", carrier)
    assert result.exit_code == 3
    assert result.output == "+ the partner would keep it 45 days, instead of 30\n2 people must sign.\n"
    back = run("diff", carrier.parent / "past" / "carrier-1.yaml", carrier)
    assert back.exit_code == 0
    assert back.output == "- the partner would keep it 30 days, instead of 45\n1 person must sign.\n"


def test_diff_of_the_same_says_so_and_of_a_first_contract_tells_all() -> None:
    same = run("diff", FOLDER / "carrier.yaml", FOLDER / "carrier.yaml")
    assert (same.exit_code, same.output) == (0, "Nothing would be otherwise.\n1 person must sign.\n")
    first = run("diff", FOLDER / "carrier.yaml", "--json")
    assert first.exit_code == 3
    assert json.loads(first.output)["signatures_needed"] == 2
    assert json.loads(first.output)["changes"][2] == {"direction": "more", "words": "deadline would leave: to the hour"}


def test_approve_says_how_many_more_must_sign_and_check_agrees(carrier: Path) -> None:
    assert run("approve", carrier, "--signer", "maha", "--demo").output == (
        f"{carrier}: signed by maha; 1 more must sign\n"
    )
    refused = run("check", carrier)
    assert "tells more than the version before, so 2 people must have signed it; 1 did" in refused.stderr
    assert run("approve", carrier, "--signer", "noura", "--demo").output == (
        f"{carrier}: signed by maha, noura; that is enough\n"
    )
    assert run("check", carrier).exit_code == 0


def test_people_of_a_stores_own_sign_with_keys_of_their_own(carrier: Path, tmp_path: Path) -> None:
    entry = run("key", tmp_path / "ann.pem", "--name", "ann", "--role", "privacy officer")
    signers = tmp_path / "signers.yaml"
    signers.write_text(f"signers:\n{entry.output}", encoding="utf-8")
    result = run("approve", carrier, "--signer", "ann", "--key", tmp_path / "ann.pem", "--signers", signers)
    assert (result.exit_code, result.output) == (0, f"{carrier}: signed by ann; 1 more must sign\n")


@pytest.mark.parametrize(
    ("args", "code", "expected"),
    [
        (("--signer", "stranger", "--demo"), 1, "signed by stranger, who is not in"),
        (("--signer", "noura"), 2, "expected one of --key and --demo"),
        (("--signer", "noura", "--demo", "--key", "x.pem"), 2, "expected one of --key and --demo"),
        (("--signer", "noura", "--key", "missing.pem"), 1, "missing.pem: No such file or directory"),
    ],
)
def test_a_signature_that_cannot_be_made_is_refused_in_a_line(
    carrier: Path, args: tuple[str, ...], code: int, expected: str
) -> None:
    before = carrier.read_text(encoding="utf-8")
    result = run("approve", carrier, *args)
    assert result.exit_code == code
    assert expected in result.stderr
    assert carrier.read_text(encoding="utf-8") == before


def test_a_contract_behind_a_link_is_signed_where_it_is_and_the_link_stays_one(carrier: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    kept = carrier.rename(tmp_path / "kept" / "carrier-2.yaml")
    carrier.symlink_to(kept)
    result = run("approve", carrier, "--signer", "maha", "--demo")
    assert (result.exit_code, result.output) == (0, f"{carrier}: signed by maha; 1 more must sign\n")
    assert carrier.is_symlink()
    assert [each.signer for each in load(kept).signatures] == ["maha"]
    assert [path.name for path in kept.parent.iterdir()] == ["carrier-2.yaml"]


def test_an_older_version_that_is_put_back_is_not_signed(carrier: Path) -> None:
    carrier.rename(carrier.parent / "past" / "carrier-2.yaml")
    shutil.copy(carrier.parent / "past" / "carrier-1.yaml", carrier)
    before = carrier.read_bytes()
    result = run("approve", carrier, "--signer", "maha", "--demo")
    assert (result.exit_code, result.stderr) == (
        1,
        f"Error: {carrier}: version 1, but past has version 2; expected the newest here\n",
    )
    assert carrier.read_bytes() == before


@pytest.mark.parametrize("end", ['"signatures": []\n', "...\n"])
def test_a_file_that_no_signature_can_be_added_to_is_told_so_without_a_line_that_it_does_not_have(
    carrier: Path, end: str
) -> None:
    text = carrier.read_text(encoding="utf-8").partition("signatures:")[0] + end
    carrier.write_text(text, encoding="utf-8")
    result = run("approve", carrier, "--signer", "maha", "--demo")
    expected = "expected `signatures` to be the last part of the file, without quotes, and no `...` at its end"
    assert (result.exit_code, result.stderr) == (1, f"Error: {carrier}: {expected}\n")
    assert carrier.read_text(encoding="utf-8") == text


def test_a_contract_that_would_be_too_long_with_its_signature_is_told_so(carrier: Path) -> None:
    text = carrier.read_text(encoding="utf-8").partition("signatures:")[0]
    text += "#" * (64 * 1024 - len(text))
    carrier.write_text(text, encoding="utf-8")
    result = run("approve", carrier, "--signer", "maha", "--demo")
    assert (result.exit_code, result.stderr) == (
        1,
        f"Error: {carrier}: longer than 65536 characters with the signature\n",
    )
    assert carrier.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("name", "role"),
    [("Ann", "privacy officer"), ("ann\n", "privacy officer"), ("ann", "officer: of x"), ("ann", "x\n    demo: true"),
     ("ann", "null"), ("ann", "it")],
)  # fmt: skip
def test_a_name_or_role_that_the_file_of_signers_cannot_hold_gets_no_key(tmp_path: Path, name: str, role: str) -> None:
    assert run("key", tmp_path / "ann.pem", "--name", name, "--role", role).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_leaves_the_contract_as_it_was_and_no_piece_of_a_key(carrier: Path, tmp_path: Path) -> None:
    before = carrier.read_text(encoding="utf-8")
    with no_more_than(10):
        approved = run("approve", carrier, "--signer", "noura", "--demo")
        made = run("key", tmp_path / "ann.pem", "--name", "ann", "--role", "privacy officer")
    assert (approved.exit_code, made.exit_code) == (1, 1)
    assert f"{carrier}: File too large; expected a folder" in approved.stderr
    assert carrier.read_text(encoding="utf-8") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["carrier.yaml", "past"]


def test_explain_strikes_out_what_stays_behind() -> None:
    os.environ["FORCE_COLOR"] = "1"
    try:
        result = run("explain", FOLDER / "carrier.yaml")
    finally:
        del os.environ["FORCE_COLOR"]
    assert result.exit_code == 0
    assert "\x1b[2;9mnoura@example.com\x1b[0m" in result.output  # dim and struck out
    assert "\x1b[1mtrk-55-0199\x1b[0m" in result.output  # bold: it leaves as it is
    assert "\x1b[9;33m2026-03-03T22:15:09Z\x1b[0m" in result.output  # yellow and struck out: its hour leaves


def test_explain_prints_the_message_alone_as_json() -> None:
    result = run("explain", FOLDER / "carrier.yaml", "--json")
    told = json.loads(result.output)
    assert told.pop("jti") == json.loads(example_body(shipped("carrier")))["jti"]
    assert told == {"tracking_ref": "trk-55-0199", "instruction": "hold", "deadline": "2026-03-03T22Z"}


@pytest.mark.parametrize("name", NAMES)
def test_explain_accounts_for_every_field_of_the_message(name: str) -> None:
    contract = shipped(name)
    shown = {field for row in explain.rows(contract) for field in row.told}
    assert shown == {term.name for term in contract.fields}
    assert shown == set(json.loads(example_body(contract))) - {"jti", "epoch"}


def test_explain_shows_a_whole_address_and_a_country_as_told_and_the_rest_as_made_of() -> None:
    whole = {row.path: row.whole for row in explain.rows(shipped("law-enforcement"))}
    assert (whole["shipping.city"], whole["contact.name"], whole["items"], whole["payment.bin"]) == (
        True,
        True,
        False,
        False,
    )
    country = {row.path: (row.whole, bool(row.told)) for row in explain.rows(shipped("fellow-merchant"))}
    assert (country["shipping.city"], country["shipping.country"]) == ((False, True), (True, True))


def test_a_contract_with_every_operator_has_an_example() -> None:
    told = json.loads(example_body(parse(EVERYTHING, "everything")))
    assert (told["delivery_area"], told["postal_code"], told["issuer_country"]) == ("SA-02", "21", "SA")


def test_every_command_has_an_example_in_its_help() -> None:
    for name, command in contracts_command.commands.items():
        assert f"amana contracts {name}" in (command.help or ""), name
