import base64
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sharing import approval
from sharing.contracts import FOLDER, load
from sharing.errors import ContractError
from sharing.in_force import load_all, load_one, previous, replaced, versions
from sharing.signers import DEMO, DEMO_PEOPLE, Signers, create_key, demo_key, read_key, sign
from sharing.standing import Agreed
from tests.sharing.contracts import NAMES

TODAY = date(2026, 11, 26)
PEOPLE = Signers.load(DEMO, demo=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the carrier's contract alone, signed by two."""
    shutil.copy(FOLDER / "carrier.yaml", tmp_path)
    return tmp_path


def _rewrite(path: Path, *changes: tuple[str, str], signed_by: tuple[str, ...] = ()) -> None:
    text = path.read_text(encoding="utf-8").partition("signatures:")[0]
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")
    for name in signed_by:
        approval.approve(path, name, demo_key(name), PEOPLE)


def _second(folder: Path, *changes: tuple[str, str], signed_by: tuple[str, ...]) -> Path:
    """A second version of the carrier's contract, the first one moved to the past."""
    path = folder / "carrier.yaml"
    (folder / "past").mkdir()
    shutil.copy(path, folder / "past" / "carrier-1.yaml")
    _rewrite(path, ("version: 1", "version: 2"), *changes, signed_by=signed_by)
    return path


def test_the_shipped_contracts_are_signed_and_in_force() -> None:
    found = load_all(FOLDER, PEOPLE, TODAY)
    assert tuple(contract.partner for contract in found) == NAMES
    assert {len(contract.signatures) for contract in found} == {2}


def test_production_does_not_believe_keys_that_are_open_to_everybody() -> None:
    with pytest.raises(ContractError, match=r"acquirer\.yaml: signed by noura with a key for demonstrations"):
        load_all(FOLDER, Signers.load(DEMO), TODAY)


def test_the_open_keys_are_those_of_the_demonstrations_file() -> None:
    text = DEMO.read_text(encoding="utf-8")
    for name in DEMO_PEOPLE:
        assert base64.b64encode(demo_key(name).public_key().public_bytes_raw()).decode() in text


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2025, 12, 31), "carrier.yaml: begins on 2026-01-01"),
        (date(2028, 1, 1), "carrier.yaml: ended on 2027-12-31"),
    ],
)
def test_a_contract_out_of_its_time_is_named_and_keeps_no_process_from_starting(
    folder: Path, today: date, expected: str
) -> None:
    with pytest.raises(ContractError, match=f"{expected}; today is {today}"):
        load_one(folder / "carrier.yaml", PEOPLE, today)
    ((contract, why),) = Agreed(load_all(folder, PEOPLE, today)).problems(_noon_ms(today))
    assert (contract.partner, why) == ("carrier", expected.partition(": ")[2])


def _noon_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()) * 1000


def test_a_contract_that_ended_unsigned_is_refused_all_the_same(folder: Path) -> None:
    _rewrite(folder / "carrier.yaml", signed_by=("noura",))
    with pytest.raises(ContractError, match="is new, so 2 people must have signed it; 1 did"):
        load_all(folder, PEOPLE, date(2028, 1, 1))


def test_a_contract_is_silent_from_the_day_after_its_last_without_being_read_again(folder: Path) -> None:
    agreed = Agreed(load_all(folder, PEOPLE, TODAY))
    end_ms = int(datetime(2028, 1, 1, tzinfo=UTC).timestamp()) * 1000
    hashed = bytes.fromhex(agreed.contracts[0].hash())
    assert [(agreed.silent(at), agreed.tells("carrier", at)) for at in (end_ms - 1, end_ms)] == [
        (frozenset(), True),
        (frozenset({hashed}), False),
    ]
    assert not agreed.tells("acquirer", end_ms - 1)


@pytest.mark.parametrize("signed_by", [(), ("noura",)])
def test_a_new_contract_that_fewer_than_two_signed_is_refused(folder: Path, signed_by: tuple[str, ...]) -> None:
    _rewrite(folder / "carrier.yaml", signed_by=signed_by)
    with pytest.raises(ContractError, match=f"is new, so 2 people must have signed it; {len(signed_by)} did"):
        load_all(folder, PEOPLE, TODAY)


def test_what_was_changed_after_it_was_signed_is_refused(folder: Path) -> None:
    path = folder / "carrier.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("retention_days: 30", "retention_days: 31"), encoding="utf-8"
    )
    with pytest.raises(ContractError, match="the signature of noura is not of what the contract now says"):
        load_all(folder, PEOPLE, TODAY)


def test_a_signature_under_another_persons_name_is_refused(folder: Path) -> None:
    path = folder / "carrier.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("signer: faisal", "signer: maha"), encoding="utf-8")
    with pytest.raises(ContractError, match="the signature of maha is not of what"):
        load_all(folder, PEOPLE, TODAY)


def test_a_person_who_is_not_known_is_refused(folder: Path) -> None:
    path = folder / "carrier.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("signer: faisal", "signer: stranger"), encoding="utf-8")
    with pytest.raises(ContractError, match=r"signed by stranger, who is not in .*signers\.yaml"):
        load_all(folder, PEOPLE, TODAY)


def test_one_person_counts_once(folder: Path) -> None:
    path = folder / "carrier.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("signer: faisal", "signer: noura"), encoding="utf-8")
    with pytest.raises(ContractError, match=r"carrier\.yaml:\d+: noura has signed twice"):
        load_all(folder, PEOPLE, TODAY)


def test_a_narrowing_needs_one_signature(folder: Path) -> None:
    path = _second(folder, ("retention_days: 30", "retention_days: 20"), signed_by=("maha",))
    (contract,) = load_all(folder, PEOPLE, TODAY)
    assert (contract.version, contract.retention_days) == (2, 20)
    before = previous(path)
    assert before is not None
    assert before.version == 1


@pytest.mark.parametrize(("signed_by", "enough"), [(("maha",), False), (("maha", "noura"), True)])
def test_a_widening_needs_two(folder: Path, signed_by: tuple[str, ...], enough: bool) -> None:
    _second(folder, ("retention_days: 30", "retention_days: 40"), signed_by=signed_by)
    if enough:
        assert load_all(folder, PEOPLE, TODAY)[0].retention_days == 40
    else:
        with pytest.raises(
            ContractError, match="tells more than the version before, so 2 people must have signed it; 1"
        ):
            load_all(folder, PEOPLE, TODAY)


def test_a_version_before_that_nobody_signed_makes_no_widening_a_narrowing(folder: Path) -> None:
    _second(folder, ("retention_days: 30", "retention_days: 40"), signed_by=("maha",))
    _rewrite(folder / "past" / "carrier-1.yaml", ("retention_days: 30", "retention_days: 50"))
    with pytest.raises(ContractError, match=r"carrier-1\.yaml: is new, so 2 people must have signed it; 0 did"):
        load_all(folder, PEOPLE, TODAY)


def test_without_the_version_before_a_contract_counts_as_new(folder: Path) -> None:
    path = _second(folder, ("retention_days: 30", "retention_days: 20"), signed_by=("maha",))
    (folder / "past" / "carrier-1.yaml").unlink()
    assert previous(path) is None
    with pytest.raises(ContractError, match="is new, so 2 people"):
        load_all(folder, PEOPLE, TODAY)


def test_a_version_that_has_not_begun_leaves_the_one_before_in_force_and_one_that_ended_does_not(folder: Path) -> None:
    changes = (
        ("valid_from: 2026-01-01", "valid_from: 2026-12-01"),
        ("valid_until: 2027-12-31", "valid_until: 2026-12-31"),
    )
    _second(folder, *changes, signed_by=("maha",))
    assert load_all(folder, PEOPLE, TODAY)[0].version == 1
    assert load_all(folder, PEOPLE, date(2026, 12, 1))[0].version == 2
    assert load_all(folder, PEOPLE, date(2027, 1, 1))[0].version == 2
    with pytest.raises(ContractError, match="ended on 2026-12-31; today is 2027-01-01"):
        load_one(folder / "carrier.yaml", PEOPLE, date(2027, 1, 1))


def test_an_older_version_that_is_put_back_is_refused(folder: Path) -> None:
    path = _second(folder, ("retention_days: 30", "retention_days: 20"), signed_by=("maha",))
    shutil.copy(folder / "past" / "carrier-1.yaml", path)
    with pytest.raises(ContractError, match=r"carrier\.yaml: version 1, but past has version 1; expected the newest"):
        load_all(folder, PEOPLE, TODAY)
    (folder / "past" / "carrier-1.yaml").rename(folder / "past" / "carrier-extra.yaml")  # as of another contract
    with pytest.raises(ContractError, match=r"carrier\.yaml: was replaced, it stands in past"):
        load_all(folder, PEOPLE, TODAY)


def test_brackets_in_a_files_name_hide_no_newer_version_and_show_none_of_another_file(folder: Path) -> None:
    path = (folder / "carrier.yaml").rename(folder / "c[1].yaml")
    (folder / "past").mkdir()
    shutil.copy(path, folder / "past" / "c1-2.yaml")
    assert [each for each, _ in versions(path)] == [path]
    shutil.copy(path, folder / "past" / "c[1]-2.yaml")
    with pytest.raises(ContractError) as refused:
        versions(path)
    assert str(refused.value) == f"{path}: version 1, but past has version 2; expected the newest here"


def test_a_past_file_of_another_version_is_refused(folder: Path) -> None:
    path = _second(folder, signed_by=("maha",))
    shutil.copy(path, folder / "past" / "carrier-1.yaml")
    with pytest.raises(ContractError, match=r"carrier-1\.yaml: expected version 1, not 2"):
        versions(path)


def test_only_a_demonstration_pushes_to_this_machine(folder: Path) -> None:
    url = ("policy_version: 2026-01", "policy_version: 2026-01\npush_url: http://127.0.0.1:8080/events")
    _rewrite(folder / "carrier.yaml", url, signed_by=("noura", "maha"))
    with pytest.raises(ContractError, match="pushes to this machine; only a demonstration may"):
        load_all(folder, PEOPLE, TODAY)
    assert load_all(folder, PEOPLE, TODAY, demo=True)[0].to_this_machine


def test_an_id_has_one_issuer(folder: Path) -> None:
    shutil.copy(folder / "carrier.yaml", folder / "courier.yaml")
    _rewrite(folder / "courier.yaml", ("partner: carrier", "partner: courier"), signed_by=("noura", "maha"))
    with pytest.raises(ContractError, match=r"courier\.yaml: tracking_ref is given back to carrier already"):
        load_all(folder, PEOPLE, TODAY)
    assert len(load_all(folder, PEOPLE, date(2028, 1, 1))) == 2  # both have ended: neither is given an id


def test_an_id_may_have_another_issuer_when_the_contract_of_the_first_has_ended(folder: Path) -> None:
    shutil.copy(folder / "carrier.yaml", folder / "courier.yaml")
    ends = ("valid_until: 2027-12-31", "valid_until: 2026-11-30")
    begins = ("valid_from: 2026-01-01", "valid_from: 2026-12-01")
    _rewrite(folder / "carrier.yaml", ends, signed_by=("noura", "maha"))
    _rewrite(folder / "courier.yaml", ("partner: carrier", "partner: courier"), begins, signed_by=("noura", "maha"))
    assert [each.partner for each in load_all(folder, PEOPLE, TODAY)] == ["carrier", "courier"]


def test_a_folder_without_contracts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="expected contracts"):
        load_all(tmp_path, PEOPLE, TODAY)


def test_approving_again_what_was_changed_drops_the_signatures_on_what_it_said_before(folder: Path) -> None:
    path = folder / "carrier.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("retention_days: 30", "retention_days: 31"), encoding="utf-8"
    )
    signed = approval.approve(path, "maha", demo_key("maha"), PEOPLE)
    assert [each.signer for each in signed.signatures] == ["maha"]
    assert load(path) == signed
    assert path.read_text(encoding="utf-8").startswith("# What the carrier is told")


def test_approving_twice_with_anothers_key_or_into_an_odd_file_is_refused(folder: Path) -> None:
    path = folder / "carrier.yaml"
    with pytest.raises(ContractError, match="noura has signed already; expected another person"):
        approval.approve(path, "noura", demo_key("noura"), PEOPLE)
    with pytest.raises(ContractError, match="the signature of maha is not of what"):
        approval.approve(path, "maha", demo_key("noura"), PEOPLE)
    path.write_text(f"{path.read_text(encoding='utf-8')}push_url: https://carrier.example\n", encoding="utf-8")
    before = path.read_text(encoding="utf-8")
    with pytest.raises(ContractError, match="expected `signatures` to be the last part of the file"):
        approval.approve(path, "maha", demo_key("maha"), PEOPLE)
    assert path.read_text(encoding="utf-8") == before


def test_a_signature_is_on_the_hash_and_the_name_and_nothing_else() -> None:
    contract, key = load(FOLDER / "carrier.yaml"), demo_key("noura")
    message = b"amana contract 1\n" + b"\0\0\0\x05noura" + b"\0\0\0\x40" + contract.hash().encode()
    assert sign(contract, "noura", key).signature == key.sign(message)


PERSON = "  - {{name: {0}, role: somebody, key: {1}}}\n"
ONE, OTHER = (base64.b64encode(bytes([byte]) * 32).decode() for byte in (1, 2))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "signers:\n" + PERSON.format("ann", ONE) + PERSON.format("ben", ONE),
            ":3: ben: one person has one name and one key",
        ),
        ("signers:\n" + PERSON.format("ann", ONE) + PERSON.format("ann", OTHER), ":3: ann: one person has one name"),
        ("signers:\n" + PERSON.format("ann", "aa=="), r":2: \$\.signers\[0\]\.key"),
        (
            "signers:\n  - name: ann\n    role: '     '\n    key: " + ONE,
            "signers.yaml:3: role: expected 3 characters or more that are seen$",
        ),
        ("signers: []\n", r":1: \$\.signers: Expected `array` of length >= 1"),
        ("people: []\n", r":1: \$: Object missing|:1: \$: Object contains unknown"),
        ("&a [*a]", "alias"),
    ],
)
def test_an_ill_formed_file_of_signers_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "signers.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContractError, match=expected):
        Signers.load(path)


def test_a_made_key_signs_and_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "ann.pem"
    public = create_key(path)
    assert read_key(path).public_key().public_bytes_raw() == public
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ContractError, match=r"ann\.pem: File exists; expected a new file"):
        create_key(path)


def test_a_key_that_others_can_read_and_what_is_no_key_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ann.pem"
    with pytest.raises(ContractError, match="No such file or directory; `amana contracts key` makes"):
        read_key(path)
    path.write_bytes(b"nothing")
    path.chmod(0o644)
    with pytest.raises(ContractError, match="mode is 644, expected 600"):
        read_key(path)
    path.chmod(0o600)
    with pytest.raises(ContractError, match="expected an Ed25519 private key, PEM"):
        read_key(path)


def test_a_private_key_is_in_no_repr(folder: Path) -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"secretsecretsecretsecretsecretss")
    signed = msgspec.structs.replace(load(folder / "carrier.yaml"), signatures=())
    assert "secret" not in repr(sign(signed, "noura", key))


def test_a_replaced_version_put_back_under_another_name_is_refused(folder: Path) -> None:
    _second(folder, ("retention_days: 30", "retention_days: 20"), signed_by=("maha",))
    shutil.copy(folder / "past" / "carrier-1.yaml", folder / "wider.yaml")
    with pytest.raises(ContractError, match=r"wider\.yaml: carrier\.yaml tells carrier for dpv:FraudPrevention"):
        load_all(folder, PEOPLE, TODAY)
    (folder / "carrier.yaml").unlink()
    with pytest.raises(ContractError, match=r"wider\.yaml: was replaced, it stands in past"):
        load_all(folder, PEOPLE, TODAY)


def test_a_partner_is_told_for_two_purposes_by_two_files(folder: Path) -> None:
    shutil.copy(folder / "carrier.yaml", folder / "disputes.yaml")
    changes = (("dpv:FraudPreventionAndDetection", "dpv:DisputeManagement"), ("version: 1", "version: 2"))
    _rewrite(folder / "disputes.yaml", *changes, signed_by=("noura", "maha"))
    assert [each.purpose for each in load_all(folder, PEOPLE, TODAY)] == [
        "dpv:FraudPreventionAndDetection",
        "dpv:DisputeManagement",
    ]


def test_of_a_version_that_was_replaced_the_one_in_its_place_is_known_from_its_day_on(folder: Path) -> None:
    first = load(folder / "carrier.yaml")
    path = _second(folder, ("valid_from: 2026-01-01", "valid_from: 2026-11-27"), signed_by=("maha",))
    second = load(path)
    assert replaced(folder, TODAY) == {}
    assert replaced(folder, date(2026, 11, 27)) == {bytes.fromhex(first.hash()): bytes.fromhex(second.hash())}
