"""What a remark is about and what it says: keywords by language, found in text as people write it.

Texts and keywords are compared in Unicode's NFKC with cases folded, so full-width letters, half-width kana and capitals
make no difference. Japanese, Chinese, Korean and Thai are written without spaces: there a keyword is found anywhere. At
an end where it has a letter or digit of another script it must begin or end a word: `air` is not in `hair`, but is in
`新しいairを買った`.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

REMARK = "Remark Made"
"""The event. Its properties: `text`, `url`, `language`; `topics` and `opinion` are put there by the rules."""

ANY_LANGUAGE = "any"

Opinion = Literal["positive", "negative", "neutral"]
Words = Mapping[str, Sequence[str]]
"""Language (ISO 639, or `any`) -> words."""

# kana and their phonetic extensions, ideographs and their radicals, Hangul, Thai, Lao, Khmer, Myanmar
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u318f"
    "\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_IN_WORD = re.compile(rf"[^\W{_UNSPACED}]")


@dataclass(frozen=True)
class Topic:
    """A topic and the words it is known by; what stands within an excluded phrase does not count."""

    key: str
    keywords: Words
    exclude: Words


@dataclass(frozen=True)
class Reading:
    """What a remark is about, by key, and what it says of it."""

    topics: tuple[str, ...]
    opinion: Opinion


def folded(text: str) -> str:
    """A text as it is compared: NFKC, cases folded, each run of white space one space."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def language_of(value: object) -> str | None:
    """The language a source names (`ja`, `ja-JP`, `en_US`), or None."""
    if not isinstance(value, str):
        return None
    language = re.split(r"[-_]", value.strip().lower(), maxsplit=1)[0]
    return language if re.fullmatch(r"[a-z]{2,3}", language) else None


class RemarkRules:
    """All topics and opinions, ready to read remarks with."""

    def __init__(self, topics: Sequence[Topic], opinions: Mapping[str, Words]) -> None:
        self._topics = topics
        self._opinions = opinions
        self._languages = frozenset(
            {language for topic in topics for language in (*topic.keywords, *topic.exclude)}
            | {language for words in opinions.values() for language in words}
        )
        self._readers: dict[str | None, _Reader] = {}

    def read(self, text: str, language: str | None) -> Reading:
        """What a text of a language is about. One whose language is not known is read with every language's words."""
        if language not in self._languages and language is not None:
            language = ANY_LANGUAGE
        if language not in self._readers:
            self._readers[language] = _Reader(self._topics, self._opinions, language)
        return self._readers[language].read(folded(text))

    def properties_of(self, properties: Mapping[str, Any]) -> dict[str, Any]:  # free JSON by the Segment specification
        """A remark's properties with what the rules say of it, whatever stood there."""
        text = properties.get("text")
        found = self.read(text if isinstance(text, str) else "", language_of(properties.get("language")))
        return {**properties, "topics": list(found.topics), "opinion": found.opinion}


class _Reader:
    """The words of one language and those of any."""

    def __init__(self, topics: Sequence[Topic], opinions: Mapping[str, Words], language: str | None) -> None:
        self._topics = [
            (topic.key, _words(topic.exclude, language), _words(topic.keywords, language)) for topic in topics
        ]
        self._negative = _words(opinions.get("negative", {}), language)
        self._positive = _words(opinions.get("positive", {}), language)

    def read(self, text: str) -> Reading:
        topics = [key for key, exclude, keywords in self._topics if _count(exclude, keywords, text)[1]]
        negative, positive = _count(self._negative, self._positive, text)
        opinion: Opinion = "neutral"
        if positive != negative:
            opinion = "positive" if positive > negative else "negative"
        return Reading(tuple(sorted(topics)), opinion)


def _words(words: Words, language: str | None) -> list[str]:
    chosen = words.values() if language is None else (words.get(each, ()) for each in {language, ANY_LANGUAGE})
    return sorted({folded(word) for group in chosen for word in group} - {""})


def _count(first: Sequence[str], second: Sequence[str], text: str) -> tuple[int, int]:
    """How many words of each kind stand in the text. Of those that overlap the one that begins first counts, of those
    that begin together the longest.

    So `not good` is negative although `good` is positive, and an excluded `apple pie` is no `apple`.
    """
    found = [
        (start, -len(word), kind) for kind, words in enumerate((first, second)) for word in words
        for start in _places(word, text)
    ]  # fmt: skip
    counts, end = [0, 0], 0
    for start, length, kind in sorted(found):
        if start >= end:
            counts[kind] += 1
            end = start - length
    return counts[0], counts[1]


def _places(word: str, text: str) -> Iterator[int]:
    begins, ends = _IN_WORD.match(word[0]), _IN_WORD.match(word[-1])
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if not (begins and start and _IN_WORD.match(text[start - 1])) and not (
            ends and end < len(text) and _IN_WORD.match(text[end])
        ):
            yield start
        start = text.find(word, start + 1)
