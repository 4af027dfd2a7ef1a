import unicodedata

import pytest

from events.legible import length_seen, plain, seen


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("قميص أزرق 100%", "قميص أزرق 100%"),
        ("\x1b[31mred\x1b[0m\r\n", "\\u{1b}[31mred\\u{1b}[0m\\u{d}\\u{a}"),
        ("abc\u202egnp.exe\u2066\u200b", "abc\\u{202e}gnp.exe\\u{2066}\\u{200b}"),
        ("\x9b2J\u2028", "\\u{9b}2J\\u{2028}"),
    ],
)
def test_what_moves_hides_or_reorders_is_written_out_and_nothing_else(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_long_text_is_cut() -> None:
    assert plain("x" * 500) == "x" * 120 + "…"
    assert plain("x" * 500, 3) == "xxx…"


def test_of_all_characters_none_that_python_prints_as_it_is_moves_hides_or_reorders() -> None:
    printable = [character for character in map(chr, range(0x110000)) if character.isprintable()]
    assert len(printable) > 100_000
    unsafe = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
    assert not {unicodedata.category(character) for character in printable} & unsafe


@pytest.mark.parametrize(
    ("text", "expected", "length"),
    [
        ("", "", 0),
        (" " * 20, "", 0),
        ("\u200b\u2800\u3164\ufe0f" * 5, "", 0),
        (" a\u200bb ", "ab", 2),
        ("a          b", "a          b", 3),
        ("لأن البنك طلب", "لأن البنك طلب", 13),
    ],
)
def test_what_can_be_seen_is_kept_and_counted(text: str, expected: str, length: int) -> None:
    assert (seen(text), length_seen(text)) == (expected, length)
