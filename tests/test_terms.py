"""The pages for a reader in a hurry: every term in one sentence, every advice with its evidence."""

import re
import unicodedata
from functools import cache
from itertools import pairwise

import nbformat
import pytest
from myst_parser.mdit_to_docutils.base import default_slugify

from tests.browsers import Visit
from tests.conftest import ROOT

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DECISIONS = (ROOT / "book" / "decisions.md").read_text(encoding="utf8")
GLOSSARY = (ROOT / "book" / "glossary.md").read_text(encoding="utf8")
ENTRY = re.compile(r"^(\S.*)\n  (.+) \(\[\d+, .*\]\(\.\./notebooks/(.+)\.ipynb#(.+)\)\)\.$", re.M)
TERMS = {term: rest for term, *rest in ENTRY.findall(GLOSSARY)}
TO_TERM = re.compile(r"\]\(\.\./book/glossary\.md#(term-[\w-]+)\)")
ADVICE = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)+)", DECISIONS, re.M))


def latin(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def anchor(term: str) -> str:
    """Where Sphinx puts a term of a glossary."""
    return "term-" + re.sub(r"[^A-Za-z0-9]+", "-", latin(term)).strip("-")


@cache
def prose(chapter: str) -> str:
    cells = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4).cells
    return "\n\n".join(c.source for c in cells if c.cell_type == "markdown")


@cache
def outputs(chapter: str) -> str:
    cells = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4).cells
    return "\n".join(str(c.get("outputs", "")) for c in cells)


@cache
def sections(chapter: str) -> dict[str, str]:
    """The text of a chapter below each of its headings, up to the next, by the heading's anchor."""
    text = re.sub(r"(?ms)^```.*?^```", "", prose(chapter))
    parts = re.split(r"(?m)^#+ (.+)$", text)[1:]
    return {default_slugify(h): f"{h}\n{t}" for h, t in zip(parts[::2], parts[1::2], strict=True)}


def stems(term: str) -> list[str]:
    """The words of a term without the endings that a sentence may change."""
    words = re.findall(r"\w+", re.sub(r"'s\b|,.*", "", term.lower()))
    return [word[: max(5, len(word) - 4)] for word in words]


def test_the_glossary_is_read_whole():
    names = re.findall(r"^(?!#|```|One sentence)(\S.*)$", GLOSSARY, re.M)
    assert names == list(TERMS) and len(names) > 100


def test_the_terms_are_in_the_order_of_the_alphabet():
    sorted_as = [latin(term).lower().replace("-", " ") for term in TERMS]
    assert [(a, b) for a, b in pairwise(sorted_as) if a >= b] == []


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_explained_in_one_sentence(term):
    said = TERMS[term][0]
    assert len(said.split()) < 45 and not re.search(r"[.!?]\s+[A-Z]", said), said


@pytest.mark.parametrize("term", TERMS)
def test_a_term_leads_to_a_section_that_uses_it(term):
    _, chapter, place = TERMS[term]
    text = sections(chapter)[place].lower()
    assert [stem for stem in stems(term) if stem not in text] == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_a_chapter_links_the_terms_that_it_introduces(path):
    """At least three; each where the glossary says that it is introduced, and once."""
    home = {anchor(term): (chapter, place) for term, (_, chapter, place) in TERMS.items()}
    linked = {place: TO_TERM.findall(text) for place, text in sections(path.stem).items()}
    found = [(term, (path.stem, place)) for place, terms in linked.items() for term in terms]
    assert len(found) >= 3 and len(dict(found)) == len(found)
    assert len(found) == len(TO_TERM.findall(prose(path.stem)))
    assert [(term, here) for term, here in found if home.get(term) != here] == []


@pytest.mark.parametrize("name", ADVICE)
def test_an_advice_has_a_number_its_evidence_and_its_limits(name):
    advice = ADVICE[name]
    measured = re.findall(r"\{glue\} (P[\d.]+[a-z]?)\n:doc: \.\./notebooks/(.+)\.ipynb", advice)
    links = re.findall(r"\]\(\.\./notebooks/(.+)\.ipynb#(.+)\)", advice)
    assert measured and links and advice.count("**Does not hold when** ") == 1
    for prediction, chapter in measured:
        assert f"'{prediction}'" in outputs(chapter), f"{prediction}: not measured in {chapter}"
        assert chapter in dict(links), f"{prediction}: no link to its chapter"
    assert [(c, place) for c, place in links if place not in sections(c)] == []


@pytest.mark.parametrize("name", ADVICE)
def test_a_number_in_an_advice_stands_in_a_chapter_that_it_links_to(name):
    advice = ADVICE[name]
    said = re.sub(r"(?s)```.*?```|\]\(.*?\)", "", advice)
    chapters = set(re.findall(r"\]\(\.\./notebooks/(.+)\.ipynb#", advice))
    text = "\n".join(prose(c) + outputs(c) for c in chapters)
    numbers = re.findall(r"(?<![\w.$/_{])\d+(?:\.\d+)?(?![\w/])", said)
    assert [n for n in numbers if not re.search(rf"(?<![\d.]){re.escape(n)}(?!\d)", text)] == []


def test_five_minutes_fit_two_printed_pages(browser, files):
    with Visit(browser, files) as visit:
        page = visit.open("book/decisions")
        pdf = page.pdf(format="A4", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 2
