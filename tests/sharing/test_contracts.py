import base64
import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharing.contracts import FOLDER, Release, Signature, load, parse, text_of
from sharing.errors import ContractError, SharingError
from sharing.operators import Echo, Keep
from sharing.projection import compile_contract
from tests.sharing.contracts import ACQUIRER
from tests.sharing.orders import disclosable

SIGNED = base64.b64encode(bytes(64)).decode()


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


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ("blocked", [False, False, True]),
        ("flagged", [False, True, True]),
        ("confirmed", [False] * 3),
        ("requested", [False] * 3),
    ],
)
def test_an_outcome_triggers_the_contracts_that_say_so(trigger: Any, expected: list[bool]) -> None:
    contract = msgspec.structs.replace(parse(ACQUIRER, "acquirer.yaml"), trigger=trigger)
    assert [contract.triggered_by(outcome) for outcome in ("approve", "review", "block")] == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://hooks.acquirer.example/amana/events", False),
        ("https://acquirer.example", False),
        ("https://localhost.example/", False),
        ("http://127.0.0.1:8443/events", True),
        ("http://localhost/events", True),
    ],
)
def test_a_push_url_is_https_or_this_machine_and_says_which(url: str, expected: bool) -> None:
    contract = parse(f"{ACQUIRER.partition('signatures:')[0]}push_url: {url}\n", "acquirer.yaml")
    assert (contract.push_url, contract.to_this_machine) == (url, expected)


def test_a_contract_is_in_force_from_its_first_day_through_its_last() -> None:
    contract = parse(ACQUIRER, "acquirer.yaml")
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2027, 12, 31), date(2028, 1, 1)]
    assert [contract.in_force(day) for day in days] == [False, True, True, False]


def test_a_contract_of_one_day_is_in_force_on_that_day_alone() -> None:
    contract = parse(ACQUIRER.replace("valid_until: 2027-12-31", "valid_until: 2026-01-01"), "acquirer.yaml")
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 1, 2)]
    assert [contract.in_force(day) for day in days] == [False, True, False]


def test_a_batch_that_names_its_hour_alone_leaves_every_day_in_groups_of_twenty() -> None:
    batch = "trigger: confirmed\ndelivery: batch\nrelease: {hour: 3}"
    contract = parse(ACQUIRER.replace("trigger: blocked\ndelivery: realtime", batch), "acquirer.yaml")
    assert contract.release == Release(hour=3, day=None, group_of=20)


def test_the_events_type_is_the_contracts_own() -> None:
    root = "https://schemas.amana.example/event/acquirer"
    assert parse(ACQUIRER, "x").event_uri == f"{root}/FraudPreventionAndDetection/v1"
    other = ACQUIRER.replace("dpv:FraudPreventionAndDetection", "dpv:DisputeManagement")
    assert parse(other, "y").event_uri == f"{root}/DisputeManagement/v1"


WRONG = [
    ("operator: keep", "operator: kep", ":14: $.fields[1].operator: Invalid value 'kep'; expected one of: keep, band"),
    ("name: outcome", "name: psp_token", ":13: keep may not be used on forbidden field 'psp_token'; no operator may"),
    ("name: outcome", "name: card_number", ":13: keep may not be used on forbidden field 'card_number'; no operator"),
    ("name: outcome", "name: email", ":13: keep may not be used on direct field 'email'; expected: disclose"),
    ("name: outcome", "name: amount", ":13: keep may not be used on quasi field 'amount'; expected: band, disclose"),
    ("name: outcome", "name: order_id", ":13: keep may not be used on linkable field 'order_id'; expected: pseudonym"),
    ("name: outcome", "name: colour", ":13: unknown field 'colour'; expected one of: account_id, amount"),
    ("name: outcome", "name: three_ds", ":16: 'three_ds' stands here twice"),
    ("operator: keep", "operator: echo", ":13: echo may not be used on safe field 'outcome'; expected: keep"),
    (
        "name: psp_reference",
        "name: order_id",
        ":10: echo may not be used on linkable field 'order_id'; expected: pseud",
    ),
    ("partner: acquirer", "partnr: acquirer", ":2: $: Object contains unknown field `partnr`"),
    ("operator: keep", "operator: keep\n    to: day", ":15: $.fields[1]: Object contains unknown field `to`"),
    ("legal_basis: dpv:LegitimateInterest\n", "", ":2: $: Object missing required field `legal_basis`"),
    (
        "legal_basis: dpv:LegitimateInterest",
        "legal_basis: because",
        ":6: $.legal_basis: Invalid enum value 'because'; ",
    ),
    ("purpose: dpv:FraudPrev", "purpose: dpv:Marketing # ", ":5: $.purpose: Invalid enum value 'dpv:Marketing'; exp"),
    ("    reason: Whether the order was blocked is what the acquirer acts on.\n", "", ":13: $.fields[1]: Object miss"),
    ("reason: Whether the order was blocked is what the acquirer acts on.", "reason: why", ":15: $.fields[1].reason"),
    ("kind: financial_institution", "kind: merchant", ":10: 'psp_reference' is given back only to who issued it"),
    ("trigger: blocked", "trigger: always", ":7: $.trigger: Invalid enum value 'always'"),
    ("version: 1", "version: 1\nversion: 2", ":5: 'version' stands here twice"),
    ("version: 1", "version: &a 1\nextra: *a", ":4: used again by an alias; write the value out"),
    ("version: 1", "version: !!python/name:os.system", "not YAML: could not determine a constructor"),
    ("version: 1", "version: '1", ": not YAML: "),
    ("partner: acquirer", "partner: Acquirer Ltd", ":2: $.partner: Expected `str` matching regex"),
    ("delivery: realtime", "delivery: batch\nrelease: {hour: 24}", ":9: $.release.hour: Expected `int` <= 23"),
    (
        "delivery: realtime",
        "delivery: batch\nrelease: {hour: 3, group_of: 19}",
        "$.release.group_of: Expected `int` >=",
    ),
    ("trigger: blocked", "trigger: requested", ":9: what is told on request says which request; expected field reque"),
    ("valid_until: 2027-12-31", "valid_until: 2027-13-31", ": not a timestamp that there is"),
    ("valid_until: 2027-12-31", "valid_until: soon", ":25: $.valid_until: Invalid RFC3339 encoded date"),
    ("retention_days: 180", "retention_days: 0", ":22: $.retention_days: Expected `int` >= 1"),
    ("policy_version: 2026-01", "policy_version: latest version", ":26: $.policy_version: Expected `str` matching"),
    ("delivery: realtime", "delivery: realtime\njitter_s: -1", ":9: $.jitter_s: Expected `int` >= 0"),
    ("delivery: realtime", "delivery: realtime\njitter_s: 86401", ":9: $.jitter_s: Expected `int` <= 86400"),
    ("policy_version: 2026-01", "push_url: http://acquirer.example/", ":26: $.push_url: Expected `str` matching regex"),
    (
        "policy_version: 2026-01",
        "push_url: https://acquirer.example:8443/x",
        ":26: $.push_url: Expected `str` matching",
    ),
    ("policy_version: 2026-01", "push_url: https://a@acquirer.example/x", ":26: $.push_url: Expected `str` matching r"),
    ("policy_version: 2026-01", "push_url: https://203.0.113.7@x/", ":26: $.push_url: Expected `str` matching regex"),
    ("policy_version: 2026-01", "push_url: https://10.0.0.7/x", ":26: $.push_url: Expected `str` matching regex"),
    ("policy_version: 2026-01", "push_url: https://0x7f.1/x", ":26: $.push_url: Expected `str` matching regex"),
    ("policy_version: 2026-01", "push_url: https://intranet/x", ":26: $.push_url: Expected `str` matching regex"),
    ("policy_version: 2026-01", "push_url: https://a.example/x?to=y", ":26: $.push_url: Expected `str` matching regex"),
    ("version: 1", "version: 1\nepochs: [{number: 2, since: 2026-01-01}]", ":5: epochs must count 1, 2, 3"),
    ("version: 1", "version: 1\nsignatures: [{signer: noura, signature: aa==}]", ":5: $.signatures[0].signature: Exp"),
    (
        "version: 1",
        f"version: 1\nsignatures: [{{signer: noura, signature: {SIGNED}}}, {{signer: noura, signature: {SIGNED}}}]",
        ":5: noura has signed twice; expected another person",
    ),
    (
        "name: outcome\n    operator: keep",
        "name: order_id\n    operator: pseudonym",
        ":2: epochs and pseudonyms go toget",
    ),
    ("operator: keep", "operator: constant\n    value: <b>", ":15: $.fields[1].value: Expected `str` matching"),
]


@pytest.mark.parametrize(("old", "new", "expected"), WRONG)
def test_a_contract_that_is_wrong_is_refused_with_file_and_line(old: str, new: str, expected: str) -> None:
    assert old in ACQUIRER
    with pytest.raises(ContractError) as refused:
        parse(ACQUIRER.replace(old, new, 1), "acquirer.yaml")
    assert str(refused.value).startswith("acquirer.yaml")
    assert expected in str(refused.value)


OUTCOME = "name: outcome\n    operator: keep"
REASON = "Whether the order was blocked is what the acquirer acts on."
UNSEEN = "15: reason: expected 10 characters or more that can be seen, saying why the partner needs it"
BATCH = "delivery: batch\nrelease: {hour: 3}"
COUNT = "  - {name: count, operator: count, at_least: 30, reason: for the test}"
WHOLE = [
    ("valid_until: 2027-12-31", "valid_until: 2025-12-31", "25: ends before it begins"),
    (
        "version: 1",
        "version: 1\nepochs: [{number: 1, since: 2026-01-01}]",
        "5: epochs and pseudonyms go together: expected both or neither",
    ),
    (
        OUTCOME,
        "name: amount\n    operator: disclose",
        "13: disclose serves requests of law enforcement alone; expected kind: law_enforcement, trigger: requested",
    ),
    (REASON, f"'{' ' * 20}'", UNSEEN),
    (REASON, "\u200b" * 20, UNSEEN),
    (REASON, f"'a{' ' * 20}b'", UNSEEN),
    (OUTCOME, "name: count\n    operator: count", "13: count serves batches alone; expected delivery: batch"),
    (
        "trigger: blocked\ndelivery: realtime\nfields:",
        f"trigger: confirmed\n{BATCH[:-1]}, group_of: 29}}\nfields:\n{COUNT}",
        "11: count leaves from 30 on, groups of 29 are released; expected at_least: 29 at most",
    ),
    (OUTCOME, "name: notice\n    operator: constant", "13: constant of notice: expected a value"),
    (
        OUTCOME,
        "name: request_ref\n    operator: constant\n    value: x",
        "13: constant of request_ref: expected no value: it is the request's own",
    ),
    (OUTCOME, "name: amount\n    operator: band\n    edges: [5, 5]", "13: edges must rise"),
    ("name: outcome", "name: bin", "13: keep may not be used on forbidden field 'bin'; no operator may be used on it"),
    ("delivery: realtime", "delivery: batch", "8: a batch needs release: its hour, and its day if it is weekly"),
    (
        "delivery: realtime",
        "delivery: realtime\nrelease: {hour: 3}",
        "9: only a batch is released; expected delivery: batch, or no release",
    ),
    (
        "trigger: blocked\ndelivery: realtime",
        f"trigger: confirmed\n{BATCH}\njitter_s: 60",
        "10: a batch leaves at its hour; expected delivery: realtime, or no jitter_s",
    ),
    (
        "delivery: realtime",
        BATCH,
        "7: a batch tells of confirmed cases; expected trigger: confirmed, not blocked",
    ),
    *(
        (
            f"trigger: blocked\n{between}{OUTCOME}",
            f"trigger: requested\n{between}name: {named}",
            "9: what is told on request says which request; expected field request_ref, operator constant",
        )
        for between in [ACQUIRER.partition("trigger: blocked\n")[2].partition(OUTCOME)[0]]
        for named in ("verdict\n    operator: keep", "notice\n    operator: constant\n    value: keep it safe")
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), WHOLE)
def test_what_a_contract_may_not_say_is_told_with_its_line_in_these_very_words(
    old: str, new: str, expected: str
) -> None:
    assert old in ACQUIRER
    with pytest.raises(ContractError) as refused:
        parse(ACQUIRER.replace(old, new, 1), "acquirer.yaml")
    assert str(refused.value) == f"acquirer.yaml:{expected}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("version: 1", '"k\\e[31m": 1\nversion: 1', r"4: $: Object contains unknown field `k\u{1b}[31m`"),
        ("version: 1", '"k\\u202E": 1\nversion: 1', r"4: $: Object contains unknown field `k\u{202e}`"),
        ("version: 1", "a - at `b: 1\nversion: 1", "4: $: Object contains unknown field `a - at `b`"),
        ("version: 1", "a.b: 1\nversion: 1", "4: $: Object contains unknown field `a.b`"),
        ("operator: keep", "operator: keep\n    to: day", "15: $.fields[1]: Object contains unknown field `to`"),
        ("version: 1", f"? {'k' * 2000}\n: 1\nversion: 1", f"4: $: Object contains unknown field `{'k' * 969}…"),
    ],
)
def test_what_a_refusal_quotes_moves_no_terminal_and_an_unknown_key_is_named_by_its_own_line(
    old: str, new: str, expected: str
) -> None:
    with pytest.raises(ContractError) as refused:
        parse(ACQUIRER.replace(old, new, 1), "acquirer.yaml")
    assert str(refused.value) == f"acquirer.yaml:{expected}"


# In the order in which they are told to who wrote another.
CLOSED = {
    "kind": "financial_institution verification_agency law_enforcement merchant service_provider successor",
    "purpose": "dpv:CounterMoneyLaundering dpv:DisputeManagement dpv:EnforceSecurity dpv:FraudPreventionAndDetection "
    "dpv:FulfilmentOfObligation dpv:IdentityVerification dpv:LegalCompliance dpv:MaintainFraudDatabase "
    "dpv:MisusePreventionAndDetection dpv:OrganisationRiskManagement",
    "legal_basis": "dpv:Consent dpv:Contract dpv:LegalObligation dpv:LegitimateInterest "
    "dpv:LegitimateInterestOfController dpv:LegitimateInterestOfThirdParty dpv:OfficialAuthorityOfController "
    "dpv:PublicInterest dpv:VitalInterest",
    "trigger": "flagged blocked confirmed requested",
    "delivery": "realtime batch",
    "onward_sharing": "prohibited processors as_law_requires",
}


@pytest.mark.parametrize(("key", "values"), CLOSED.items())
def test_another_word_than_those_of_a_closed_list_is_refused_with_the_list(key: str, values: str) -> None:
    lines = ACQUIRER.splitlines()
    place = next(place for place, line in enumerate(lines) if line.startswith(f"{key}: "))
    lines[place] = f"{key}: other"
    with pytest.raises(ContractError) as refused:
        parse("\n".join(lines), "acquirer.yaml")
    assert str(refused.value) == (
        f"acquirer.yaml:{place + 1}: $.{key}: Invalid enum value 'other'; expected one of: {values.replace(' ', ', ')}"
    )


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


BOMBS = {
    "merge keys": "<<: {a: 1}\n<<: {b: 2}",
    "a number without end": f"version: {'9' * 5000}",
    "a number beyond 64 bits": "version: 99999999999999999999999",
    "no number": "version: .nan",
    "nesting": "fields: " + "[" * 3000 + "]" * 3000,
    "nesting of keys": "\n".join(f"{' ' * depth}a:" for depth in range(1000)),
    "a tag": "version: !!python/object/apply:os.system [ls]",
    "two documents": "partner: a\n---\npartner: b",
    "a directive": "%TAG ! tag:yaml.org,2002:\n---\n!python/name:os.system x",
    "a key that is a list": "? [a, b]\n: 1",
    "an anchor of itself": "&a {b: *a}",
    "binary": "version: !!binary aGVsbG8=",
    "a merge": "<<: {partner: acquirer}",
    "a timestamp that is none": "valid_from: !!timestamp soon",
    "a truth that is none": "version: !!bool perhaps",
    "a number of nothing": 'version: !!int ""',
    "a fraction of nothing": 'version: !!float ""',
    "a fraction beyond all": f"version: 1{':5' * 2000}.5",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_refused_with_its_file_and_at_once(text: str) -> None:
    with pytest.raises(ContractError, match=r"^bomb\.yaml") as refused:
        parse(text, "bomb.yaml")
    assert len(str(refused.value)) < 2_000


LINES = ACQUIRER.splitlines()


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, len(LINES) - 1), st.integers(0, len(LINES) - 1), st.sampled_from(["drop", "swap", "twice", "cut"])
)
def test_a_contract_changed_anywhere_is_refused_or_is_a_whole_contract(one: int, other: int, way: str) -> None:
    lines = list(LINES)
    if way == "drop":
        del lines[one]
    elif way == "swap":
        lines[one], lines[other] = lines[other], lines[one]
    elif way == "twice":
        lines.insert(other, lines[one])
    else:
        lines[one] = lines[one][: len(lines[one]) // 2]
    try:
        contract = parse("\n".join(lines), "changed.yaml")
    except ContractError:
        return
    told = json.loads(compile_contract(contract, b"k" * 32).project(disclosable()))
    assert set(told) <= {"jti", *(term.name for term in contract.fields)}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("retention_days: 180", "retention_days: 0170", r"acquirer\.yaml:\d+: expected a plain decimal number"),
        ("version: 1\n", "version: 0x1\n", r"acquirer\.yaml:4: expected a plain decimal number"),
        ("valid_from: 2026-01-01", "valid_from: 2026-02-30", r"acquirer\.yaml:\d+: not a timestamp that there is"),
        ("kind:", "# for now\u2028push_url: https://other.example\nkind:", r"acquirer\.yaml:3: holds U\+2028"),
        ("kind:", "# pushed to \u202eelpmaxe\nkind:", r"acquirer\.yaml:3: holds U\+202E"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(old: str, new: str, expected: str) -> None:
    assert old in ACQUIRER
    with pytest.raises(ContractError, match=expected):
        parse(ACQUIRER.replace(old, new, 1), "acquirer.yaml")


def test_of_a_file_that_is_longer_than_memory_only_a_piece_is_read(tmp_path: Path) -> None:
    with (tmp_path / "long.yaml").open("wb") as file:
        file.truncate(1 << 40)  # a hole: it takes no room
    with pytest.raises(ContractError, match=r"long.yaml: longer than 65536 characters"):
        load(tmp_path / "long.yaml")


@pytest.mark.parametrize("character", ["x", "ع", "€", "\U00010000"])
def test_a_file_is_read_up_to_one_character_more_than_a_contract_may_have(tmp_path: Path, character: str) -> None:
    path = tmp_path / "long.yaml"
    for length in (65_536, 65_537, 65_538, 200_000):
        path.write_text(character * length, encoding="utf-8")
        assert text_of(path) == character * min(length, 65_537)


def test_a_file_keeps_its_ends_of_lines(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: 1\r\nb: 2\n")
    assert text_of(tmp_path / "a.yaml") == "a: 1\r\nb: 2\n"


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


def test_the_hash_is_of_all_but_the_signatures_and_of_no_default() -> None:
    contract = parse(ACQUIRER, "acquirer.yaml")
    signed = msgspec.structs.replace(contract, signatures=(Signature(signer="noura", signature=bytes(64)),))
    assert signed.hash() == contract.hash()
    unsigned = msgspec.to_builtins(msgspec.structs.replace(contract, signatures=()))
    assert "push_url" not in unsigned
    canonical = json.dumps(unsigned, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert contract.hash() == hashlib.sha256(canonical).hexdigest()
