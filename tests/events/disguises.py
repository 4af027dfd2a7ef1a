"""Card numbers, and how they are written to be overlooked."""

import json
from collections.abc import Callable
from urllib.parse import quote

from hypothesis import strategies as st

# Beginning and length of what issuers use, from their own published ranges.
SCHEMES = [
    ("4", 16), ("4", 19), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15), ("36", 14),
    ("300", 14), ("38", 16), ("6011", 16), ("644", 19), ("3528", 16), ("62", 16), ("62", 18), ("6759", 18),
    ("588845", 16), ("968201", 16), ("507803", 16), ("2200", 16), ("9792", 16), ("5090", 16), ("8600", 16),
]  # fmt: skip


# Every issuer's range: first and last beginning, and all lengths in use.
ISSUERS: list[tuple[str, str, tuple[int, ...]]] = [
    ("4", "4", (13, 16, 19)), ("51", "55", (16,)), ("2221", "2720", (16,)), ("34", "34", (15,)), ("37", "37", (15,)),
    ("300", "305", (14, 16, 19)), ("3095", "3095", (14, 16, 19)), ("36", "36", (14, 16, 19)),
    ("38", "39", (14, 16, 19)), ("6011", "6011", (16, 19)), ("644", "659", (16, 19)), ("3528", "3589", (16, 19)),
    ("62", "62", (16, 17, 18, 19)), ("81", "81", (16, 19)), ("5018", "5018", (13, 15, 16, 18, 19)),
    ("5020", "5020", (13, 15, 16, 18, 19)), ("5038", "5038", (13, 15, 16, 18, 19)),
    ("5612", "5612", (13, 15, 16, 18, 19)), ("5893", "5893", (13, 15, 16, 18, 19)),
    ("6304", "6304", (13, 15, 16, 18, 19)), ("6390", "6390", (13, 15, 16, 18, 19)),
    ("6759", "6759", (13, 15, 16, 18, 19)), ("6761", "6763", (13, 15, 16, 18, 19)), ("5888", "5888", (16,)),
    ("6049", "6049", (16,)), ("6051", "6051", (16,)), ("6361", "6361", (16,)), ("9682", "9682", (16,)),
    ("5078", "5078", (16, 19)), ("5061", "5061", (16, 18, 19)), ("9792", "9792", (16,)), ("5085", "5089", (16,)),
    ("6069", "6085", (16,)), ("5067", "5067", (16,)), ("5090", "5099", (16,)), ("6277", "6277", (16,)),
    ("6362", "6363", (16,)), ("2200", "2204", (16, 17, 18, 19)), ("8600", "8600", (16,)), ("9860", "9860", (16,)),
]  # fmt: skip


def luhn_digit(digits: str) -> str:
    """The check digit, computed as the standard's annex tells it: naively, from the right."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * 2 if place % 2 == 0 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled
    return str((10 - total % 10) % 10)


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    prefix, length = draw(st.sampled_from(SCHEMES))
    body = prefix + "".join(draw(st.lists(st.sampled_from("0123456789"), min_size=19, max_size=19)))
    return body[: length - 1] + luhn_digit(body[: length - 1])


def in_script(zero: int) -> Callable[[str], str]:
    return lambda number: "".join(chr(zero + int(digit)) for digit in number)


def grouped(separator: str, size: int = 4) -> Callable[[str], str]:
    return lambda number: separator.join(number[at : at + size] for at in range(0, len(number), size))


_ZEROS = (0x30, 0x660, 0x6F0, 0xFF10, 0x966, 0x1D7CE)

DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "spaced": grouped(" "),
    "hyphens": grouped("-"),
    "dots and spaces": grouped(" . "),
    "every digit apart": grouped(" ", 1),
    "newlines": grouped("\n"),
    "no-break spaces": grouped("\u00a0"),
    "arabic-indic": in_script(0x660),
    "extended arabic-indic": in_script(0x6F0),
    "devanagari, spaced": lambda number: grouped(" ")(in_script(0x966)(number)),
    "fullwidth": in_script(0xFF10),
    "mathematical bold": in_script(0x1D7CE),
    "superscript": lambda number: number.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")),
    "bidi marks": grouped("\u200f", 3),
    "bidi isolates around arabic groups": lambda number: "\u2067" + grouped("\u2069 \u2067")(in_script(0x660)(number)),
    "zero-width": grouped("\u200b", 1),
    "soft hyphens": grouped("\u00ad", 5),
    "combining marks": grouped("\u0336", 1),
    "keycaps": grouped("\ufe0f\u20e3", 1),
    "in a sentence": lambda number: f"please charge {number}, thanks",
    "in arabic": lambda number: f"بطاقتي رقم{number}شكرا",
    "glued to letters": lambda number: f"card{number}exp1226",
    "after zeros": lambda number: number.zfill(24),
    "with its expiry run on": lambda number: f"{number[:16]}1227123" if len(number) == 16 else number,
    "percent-encoded": lambda number: "/pay?card=" + grouped("%20")(number),
    "percent-encoded hyphens": lambda number: "/pay?card=" + grouped("%2D")(number),
    "in a link": lambda number: "https://shop.example/?c=" + grouped("+")(number),
    "percent-encoded twice": lambda number: "/go?to=%2Fpay%3Fcard%3D" + grouped("%2520")(number),
    "every digit percent-encoded twice": lambda number: "".join(f"%25{ord(digit):02X}" for digit in number),
    "tags around groups": lambda number: "<b>" + grouped("</b><b>")(number) + "</b>",
    "tags within groups": lambda number: f"<i>{number[:2]}</i>" + grouped(" ")(number)[2:],
    "a tag with digits in it": grouped('<span style="margin:0 12px">', 5),
    "html spaces": grouped("&nbsp;"),
    "html spaces without their end": grouped("&nbsp"),
    "html zero-width": grouped("&zwj;", 1),
    "html numbers": lambda number: "".join(f"&#{ord(digit)};" for digit in number),
    "html hexadecimal in arabic-indic": lambda number: "".join(f"&#x{0x660 + int(digit):x};" for digit in number),
    "json in a text": lambda number: json.dumps({"note": json.dumps({"card": number})}),
    "json escapes in a text": lambda number: json.dumps({"card": in_script(0x660)(number)}),
    "json escapes, escaped again": lambda number: json.dumps(json.dumps(in_script(0xFF10)(number))),
    "a json list of digits": lambda number: json.dumps([int(digit) for digit in number]),
    "hexadecimal escapes": lambda number: "".join(f"\\x{ord(digit):02x}" for digit in number),
    "html in json in a link": lambda number: "/x?d=" + quote(json.dumps({"t": grouped("<br>&nbsp;")(number)})),
    "a script a digit": lambda number: "".join(
        chr(_ZEROS[place % len(_ZEROS)] + int(digit)) for place, digit in enumerate(number)
    ),
    "far apart": grouped(" " * 20),
    "beside a phone": lambda number: f"+966501234567 {number}",
    "beside a time": lambda number: f"2025-11-22 10:11:12 {number}",
    "after an account number": lambda number: f"SA0380000000608010167519 / {number}",
}
