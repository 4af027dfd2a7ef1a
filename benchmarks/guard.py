"""Card numbers in disguise that the guard finds, and other numbers that it takes for one."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec

from benchmarks.report import Outcome, Plan, Run
from events import topics
from events.guard import Refusal, admit
from tests.events.disguises import SCHEMES, luhn_digit
from tests.events.other_numbers import other_numbers

# Each draws its own separators, scripts and surroundings, so that no two numbers are written the same way.
SPACES = (" ", "  ", "\t", "\n", "\u00a0", "\u2009", "\u202f", "\u3000", " \n ")
DASHES = ("-", "--", "\u2010", "\u2013", "\u2014", "\u2212", ".", "/", "_", "·", "|", " - ", ", ", "*", "~")
BIDI = ("\u200e", "\u200f", "\u061c", "\u202a", "\u202b\u202c", "\u2066", "\u2067\u2069")
UNSEEN = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u034f", "\ufe0f", "\u0336", "\u180e", "\u3164")
TAGS = (
    "<b>",
    "</b>",
    "<br>",
    "<br/>",
    "</td><td>",
    '<span class="n4 p-12">',
    "<!-- 7 -->",
    "&nbsp;",
    "&zwj;",
    "&#8203;",
)
SCRIPTS = (0x30, 0x660, 0x6F0, 0x966, 0x9E6, 0xE50, 0xFF10, 0x1D7CE, 0x1D7F6)
AROUND = (
    "{}", "pay {} please", "بطاقة {} شكرا", "رقم:{}؛", "card{}exp", "({})", "#{}#", "Visa {} 12/27", "{} CVV 123",
    "“{}”",
)  # fmt: skip
BESIDE = (
    "+966501234567 {}", "2026-03-01 22:15:09 {} 129.95", "order 1002, {}, 12/28", "{} 01/29 123", "3 x 49.90 SAR {}",
    "٠٥٠١٢٣٤٥٦٧ {} ٢٠٢٦", "SA0380000000608010167519 / {}", "000{}", "ORD-20260301-004217 {} 11564",
    "tel 0112345678; {}",
)  # fmt: skip
RECORDED_AT_MS = 1_764_000_000_000
_MARK = "@@@"


def script(number: str, zero: int) -> str:
    return "".join(chr(zero + int(digit)) for digit in number)


def split(rng: random.Random, number: str, separators: tuple[str, ...]) -> str:
    """One separator between groups of a size, as people write it: fours, threes, ones, a card's own layout."""
    size = rng.choice((4, 4, 4, 1, 2, 3, 5, 6))
    return rng.choice(separators).join(number[at : at + size] for at in range(0, len(number), size))


def sprinkled(rng: random.Random, number: str, unseen: tuple[str, ...]) -> str:
    """What cannot be seen between any digits, any number of times."""
    return "".join(digit + rng.choice(unseen) * rng.choice((0, 0, 1, 1, 2)) for digit in number)


def in_link(rng: random.Random, number: str) -> str:
    card = split(rng, number, ("", " ", "-", "."))
    for _ in range(rng.choice((1, 1, 2, 3))):
        card = quote(card, safe="") if rng.random() < 0.7 else "".join(f"%{byte:02x}" for byte in card.encode())
    return rng.choice(
        ("/pay?card={}&x=1", "https://shop.example/c/{}/ok", "/r#n={}", "/p?next=%2Fpay%3Fc%3D{}")
    ).format(card)


def in_json(rng: random.Random, number: str) -> str:
    text = split(rng, script(number, rng.choice(SCRIPTS)), ("", " ", "-"))
    for _ in range(rng.choice((1, 2, 3))):
        text = json.dumps({"note": text, "n": 1}, ensure_ascii=rng.random() < 0.5)
    return text


def in_html(rng: random.Random, number: str) -> str:
    if rng.random() < 0.2:
        return "".join(rng.choice((f"&#{ord(digit)};", f"&#x{ord(digit):x};")) for digit in number)
    return f"<p>{split(rng, number, TAGS)}</p>"


DISGUISES: dict[str, Callable[[random.Random, str], str]] = {
    "spaced": lambda rng, number: split(rng, number, SPACES),
    "dashed": lambda rng, number: split(rng, number, DASHES),
    "arabic-indic digits": lambda rng, number: split(rng, script(number, 0x660), ("", " ", "-", "\u066b")),
    "persian digits": lambda rng, number: split(rng, script(number, 0x6F0), ("", " ", "-", "\u200c")),
    "full-width digits": lambda rng, number: split(rng, script(number, 0xFF10), ("", "\u3000", "\uff0d", " ")),
    "bidi marks": lambda rng, number: sprinkled(rng, split(rng, number, ("", " ")), BIDI),
    "zero-width joiners": lambda rng, number: sprinkled(rng, split(rng, number, ("", "-")), UNSEEN),
    "in a link": in_link,
    "in JSON in a text": in_json,
    "split by HTML": in_html,
    "mixed scripts": lambda rng, number: "".join(script(digit, rng.choice(SCRIPTS)) for digit in number),
    "with other digits around": lambda rng, number: rng.choice(BESIDE).format(split(rng, number, ("", " ", "-"))),
}


def card_number(rng: random.Random) -> str:
    prefix, length = rng.choice(SCHEMES)
    body = (prefix + "".join(rng.choices("0123456789", k=19)))[: length - 1]
    return body + luhn_digit(body)


def disguised(rng: random.Random, disguise: str, number: str) -> str:
    text = DISGUISES[disguise](rng, number)
    return text if disguise == "with other digits around" else rng.choice(AROUND).format(text)


class Guarded:
    """The guard itself, asked about a text in a visit's path, the longest field that customers write."""

    def __init__(self) -> None:
        moment = datetime.fromtimestamp(RECORDED_AT_MS / 1000, UTC).isoformat()
        visit = {"type": "VisitRecorded", "event_id": "e-1", "occurred_at": moment, "ip": "192.0.2.1", "path": _MARK}
        self._before, self._after = json.dumps(visit).encode().split(b'"' + _MARK.encode() + b'"')

    def refuses(self, text: str) -> bool:
        found = admit(topics.VISITS, self._before + msgspec.json.encode(text) + self._after, RECORDED_AT_MS)
        if isinstance(found, Refusal) and found.reason != "refused.card_number":
            raise AssertionError(f"expected a card number's refusal or none, not {found.reason}")
        return isinstance(found, Refusal)


def recall(rng: random.Random, numbers: int) -> dict[str, float]:
    guarded = Guarded()
    cards = [card_number(rng) for _ in range(numbers)]
    return {
        disguise: sum(guarded.refuses(disguised(rng, disguise, card)) for card in cards) / numbers
        for disguise in DISGUISES
    }


def false_refusals(rng: random.Random, rounds: int) -> dict[str, float]:
    """Share refused by kind of number; in each round a few of each kind."""
    guarded = Guarded()
    tried: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for kind, text in _texts(rng, rounds):
        tried[kind] += 1
        refused[kind] += guarded.refuses(text)
    return {kind: refused[kind] / tried[kind] for kind in tried}


def _texts(rng: random.Random, rounds: int) -> Iterator[tuple[str, str]]:
    for _ in range(rounds):
        yield from other_numbers(rng)


def measure(plan: Plan) -> Outcome:
    numbers, rounds = plan.of(100_000, 200), plan.of(20_000, 50)
    rng = random.Random(11)
    began = time.process_time()
    found, refused = recall(rng, numbers), false_refusals(rng, rounds)
    spent_s = time.process_time() - began
    return Outcome(
        workload=(
            f"{numbers:,} generated card numbers of {len(SCHEMES)} issuers' ranges, each in all of {len(DISGUISES)}"
            " disguises, each time with separators, scripts and surroundings of its own; "
            f"{rounds:,} rounds of numbers that are something else. Each text stands in a whole event that the guard"
            f" is asked about ({spent_s:.0f} s of processor). guard_recall is over all, guard_false_refusals that of"
            " the kind refused most."
        ),
        runs=[Run("guard", 0, {f"recall: {name}": share for name, share in found.items()})],
        figures={
            "guard_recall": sum(found.values()) / len(found),
            "guard_false_refusals": max(refused.values()),
        },
        targets={"guard_recall": ">= .999", "guard_false_refusals": "< .01"},
        columns=["text", "refused"],
        rows=[[f"card number, {name}", f"{share:.5f}"] for name, share in found.items()]
        + [[kind, f"{share:.5f}"] for kind, share in refused.items()],
    )
