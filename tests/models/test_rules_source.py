"""Rules files: what is read, and how mistakes are named and placed."""

import pytest

from models.errors import BadRules
from models.rules import hash_of, loaded, parsed
from models.rules.fields import LISTED
from models.rules.places import MAX_BYTES
from models.rules.source import MAX_RULES

NAMES = ("card.orders.count.1h", "x")
GOOD = """\
set: store
lists:
- name: trusted
  of: customer
  note: asked for by the shop
  members:
  - cccccccccccccccccccccc
rules:
- name: card-velocity
  code: card.velocity
  when: card.orders.count.1h >= 4
  action: review
  owner: risk
  expiry: 2027-03-01
- name: trusted
  code: list.trusted
  when: entity.customer in lists.trusted
  action: approve
  owner: risk
  expiry: never
  shadow: true
- name: points
  code: some.points
  when: x > 1
  action: add_score
  score: 0.25
  owner: risk
  expiry: never
"""


def test_a_file_is_read_as_it_stands(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(GOOD)
    found = loaded(path, NAMES)
    assert (found.name, found.hash, found.text) == ("store", hash_of(GOOD), GOOD)
    assert [(r.name, r.code, r.action, r.owner, r.expires_ms, r.shadow, r.points) for r in found.rules] == [
        ("card-velocity", "card.velocity", "review", "risk", 1_803_859_200_000.0, False, 0.0),
        ("trusted", "list.trusted", "approve", "risk", float("inf"), True, 0.0),
        ("points", "some.points", "add_score", "risk", float("inf"), False, 0.25),
    ]


def test_another_text_has_another_hash():
    assert hash_of(GOOD) != hash_of(GOOD + "# a word\n")


def refusal(text, names=NAMES):
    with pytest.raises(BadRules) as caught:
        parsed(text, names, "r.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("set: store", "set: A Store", "r.yaml:1:6: the file: set: expected small letters, digits, '-'"),
        ("set: store", "sets: store", "r.yaml:1:1: the file: unknown key; expected rules, set, lists"),
        (
            "of: customer",
            "of: person",
            "r.yaml:4:7: list trusted: of: expected one of " + ", ".join(LISTED),
        ),
        (
            "cccccccccccccccccccccc",
            "noor@example.com",
            ("r.yaml:7:5: list trusted: expected a pseudonym; `amana rules pseudonym customer` makes one"),
        ),
        ("name: points", "name: trusted", "r.yaml:22:9: a rule of that name is there twice: trusted"),
        (
            "code: card.velocity",
            "code: velocity",
            "r.yaml:10:9: rule card-velocity: code: expected words with dots between, as card.velocity",
        ),
        (
            "code: card.velocity",
            "code: refused.by_us",
            "r.yaml:10:9: rule card-velocity: codes of refused. and model.* are not rules'",
        ),
        (
            "action: review",
            "action: refuse",
            "r.yaml:12:11: rule card-velocity: action: expected one of block, review, approve, add_score",
        ),
        ("action: review", "action: review\n  action: block", "r.yaml:13:3: a rule: action is there twice"),
        ("  action: review\n", "", "r.yaml:9:3: a rule: action is missing"),
        (
            "expiry: 2027-03-01",
            "expiry: 2027-02-29",
            "r.yaml:14:11: rule card-velocity: expiry: expected a date as 2027-01-31, when it ceases, or never",
        ),
        ("shadow: true", "shadow: maybe", "r.yaml:21:11: rule trusted: shadow: expected one of true, false"),
        ("score: 0.25", "score: 2", "r.yaml:26:10: rule points: score: expected what to add, from -1 to 1, not 0"),
        ("score: 0.25", "score: nan", "r.yaml:26:10: rule points: score: expected what to add, from -1 to 1, not 0"),
        ("  score: 0.25\n", "", "r.yaml:22:3: rule points: score: expected what to add, from -1 to 1, not 0"),
        (
            "action: review",
            "action: review\n  score: 0.1",
            "r.yaml:13:10: rule card-velocity: score: goes with action add_score alone",
        ),
        (
            "owner: risk",
            "owner: ''",
            "r.yaml:13:10: rule card-velocity: owner: expected who answers for it, in 100 characters",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(old, new, message):
    assert refusal(GOOD.replace(old, new, 1)) == message


def test_an_unknown_feature_is_shown_in_its_line_with_the_nearest_names():
    assert refusal(GOOD.replace("count.1h >= 4", "count.2h >= 4")) == (
        "r.yaml:11:9: rule card-velocity: when: unknown feature card.orders.count.2h; nearest: card.orders.count.1h\n"
        "    card.orders.count.2h >= 4\n"
        "    ^^^^^^^^^^^^^^^^^^^^"
    )


@pytest.mark.parametrize(
    ("when", "place"),
    [
        ("x / 0 > 1", "11:13"),
        ("'x / 0 > 1'", "11:14"),
        ("x >\n    x / 0", "12:9"),
        ("|\n    x > 1 and\n      x / 0 > 1", "13:11"),
        (">-\n    x > 1 and\n    x / 0 > 1", "13:9"),
        ('"x \\u003e x / 0"', "11:9"),
    ],
)
def test_a_division_by_zero_is_placed_however_the_expression_is_written(when, place):
    text = GOOD.replace("card.orders.count.1h >= 4", when)
    assert refusal(text).startswith(f"r.yaml:{place}: rule card-velocity: when: divides by zero\n")


def test_every_mistake_is_named_at_once_in_the_files_order():
    text = GOOD.replace("x > 1", "x >").replace("count.1h >= 4", "count.2h").replace("of: customer", "of: nobody")
    assert [line.split(":")[1] for line in refusal(text).splitlines() if line.startswith("r.yaml")] == [
        "4",
        "11",
        "24",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "r.yaml:1:1: is empty"),
        ("rules: [", "r.yaml:1:9: not YAML: expected the node content, but found '<stream end>'"),
        ("rules: {}", "r.yaml:1:8: rules: expected a list, an entry a `-`"),
        ("- a", "r.yaml:1:1: the file: expected `key: value` pairs"),
        ("rules: [a]", "r.yaml:1:9: a rule: expected `key: value` pairs"),
        ("rules: \x00", "r.yaml:1:1: not YAML: a character or a depth that it does not have"),
        ("rules: " + "[" * 5_000, "r.yaml:1:1: not YAML: a character or a depth that it does not have"),
        ("#" * (MAX_BYTES + 1), f"r.yaml:1:1: expected at most {MAX_BYTES:,} bytes"),
        ("a: &a [x]\nrules: *b", "r.yaml:2:8: not YAML: found undefined alias 'b'"),
        ("rules: !!python/object:os.system []", ""),
    ],
    ids=range(10),
)
def test_what_is_no_rules_file_is_refused(text, message):
    if message:
        assert refusal(text) == message
    else:  # tags are never followed
        assert parsed(text, NAMES).rules == ()


def test_more_rules_than_a_chunk_has_time_for_are_refused():
    rule = "{name: r%d, code: a.a, when: x > 1, action: review, owner: o, expiry: never}"
    rules = [f"- {rule % number}" for number in range(MAX_RULES + 1)]
    assert refusal("rules:\n" + "\n".join(rules)) == f"r.yaml:{MAX_RULES + 2}:3: rules: expected at most 1,000"


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_bytes(b"rules: \xff")
    with pytest.raises(BadRules, match=r"r.yaml:1:1: expected UTF-8"):
        loaded(path, NAMES)
