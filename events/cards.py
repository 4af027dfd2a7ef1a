"""Card numbers in text, however they are written.

A card number is 13 to 19 digits that begin as an issuer's do, have a length that this issuer uses, and pass Luhn's
check (ISO/IEC 7812). Digits may be of any script, and other characters may stand between them. A number is looked for
wherever digits begin or end, not inside an unbroken run of them: one in twelve random 19-digit numbers has a 16-digit
piece that passes all three, and order, parcel and advertisement numbers are such numbers. Two exceptions: zeros before
it, and an expiry after it, are taken off.

Text is also read as what it may be made of: with the escapes of URLs, HTML and JSON undone, inside one another up to
four deep, and with HTML's tags taken out.
"""

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from events.words import WORDS

# First digits from, to (same length), and the lengths in use. The general schemes, then domestic ones of the Gulf,
# Egypt, Turkey, India, Brazil, Russia, Nigeria and Central Asia, where they are not inside the general ranges.
_ISSUERS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("300", "305", (14, 16, 19)),  # Diners Club
    ("3095", "3095", (14, 16, 19)),
    ("36", "36", (14, 16, 19)),
    ("38", "39", (14, 16, 19)),
    ("6011", "6011", (16, 19)),  # Discover
    ("644", "659", (16, 19)),
    ("3528", "3589", (16, 19)),  # JCB
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
    ("81", "81", (16, 19)),
    ("5018", "5018", (13, 15, 16, 18, 19)),  # Maestro
    ("5020", "5020", (13, 15, 16, 18, 19)),
    ("5038", "5038", (13, 15, 16, 18, 19)),
    ("5612", "5612", (13, 15, 16, 18, 19)),
    ("5893", "5893", (13, 15, 16, 18, 19)),
    ("6304", "6304", (13, 15, 16, 18, 19)),
    ("6390", "6390", (13, 15, 16, 18, 19)),
    ("6759", "6759", (13, 15, 16, 18, 19)),
    ("6761", "6763", (13, 15, 16, 18, 19)),
    ("5888", "5888", (16,)),  # mada
    ("6049", "6049", (16,)),
    ("6051", "6051", (16,)),
    ("6361", "6361", (16,)),
    ("9682", "9682", (16,)),
    ("5078", "5078", (16, 19)),  # Meeza, Verve
    ("5061", "5061", (16, 18, 19)),  # Verve
    ("9792", "9792", (16,)),  # Troy
    ("5085", "5089", (16,)),  # RuPay
    ("6069", "6085", (16,)),
    ("5067", "5067", (16,)),  # Elo
    ("5090", "5099", (16,)),
    ("6277", "6277", (16,)),
    ("6362", "6363", (16,)),
    ("2200", "2204", (16, 17, 18, 19)),  # Mir
    ("8600", "8600", (16,)),  # Uzcard
    ("9860", "9860", (16,)),  # Humo
)
_LENGTHS: dict[str, frozenset[int]] = {}
for _low, _high, _lengths in _ISSUERS:
    for _prefix in range(int(_low), int(_high) + 1):
        _LENGTHS[str(_prefix)] = _LENGTHS.get(str(_prefix), frozenset()) | frozenset(_lengths)


_RUN = re.compile(r"[0-9](?:[\W_]{0,32}[0-9]){12,}")
_DIGITS = re.compile(r"[0-9]+")
_HEXADECIMAL = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{20,})(?![0-9A-Za-z])"
)
_LETTERS = re.compile(r"[A-Fa-f]+")
_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?:[ -]?[0-9A-Z]){11,30}")
_POSTAL = re.compile(r"(?<![0-9])9[1-5][0-9]{2}(?:[ -]?[0-9]{4}){4}[ -]?[0-9]{2}(?![0-9])")
# MMYY, or YYMM as on the magnetic stripe, then perhaps a service code or a verification value.
_EXPIRY = re.compile(r"(?:(?:0[1-9]|1[0-2])[2-4][0-9]|[2-4][0-9](?:0[1-9]|1[0-2]))(?:[0-9]{3,4})?")
_ESCAPE = re.compile(r"\\+(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|.)", re.DOTALL)
_TAG = re.compile(r"<[^<>]{0,512}>")
_ENTITY = re.compile(rb"&(?:#|[A-Za-z]{2,31};|nbsp|shy)")
_DEPTH = 4
_CARD_LAYOUTS = {(4, 6, 5), (4, 6, 4)}

# For the quick look: every digit becomes 0, everything but letters and the quotes around strings goes.
_ZEROS = bytes.maketrans(b"0123456789", b"0000000000")
_PASSED_OVER = bytes(code for code in range(256) if code >= 128 or not (chr(code).isalnum() or chr(code) == '"'))
_ASCII = bytes(range(128))
# Decimal digits, and those that are digits in another form: superscript, circled, of scripts without a zero.
_OTHER_DIGIT = re.compile(
    r"[\d"
    "\u00b2-\u00b3\u00b9\u1369-\u1371\u19da\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u2474-\u247c"
    "\u2488-\u2490\u24ea\u24f5-\u24fd\u24ff\u2776-\u277e\u2780-\u2788\u278a-\u2792"
    "\U00010a40-\U00010a43\U00010e60-\U00010e68\U00011052-\U0001105a\U0001f100-\U0001f10a"
    "]"
)
_FILLERS = "\u115f\u1160\u3164\uffa0"  # letters to Unicode, blank to the eye


class Folding(dict[int, str | None]):
    """For str.translate: digits of every script to 0-9, marks and what has no width to nothing, plus what is given."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        digit = unicodedata.digit(char, None)
        if digit is not None:
            folded = str(digit)
        else:
            folded = "" if unicodedata.category(char) in {"Cf", "Mn", "Me"} or char in _FILLERS else char
        self[code] = folded
        return folded


_FOLDING = Folding()


def fold_digits(text: str) -> str:
    """The text with the digits of every script as 0-9, and without marks, bidi controls and zero-width characters."""
    return text if text.isascii() else text.translate(_FOLDING)


def may_hold_card_number(body: bytes) -> bool:
    """Whether a closer look is needed at JSON in UTF-8 without insignificant escapes; 2 to 15 microseconds.

    False means that no string in it holds a card number.
    """
    if b"%" in body or b"\\" in body or b"<" in body or _has_long_run(body):
        return True
    if b"&" in body and _ENTITY.search(body):
        return True
    if body.isascii():
        return False
    others = set(_OTHER_DIGIT.findall(body.translate(None, _ASCII).decode()))
    for digit in others:
        body = body.replace(digit.encode(), b"0")
    return bool(others) and _has_long_run(body)


def _has_long_run(body: bytes) -> bool:
    """Whether thirteen ASCII digits follow one another with neither a letter nor the end of a string between them."""
    return b"0000000000000" in body.translate(_ZEROS, _PASSED_OVER)


def holds_card_number(text: str) -> bool:
    """Whether the text has a card number in it, also in other scripts, split, escaped or with hidden marks."""
    return any(map(_has_card, map(fold_digits, _readings(text))))


def _readings(text: str) -> Iterator[str]:
    """The text, and the texts that it may be another way of writing."""
    for _ in range(_DEPTH):
        yield text
        if "<" in text:
            yield _TAG.sub("", text)
            yield _TAG.sub(" ", text)
        if "%" in text:
            yield unquote(text.replace("+", " "))
        plain = _unescaped(text)
        if plain == text:
            return
        text = plain
    yield text


def _unescaped(text: str) -> str:
    """One layer of the escapes of URLs, HTML and JSON undone, as far as digits and what stands between them go."""
    if "\\" in text:
        text = _ESCAPE.sub(_character, text)
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "&" in text:
        text = html.unescape(text)
    return unquote(text) if "%" in text else text


def _character(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    return chr(int(code, 16)) if code else " "


def _has_card(text: str) -> bool:
    if _RUN.search(text) is None:
        return False
    text = _without_other_numbers(text)
    return any(_run_has_card(run[0], dialled=text[: run.start()].endswith("+")) for run in _RUN.finditer(text))


def _run_has_card(run: str, *, dialled: bool) -> bool:
    groups = _DIGITS.findall(run)
    separators = _DIGITS.split(run)[1:-1]
    return any(
        _has_card_from(groups, separators, first, international=dialled and first == 0) for first in range(len(groups))
    )


def _has_card_from(groups: Sequence[str], separators: Sequence[str], first: int, *, international: bool) -> bool:
    """Whether a card number begins with that group and ends with a later one, or in it."""
    digits = ""
    for last in range(first, len(groups)):
        digits += groups[last]
        bare = digits.lstrip("0")
        if len(bare) > 19 and last > first:
            return False
        if len(digits) < 13 or (international and len(digits) <= 15):  # E.164 allows no more than 15
            continue
        if last == first and _is_card_with_expiry(bare):
            return True
        if (_is_card(digits) or (13 < len(bare) < len(digits) and _is_card(bare))) and _laid_out(
            groups[first : last + 1], separators[first:last]
        ):
            return True
    return False


def _is_card_with_expiry(digits: str) -> bool:
    return any(_EXPIRY.fullmatch(digits, length) is not None and _is_card(digits[:length]) for length in (16, 15))


def _without_other_numbers(text: str) -> str:
    """The text without numbers that prove by their own form that they are something else."""
    text = _HEXADECIMAL.sub(lambda found: "x" if len(_LETTERS.findall(found[0])) >= 3 else found[0], text)
    text = _IBAN.sub(_without_iban, text)
    return _POSTAL.sub(lambda found: "x" if _gs1("".join(_DIGITS.findall(found[0]))) else found[0], text)


def _without_iban(found: re.Match[str]) -> str:
    text = found[0]
    compact = text.replace(" ", "").replace("-", "")
    length = WORDS.iban_lengths.get(compact[:2], 0)
    iban = compact[:length]
    if len(iban) != length or length == 0 or int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 != 1:
        return text
    return "x" + compact[length:]


def _laid_out(groups: Sequence[str], separators: Sequence[str]) -> bool:
    """Whether one number may be written so: the same between all groups, or groups as on a card."""
    if len(set(separators)) <= 1:
        return True
    sizes = tuple(map(len, groups))
    return sizes in _CARD_LAYOUTS or (len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0])


def _is_card(digits: str) -> bool:
    if not any(len(digits) in _LENGTHS.get(digits[:n], ()) for n in (1, 2, 3, 4)) or not _luhn(digits):
        return False
    return len(digits) != 13 or not _gs1(digits)  # the article numbers (EAN-13) of Germany and Japan begin with 4


def _luhn(digits: str) -> bool:
    odd, even = digits[-1::-2], digits[-2::-2]
    return (sum(map(int, odd)) + sum(sum(divmod(2 * int(digit), 10)) for digit in even)) % 10 == 0


def _gs1(digits: str) -> bool:
    """GS1's check digit: of articles, pallets and parcels."""
    return (sum(map(int, digits[-1::-2])) + 3 * sum(map(int, digits[-2::-2]))) % 10 == 0
