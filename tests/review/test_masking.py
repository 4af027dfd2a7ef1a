import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.types import Address
from review import masking


@pytest.mark.parametrize(
    ("mask", "text", "expected"),
    [
        (masking.name, "Noura Al-Saud", "N•••"),
        (masking.name, "نورة", "ن•••"),
        (masking.name, "\u202eNoura", "•••"),
        (masking.name, "", "•••"),
        (masking.email, "noura@example.com", "n•••@example.com"),
        (masking.email, "a@b@example.com", "a•••@example.com"),
        (masking.email, "noura", "•••"),
        (masking.email, "n@\x1b[2Jexample", "n•••@\\u{1b}[2Jexample"),
        (masking.phone, "+966 50 123 4567", "•••67"),
        (masking.phone, "٠٥٠١٢٣٤٥٦٧", "•••67"),
        (masking.phone, "112", "•••"),
        (masking.ip, "203.0.113.77", "203.0.113.0/24"),
        (masking.ip, "2001:db8:1:2::9", "2001:db8:1::/48"),
        (masking.ip, "\x1b]0;", "•••"),
        (masking.address, Address(lines=("Street 1",), city="Jeddah", postal_code="21577", country="SA"), "Jeddah, SA"),
        (masking.address, Address(country="SA"), "SA"),
        (masking.plain, "قميص أزرق 100%", "قميص أزرق 100%"),
        (masking.plain, "\x1b[31mred\x1b[0m\r\n", "\\u{1b}[31mred\\u{1b}[0m\\u{d}\\u{a}"),
        (masking.plain, "abc\u202egnp.exe\u2066\u200b", "abc\\u{202e}gnp.exe\\u{2066}\\u{200b}"),
        (masking.plain, "\x9b2J\u2028", "\\u{9b}2J\\u{2028}"),
    ],
)
def test_what_is_shown_is_exactly_this(mask: object, text: object, expected: str) -> None:
    assert mask(text) == expected  # type: ignore[operator]


@given(st.text(max_size=200))
def test_nothing_that_moves_hides_or_reorders_is_ever_printed(text: str) -> None:
    address = Address(lines=(text,), city=text, country="SA")
    shown = [masking.plain(text), masking.name(text), masking.email(text), masking.phone(text), masking.ip(text)]
    for each in (*shown, masking.address(address)):
        categories = {unicodedata.category(character) for character in each}
        assert not categories & {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


def test_long_text_is_cut() -> None:
    assert masking.plain("x" * 500) == "x" * 120 + "…"


def test_of_all_characters_none_that_python_prints_as_it_is_moves_hides_or_reorders() -> None:
    printable = [character for character in map(chr, range(0x110000)) if character.isprintable()]
    assert len(printable) > 100_000
    unsafe = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
    assert not {unicodedata.category(character) for character in printable} & unsafe
