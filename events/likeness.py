"""How much of a person's name is in their e-mail address: one number in place of two personal texts.

Names are compared by their consonants, which Arabic writes and Latin spellings agree on: محمد, Mohammed and Muhamad are
all `mhmd`. Scripts other than these two are not compared.
"""

import re
from functools import lru_cache

from events import canonical

_CONSONANTS = str.maketrans(
    dict(zip("بتجحدرزسصضطظفقكلمنهپگ", "btjhdrzssdtzfkklmnhbj", strict=True))
    | {"ث": "th", "ذ": "th", "خ": "kh", "ش": "sh", "غ": "jh", "چ": "kh"}
    | dict(zip("qcgp", "kkjb", strict=True))
    | dict.fromkeys("اويعءئؤaeiouwyı", "")
)
_DOUBLED = re.compile(r"(.)(?=\1)")
_NO_LETTERS = re.compile(r"[^a-z]+")
_SHORTEST = 2
_PARTICLES = frozenset({"al", "el", "bin", "ibn", "bint", "ال", "بن", "ابن", "بنت"})  # as often left out as not


@lru_cache(65_536)
def name_in_email(name: str, email: str) -> float | None:
    """The share (0 to 1, in hundredths) of a name's words that are in a canonical e-mail address's local part.

    None where no word can be compared: without two letters, or in another script. Short words may be there by chance.
    """
    local = _letters(email.rpartition("@")[0])
    bones = _bones(local)
    words = [word for word in (canonical.name(name) or "").split() if word.isalpha() and word not in _PARTICLES]
    found = [_is_in(word, local, bones) for word in words]
    known = [one for one in found if one is not None]
    return round(sum(known) / len(known), 2) if known else None


def _letters(local: str) -> str:
    if local.isascii():
        return _NO_LETTERS.sub("", local.lower())
    return "".join(filter(str.isalpha, canonical.name(local) or ""))


def _is_in(word: str, local: str, bones: str) -> bool | None:
    """None for a word that cannot be compared."""
    if word.isascii() and len(word) >= _SHORTEST and word in local:
        return True
    own = _word_bones(word)
    if own.isascii() and len(own) >= _SHORTEST:
        return own in bones
    return False if word.isascii() and len(word) >= _SHORTEST else None


@lru_cache(65_536)
def _word_bones(word: str) -> str:
    return _bones(word.removeprefix("ال")).rstrip("h")  # the article and a last h are often left out


def _bones(word: str) -> str:
    """What stays of a word without vowels, doubled letters, and the differences between spellings."""
    return _DOUBLED.sub("", word).translate(_CONSONANTS)
