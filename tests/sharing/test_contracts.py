from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.contracts import FOLDER, load, parse
from sharing.errors import ContractError, SharingError
from sharing.operators import Echo, Keep

ACQUIRER = (FOLDER / "acquirer.yaml").read_text(encoding="utf-8")


def test_the_acquirers_contract_reads_as_it_is_written() -> None:
    contract = load(FOLDER / "acquirer.yaml")
    assert (contract.partner, contract.kind, contract.version) == ("acquirer", "financial_institution", 1)
    assert [(type(term).__name__, term.name) for term in contract.fields] == [
        ("Echo", "psp_reference"),
        ("Keep", "outcome"),
        ("Keep", "three_ds"),
        ("Derive", "reasons"),
    ]
    assert isinstance(contract.fields[0], Echo)
    assert isinstance(contract.fields[1], Keep)


def test_only_a_blocked_order_triggers_it() -> None:
    contract = parse(ACQUIRER, "acquirer.yaml")
    assert [contract.triggered_by(outcome) for outcome in ("approve", "review", "block")] == [False, False, True]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "operator: keep",
            "operator: kep",
            ":13: $.fields[1].operator: Invalid value 'kep'; expected one of: keep, echo",
        ),
        (
            "name: outcome",
            "name: psp_token",
            ":12: keep may not be used on forbidden field 'psp_token'; no operator may",
        ),
        ("name: outcome", "name: email", ":12: keep may not be used on direct field 'email'; no operator may be used"),
        ("name: outcome", "name: amount", ":12: keep may not be used on quasi field 'amount'; expected: band"),
        ("name: outcome", "name: colour", ":12: unknown field 'colour'; expected one of: account_id, amount"),
        (
            "name: outcome",
            "name: card_number",
            ":12: keep may not be used on forbidden field 'card_number'; no operator",
        ),
        ("name: outcome", "name: three_ds", ":15: 'three_ds' stands here twice"),
        ("partner: acquirer", "partnr: acquirer", ":2: $: Object contains unknown field `partnr`"),
        ("operator: keep", "operator: keep\n    to: day", ":12: $.fields[1]: Object contains unknown field `to`"),
        ("legal_basis: dpv:LegitimateInterest\n", "", ":2: $: Object missing required field `legal_basis`"),
        (
            "    reason: Whether the order was blocked is what the acquirer acts on.\n",
            "",
            "missing required field `reason`",
        ),
        (
            "reason: Whether the order was blocked is what the acquirer acts on.",
            "reason: why",
            ":14: $.fields[1].reason",
        ),
        ("kind: financial_institution", "kind: merchant", ":9: 'psp_reference' is given back only to who issued it"),
        ("trigger: blocked", "trigger: always", ":7: $.trigger: Invalid enum value 'always'"),
        ("version: 1", "version: 1\nversion: 2", ":5: 'version' stands here twice"),
        ("version: 1", "version: &a 1\nextra: *a", ":4: used again by an alias; write the value out"),
        ("version: 1", "version: !!python/name:os.system", "not YAML: could not determine a constructor"),
        ("version: 1", "version: '1", ": not YAML: "),
        ("partner: acquirer", "partner: Acquirer Ltd", ":2: $.partner: Expected `str` matching regex"),
    ],
)
def test_a_contract_that_is_wrong_is_refused_with_file_and_line(old: str, new: str, expected: str) -> None:
    assert old in ACQUIRER
    with pytest.raises(ContractError) as refused:
        parse(ACQUIRER.replace(old, new, 1), "acquirer.yaml")
    assert str(refused.value).startswith("acquirer.yaml")
    assert expected in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "- 1", "a: b", "x", "? [a]\n: b", "[" * 5000, "x" * 70_000, "\x00", "a: 2026-13-45"]
)
def test_what_is_no_contract_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match=r"^name"):
        parse(text, "name")


@given(st.text(max_size=60))
def test_no_text_fails_in_any_other_way(text: str) -> None:
    with pytest.raises(SharingError):
        parse(text, "name")


def test_a_bomb_of_aliases_is_refused_before_it_is_read_out() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    with pytest.raises(ContractError, match=r"^bomb\.yaml:1: used again by an alias"):
        parse(bomb, "bomb.yaml")


def test_a_missing_file_and_other_encodings_are_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"missing\.yaml: No such file"):
        load(tmp_path / "missing.yaml")
    (tmp_path / "utf16.yaml").write_bytes(ACQUIRER.encode("utf-16"))
    with pytest.raises(ContractError, match=r"utf16\.yaml: not UTF-8"):
        load(tmp_path / "utf16.yaml")


def test_the_hash_changes_with_anything_that_the_contract_says_and_not_with_its_comments() -> None:
    contract = parse(ACQUIRER, "acquirer.yaml")
    assert parse(f"# more\n{ACQUIRER}", "x").hash() == contract.hash()
    assert parse(ACQUIRER.replace("version: 1", "version: 2"), "x").hash() != contract.hash()
    assert parse(ACQUIRER.replace("Liability", "liability"), "x").hash() != contract.hash()
    assert len(contract.hash()) == 64
