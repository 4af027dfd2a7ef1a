"""A corpus of generated card numbers in disguise, and of numbers that are something else."""

import random
import string
import sys
import time
import unicodedata
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.cards import fold_digits, holds_card_number, may_hold_card_number
from tests.events.disguises import DISGUISES, card_numbers


@pytest.mark.parametrize("disguise", DISGUISES)
@given(number=card_numbers())
def test_a_card_number_is_found_in_every_disguise(disguise: str, number: str) -> None:
    text = DISGUISES[disguise](number)
    assert holds_card_number(text)
    assert may_hold_card_number(msgspec.json.encode({"note": text}))


@given(number=card_numbers(), data=st.data())
def test_a_card_number_split_anywhere_by_one_separator_is_found(number: str, data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.integers(1, len(number) - 1)))
    separator = data.draw(st.sampled_from([" ", "-", ".", "_", "/", " - ", "·", "\u200e", "|", "\u200b \u200b"]))
    pieces = [number[a:b] for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), len(number)], strict=True)]
    assert holds_card_number(separator.join(pieces))


@pytest.mark.parametrize(
    "number",
    ["4111111111111111", "4222222222222", "5555 5555 5555 4444", "3782 822463 10005", "3056 930902 5904"],
)  # fmt: skip
def test_the_test_numbers_of_gateways_are_found(number: str) -> None:
    assert holds_card_number(number)


@given(number=card_numbers())
def test_a_number_with_a_wrong_check_digit_is_none(number: str) -> None:
    assert not holds_card_number(number[:-1] + str((int(number[-1]) + 1) % 10))


def gs1(digits: str) -> str:
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return digits + str((10 - total % 10) % 10)


def iban(rng: random.Random, country: str, length: int) -> str:
    account = "".join(rng.choices(string.digits, k=length - 4))
    rest = int("".join(str(int(char, 36)) for char in account + country + "00")) % 97
    return f"{country}{98 - rest:02d}{account}"


def spaced(text: str) -> str:
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def other_numbers(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Kind and text of one of each."""
    digits = lambda count: "".join(rng.choices(string.digits, k=count))  # noqa: E731 - a dozen uses below
    moment = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(
        seconds=rng.randrange(30_000_000), microseconds=rng.randrange(10**6)
    )
    yield "order id", f"ORD-{moment:%Y%m%d}-{digits(6)}"
    yield "order id", digits(10)
    yield "order id", f"{rng.choice('147')}{digits(2)}-{digits(7)}-{digits(7)}"
    yield "order id", f"#{digits(4)}-{digits(4)}"
    yield "order id", str(1_180_000_000_000_000_000 + rng.randrange(10**17))
    yield "uuid", str(uuid.UUID(int=rng.getrandbits(128), version=4))
    yield "hexadecimal", f"sess_{rng.getrandbits(128):032x}"
    yield "hexadecimal", f"{rng.getrandbits(256):064x}"
    yield "phone", f"+9665{digits(8)}"
    yield "phone", f"+971 5{digits(1)} {digits(3)} {digits(4)}"
    yield "phone", f"00966 5{digits(1)} {digits(3)} {digits(4)}"
    yield "phone", f"+49 15{digits(1)} {digits(4)} {digits(4)}"
    yield "phone", f"05{digits(8)} / 05{digits(8)}"
    yield "phone", f"050 {digits(3)} {digits(4)}, 055 {digits(3)} {digits(4)}"
    country, length = rng.choice([("SA", 24), ("AE", 23), ("KW", 30), ("DE", 22), ("FR", 27), ("GB", 22)])
    yield "iban", iban(rng, country, length)
    yield "iban", f"IBAN {spaced(iban(rng, country, length))} BANK"
    yield "parcel", f"1Z{rng.getrandbits(24):06X}{digits(10)}"
    yield "parcel", gs1("94" + digits(19))
    yield "parcel", spaced(gs1("92" + digits(19)))
    yield "parcel", "00" + gs1("3" + digits(16))
    yield "parcel", f"RR{digits(9)}SA"
    yield "parcel", digits(12)
    yield "article", gs1("40" + digits(10))
    yield "article", gs1("628" + digits(9))
    yield "time", moment.isoformat()
    yield "time", f"{moment:%Y%m%d%H%M%S}"
    yield "time", str(int(moment.timestamp() * 1000))
    yield "time", str(int(moment.timestamp() * 1_000_000))
    yield "time", f"from {moment:%Y-%m-%d %H:%M:%S} to {moment + timedelta(hours=2):%Y-%m-%d %H:%M:%S}"
    yield (
        "address",
        f"شارع {digits(3)}، حي {digits(2)}، {digits(5)}-{digits(4)}، ص.ب {digits(5)}".translate(
            str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
        ),
    )
    yield "address", f"{digits(4)} King Fahd Rd, Unit {digits(2)}, Riyadh {digits(5)}-{digits(4)}"
    yield "network", f"192.168.{rng.randrange(256)}.{rng.randrange(256)} 10.{rng.randrange(256)}.0.{rng.randrange(256)}"
    yield (
        "product",
        f'Galaxy S{rng.randrange(20, 30)} Ultra {rng.choice((128, 256, 512))}GB, 6.{digits(1)}", 200/50/12 MP',
    )
    yield (
        "product",
        f"هاتف ذكي {digits(3)} جيجابايت، مقاس {digits(2)}.{digits(1)} بوصة، {digits(4)} مللي أمبير، موديل 2025",
    )
    yield "product", f"سعر {digits(3)},{digits(3)}.00 ريال بدلا من {digits(3)},{digits(3)}.00 ريال (خصم {digits(2)}%)"
    yield "product", f"Trousers, sizes 30-32-34-36, {digits(2)}% cotton, ref. {digits(8)}/{digits(3)}"
    yield (
        "agent",
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/{digits(3)}.0.{digits(4)}.{digits(3)} Safari/537.36",
    )


def test_fewer_than_one_in_a_hundred_other_numbers_is_taken_for_a_card() -> None:
    rng = random.Random(7)
    tried: dict[str, int] = {}
    taken: dict[str, int] = {}
    for _ in range(400):
        for kind, text in other_numbers(rng):
            tried[kind] = tried.get(kind, 0) + 1
            taken[kind] = taken.get(kind, 0) + holds_card_number(text)
    assert sum(taken.values()) / sum(tried.values()) < 0.002
    assert {kind: count / tried[kind] for kind, count in taken.items() if count / tried[kind] >= 0.01} == {}


def test_every_digit_of_unicode_is_folded_and_looked_at() -> None:
    digits = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.digit(chr(code), None) is not None]
    assert len(digits) > 700
    assert [fold_digits(digit) for digit in digits] == [str(unicodedata.digit(digit)) for digit in digits]
    assert all(may_hold_card_number((digit * 13).encode()) for digit in digits)
    assert not may_hold_card_number("".join(f"{digit}x" for digit in digits).encode())


@given(st.text(max_size=200) | st.text(alphabet="4151- ١٢٣٤\u200f%", max_size=60))
def test_the_quick_look_never_passes_what_the_close_look_finds(text: str) -> None:
    if holds_card_number(text):
        assert may_hold_card_number(msgspec.json.encode([text]))


@pytest.mark.parametrize(
    "text", ["1 " * 32_000, "4 " * 32_000, "9" * 64_000, "0" * 64_000, "4" * 19 + " - " * 20_000, "ab12" * 16_000]
)
def test_the_longest_text_is_searched_in_bounded_time(text: str) -> None:
    started = time.process_time()
    holds_card_number(text)
    assert time.process_time() - started < 3
