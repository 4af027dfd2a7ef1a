"""Text of others made safe to print, and how much of it can be seen at all."""

import unicodedata

# Controls (terminal escapes), format marks (bidi, zero width), unassigned, private, surrogates, line breaks.
_UNSAFE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})

# Letters, marks and signs that are drawn as nothing: fillers, a joiner, variation selectors, Braille without a dot.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10))))


def plain(text: str, limit: int = 120) -> str:
    r"""The text, cut to `limit`, with characters that could move, hide or reorder others written out: `\u{202e}`."""
    cut = text if len(text) <= limit else f"{text[:limit]}…"
    if cut.isprintable():  # then there is none of these, which is told faster so
        return cut
    return "".join(f"\\u{{{ord(c):x}}}" if unicodedata.category(c) in _UNSAFE else c for c in cut)


def seen(text: str) -> str:
    """What of a text can be seen, without the space around it."""
    return "".join(c for c in text if unicodedata.category(c) not in _UNSAFE and c not in _BLANK).strip()


def length_seen(text: str) -> int:
    """How many characters of a text can be seen; space between words counts as one, however long it is."""
    return len(" ".join(seen(text).split()))
