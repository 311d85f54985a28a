"""Chooses a few useful alternate names of a city.

GeoNames as packaged gives alternates without language tags, mixed with machine
transliterations ("bai lin"), airport codes and declined forms. The choice is:
one name per script that people search in, then the English, German, French and
Spanish names of exonyms.txt, then the names that look most like those languages.
"""

import difflib
import re
import unicodedata
from pathlib import Path

LIMIT = 12
LATIN_SLOTS = 7
# Scripts in the order in which they get a slot; the local one goes first.
SCRIPTS = ["CYRILLIC", "CJK", "ARABIC", "KATAKANA", "HANGUL", "GREEK", "HEBREW", "DEVANAGARI", "THAI"]
LOCAL = {
    "CYRILLIC": "RU UA BY BG RS MK KZ KG TJ MN ME BA", "CJK": "CN TW HK MO SG", "KATAKANA": "JP",
    "ARABIC": "EG SA AE IQ IR JO LB LY MA DZ TN SD SY YE OM QA KW BH PS MR AF PK",
    "HANGUL": "KR KP", "GREEK": "GR CY", "HEBREW": "IL", "DEVANAGARI": "IN NP", "THAI": "TH",
    "GEORGIAN": "GE", "ARMENIAN": "AM", "BENGALI": "BD", "KHMER": "KH", "LAO": "LA",
    "MYANMAR": "MM", "SINHALA": "LK", "ETHIOPIC": "ET ER",
}
LOCAL_SCRIPT = {country: script for script, codes in LOCAL.items() for country in codes.split()}
WESTERN = set("abcdefghijklmnopqrstuvwxyzäöüßàâæçèéêëîïôœùûÿáíñóúü -.")


def load_preferred():
    text = (Path(__file__).resolve().parent / "exonyms.txt").read_text(encoding="utf-8")
    words = [word for line in text.splitlines() if not line.startswith("#") for word in line.split()]
    return {word.replace("_", " ") for word in words}


PREFERRED = load_preferred()


def fold(text):
    """Lower case without accents, marks and punctuation: for comparing names."""
    text = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in text if char.isalnum())


def script(text):
    for char in text:
        if char.isalpha():
            word = unicodedata.name(char, "UNKNOWN").split()[0]
            return "KATAKANA" if word == "HIRAGANA" else word
    return "NONE"


def usable(text, name):
    return (text.casefold() != name.casefold()
            and len(text) <= 40
            and not re.search(r"[\d|;\"/()=]", text)
            and not re.fullmatch(r"[A-Z]{2,4}", text))


def medoid(names):
    """The name most like the others: the plain form among declined ones."""
    def likeness(name):
        return sum(difflib.SequenceMatcher(None, name, other).ratio() for other in names)
    # A long list adds time, not knowledge.
    names = names[:12]
    return max(names, key=lambda name: (round(likeness(name), 6), -len(name), name))


def cyrillic_rank(name):
    # Letters that Russian does not have point to another language.
    return sum(char not in "абвгдеёжзийклмнопрстуфхцчшщъыьэюя -" for char in name.casefold())


def best_in_script(names, which, country):
    if which == "CYRILLIC" and country not in ("UA", "RS", "MK", "BY", "KZ", "KG", "TJ", "MN"):
        least = min(cyrillic_rank(name) for name in names)
        names = [name for name in names if cyrillic_rank(name) == least]
    return medoid(names)


def latin_rank(text, name):
    folded, target = fold(text), fold(name)
    foreign = sum(char not in WESTERN for char in text.casefold())
    return (
        text not in PREFERRED,
        folded != target,  # the same name with other accents is what people type
        foreign > 0,
        any(word in text for word in ("Lungsod", "osh", "Gorad", "Horad", "Siti")),
        -round(difflib.SequenceMatcher(None, folded, target).ratio(), 3),
        len(text),
        text,
    )


def choose(city):
    """At most 12 alternates of a GeoNames city, best first within each group."""
    name, country = city["name"], city["countrycode"]
    groups, seen = {}, {name.casefold()}
    for text in sorted(" ".join(raw.split()) for raw in city["alternatenames"]):
        if usable(text, name) and text.casefold() not in seen:
            groups.setdefault(script(text), []).append(text)
            seen.add(text.casefold())
    # All lower case Latin text is a transliteration made by a program.
    latin = [text for text in groups.pop("LATIN", []) if text != text.lower()]
    latin.sort(key=lambda text: latin_rank(text, name))
    local = LOCAL_SCRIPT.get(country)
    order = [local] * (local is not None) + [word for word in SCRIPTS if word != local]
    foreign = [best_in_script(groups[word], word, country) for word in order if word in groups]
    chosen_latin = latin[:max(LATIN_SLOTS, LIMIT - len(foreign))]
    chosen_foreign = foreign[:LIMIT - len(chosen_latin)]
    return (chosen_latin + chosen_foreign)[:LIMIT]
