"""Names of persons: one writing for comparison, honorifics off, full names split into surname and given name.

Western and Japanese orders are told apart by script, capitals, a comma, and known surnames. An unspaced Japanese name
is split by the names that exist: `japanese-personal-name-dataset` (MIT; 1,999 surnames with how many people bear
them, 9,400 given-name readings with spellings; 1.4 MB on disk), read at the first such name. A surname it does not
know is split only where nearly every name is: four ideographs in the middle.
"""

import re
from dataclasses import dataclass

from identity_service.rules.normalisation.known_names import known_names
from identity_service.rules.normalisation.readings import is_kana, katakana, one_sound
from identity_service.rules.normalisation.romaji import kana_of_romaji
from identity_service.rules.normalisation.text import lower, nfkc
from identity_service.rules.normalisation.variants import one_writing

MAX_LENGTH = 200
_LONGEST_UNSPACED = 24
_MIDDLE_DOT = re.compile(r"[・=゠]")
_BETWEEN = re.compile(r"[\s・=゠,.、'’‘`\-‐]+")
_HONORIFIC = re.compile(
    r"(?:(?<=[^\x00-\x7f])(?:様|さま|さん|殿|くん|ちゃん|先生)|(?<=\s)(?:様|さま|さん|殿|くん|ちゃん|先生|君|氏|どの)"
    r"|[\s-](?:sama|san|dono|kun|sensei))$",
    re.IGNORECASE,
)
_TITLE = re.compile(r"^(?:mr|mrs|ms|miss|dr|prof)(?:\.|\s)", re.IGNORECASE)
_REMARK = re.compile(r"[(\[【][^()\[\]【】]*[)\]】]$")
_REPEATED = re.compile(r"([^々])(々+)")
_IDEOGRAPHS = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff々〆ヶケノ]+")
_LATIN = re.compile(r"[^\u0250-\uffff]+")


@dataclass(frozen=True)
class FullName:
    """A full name in two, as written (NFKC)."""

    surname: str
    given_name: str


def name_value(value: object) -> str | None:
    """Return a name for comparison: NFKC, lower case, common characters, no blanks; None when there is nothing.

    Hiragana and katakana stay apart (はなこ and ハナコ are spellings; readings have their own normaliser).
    """
    if not isinstance(value, str) or len(value) > MAX_LENGTH:
        return None
    text = _BETWEEN.sub("", one_writing(lower(value)))
    text = _REPEATED.sub(lambda found: found[1] * (1 + len(found[2])), text)
    return one_writing(nfkc(text.replace("ヶ", "ケ").replace("ヵ", "カ"))) or None


def without_honorific(text: str) -> str:
    """Return a name in NFKC without what is said to its bearer: 様, さん, 殿, (自宅), Mr., -san."""
    text = nfkc(text[: 2 * MAX_LENGTH])
    text = _TITLE.sub("", _REMARK.sub("", text).rstrip()).lstrip()
    shorter = _HONORIFIC.sub("", text).strip()
    return shorter if len(shorter) > 1 else text


def split_full_name(text: str) -> FullName | None:
    """Return surname and given name as written (NFKC); None when they cannot be told apart."""
    if len(text) > MAX_LENGTH:
        return None
    text = without_honorific(text)
    before, comma, after = (part.strip() for part in text.partition(","))
    if comma and before and after:
        return FullName(before, after)
    parts = text.split()
    if len(parts) > 1:
        return _split_spaced(parts)
    dotted = [part for part in _MIDDLE_DOT.split(text) if part]
    if len(dotted) > 1:  # foreign names in katakana keep their own order
        return FullName(dotted[-1], dotted[0])
    return None if _LATIN.fullmatch(text) else _split_unspaced(text)


def _split_spaced(parts: list[str]) -> FullName:
    """Japanese script puts the surname first; Latin script last, unless capitals or known surnames say otherwise."""
    if not all(_LATIN.fullmatch(part) for part in parts):
        return FullName(parts[0], "".join(parts[1:]))
    is_first = _is_surname_first(parts[0], parts[-1])
    return FullName(parts[0], " ".join(parts[1:])) if is_first else FullName(parts[-1], parts[0])


def _is_surname_first(first: str, last: str) -> bool:
    if first.isupper() != last.isupper() and len(first) > 1 and len(last) > 1:
        return first.isupper()
    kana_first, kana_last = kana_of_romaji(first), kana_of_romaji(last)
    if kana_first is None or kana_last is None:
        return False
    names = known_names()
    return names.is_surname_in_romaji(one_sound(kana_first)) and not names.is_surname_in_romaji(one_sound(kana_last))


def _split_unspaced(text: str) -> FullName | None:
    """Try each place; a split whose both names are known beats one, then the surname that more people bear wins."""
    if len(text) > _LONGEST_UNSPACED or _bearers(text):
        return None  # a surname alone: 高橋 is not 高 橋
    splits = ((_weight(text, place), place) for place in range(1, len(text)))
    best = max((split for split in splits if split[0] is not None), default=None)
    if best is not None:
        return FullName(text[: best[1]], text[best[1] :])
    if len(text) == 4 and _IDEOGRAPHS.fullmatch(text):
        return FullName(text[:2], text[2:])
    return None


def _weight(text: str, place: int) -> tuple[bool, int] | None:
    """Say how good it is to split here; None when it is not. In kana, short and ambiguous, both names must be known."""
    bearers = _bearers(text[:place])
    if not bearers:
        return None
    is_given = _is_given(text[place:])
    if is_given:
        return True, bearers
    return None if is_kana(text) else (False, place)


def _bearers(surname: str) -> int:
    names = known_names()
    if is_kana(surname):
        return names.bearers_by_reading(one_sound(katakana(surname)))
    return names.bearers(one_writing(surname))


def _is_given(name: str) -> bool:
    names = known_names()
    return names.is_given_reading(one_sound(katakana(name))) if is_kana(name) else names.is_given(one_writing(name))
