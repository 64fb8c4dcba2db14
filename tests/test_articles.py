"""The page "What the articles say": every verdict of the chapters once, and nothing left out."""

import inspect
import re
from collections import Counter
from html import unescape

import pytest
import torch

from book import articles, pages
from tests.conftest import ROOT, SITE
from tests.test_quotes import ARTICLES, plain

TYPED = (ROOT / "book" / "articles.md").read_text(encoding="utf8")
PARTS = dict(zip(*[iter(re.split(r"<!-- claims (s\d) -->", TYPED)[1:])] * 2, strict=True))
ROWS = articles.rows()
HERE = pytest.mark.skipif(not ARTICLES.is_dir(), reason="the articles' texts are not at hand")


def texts() -> dict[str, str]:
    return {f"s{int(p.name[:3])}": p.read_text("utf8") for p in sorted(ARTICLES.glob("*.txt"))}


def built() -> str:
    return (SITE / "book" / "articles.html").read_text(encoding="utf8")


def test_every_chapter_has_its_table_and_every_row_quotes_an_article():
    chapters = [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    assert sorted({row.chapter for row in ROWS}) == chapters
    assert [row.name() for row in ROWS if not row.articles()] == []


def test_a_fold_says_how_many_claims_it_holds():
    words = {"Nine": 9, "Ten": 10, "Twelve": 12, "Fourteen": 14, "Sixteen": 16, "Seventeen": 17}
    words["Twenty-one"] = 21
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        said = re.search(r"\{admonition\} ([A-Z][\w-]+) claims", path.read_text(encoding="utf8"))
        if said:
            assert words[said[1]] == sum(row.chapter == path.stem for row in ROWS), path.stem


def test_a_row_stands_on_the_page_exactly_once_word_for_word():
    page = articles.page(TYPED)
    for row in ROWS:
        anchor = f'<a id="claim-{row.name().replace(".", "-")}"'
        line = [line for line in page.splitlines() if anchor in line]
        assert len(line) == 1, row.name()
        said = re.sub(r"row <a[^>]*>[\d.]+</a>", "", line[0])
        for cell in (row.verdict, row.measured):
            assert re.sub("the row above|two rows up", "", cell) in said, row.name()


def test_the_built_page_has_a_row_for_each(files):
    numbers = re.findall(r'<a id="claim-[\d-]+" href="[^"]*">([\d.]+)</a>', built())
    assert sorted(numbers) == sorted(row.name() for row in ROWS)
    assert "<!-- claims" not in built() and "<!-- counts" not in built()


def test_a_number_leads_to_the_table_of_its_chapter_and_a_section_to_a_section(files):
    links = re.findall(r'href="\.\./notebooks/(\w+\.html)#([\w-]+)"', built())
    assert len(links) > len(ROWS)
    ids = {
        page: set(re.findall(r'id="([^"]+)"', (SITE / "notebooks" / page).read_text("utf8")))
        for page in {page for page, _ in links}
    }
    assert [(page, place) for page, place in links if place not in ids[page]] == []


def test_the_page_says_how_many_verdicts_of_each_kind_it_holds():
    typed = [row for part in PARTS.values() for row in articles.table(part)]
    kinds = Counter(map(articles.kind, [r.verdict for r in ROWS] + [row[1] for row in typed]))
    total = [kinds[kind] for kind in articles.NAMES]
    assert min(total) > 0
    line = f"| all | {' | '.join(map(str, total))} | {len(ROWS) + len(typed)} |"
    assert line in articles.page(TYPED)


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        ("holds", "holds"),
        ("holds; at kinks it follows a convention", "holds"),
        ("holds in part", "in part"),
        ("holds if you shuffle", "in part"),
        ("fails", "fails"),
        ("fails if buyers are rare", "in part"),
        ("fails on raw weights, holds for what permutation measures", "in part"),
        ("not if you accumulate", "fails"),
        ("not testable here", "open"),
        ("not seen on this network", "open"),
        ("stable holds; the rest was not seen here", "in part"),
    ],
)
def test_a_verdict_counts_by_how_it_begins(verdict, kind):
    assert articles.kind(verdict) == kind


def test_a_row_that_names_its_neighbour_names_it_by_number():
    above = articles.Row("08_x", 1, '"a" (references.md#s1)', "holds", "x")
    row = articles.Row(
        "08_x", 2, '"b" ([Overview S3](../book/references.md#s3))', "in part", "the row above"
    )
    written = articles.written(row, [above, row])
    assert 'row <a href="#claim-8-1">8.1</a>' in written
    assert written.startswith('| "b" | in part |')


def test_rows_that_quote_the_same_words_name_each_other():
    quote = '"escaping local minima and saddles" (references.md#s0)'
    rows = [articles.Row(f"0{n}_x", 1, quote, "holds", "x") for n in (1, 2)]
    assert '(also <a href="#claim-2-1">2.1</a>)' in articles.written(rows[0], rows)


def test_a_table_keeps_its_roles_as_cards_and_predictions_lead_to_their_page():
    cell = '<td>P2.3b, <a title="P1.1">x</a></td>'
    html = f'<table class="claims table"><tbody><tr>{cell}</tr></tbody></table>'
    mended = pages.CLAIMS.sub(pages.claimed, html)
    assert '<table role="table" class="claims table">' in mended and '<td role="cell">' in mended
    assert '<a href="predictions.html#p2-3">P2.3b</a>' in mended and 'title="P1.1"' in mended


def test_all_five_articles_have_their_part_and_what_no_chapter_judges():
    assert list(PARTS) == ["s0", "s1", "s2", "s3", "s4"]
    for article, part in PARTS.items():
        typed = articles.table(part)
        assert typed and all(len(row) == 3 and all(row) for row in typed), article


def test_what_no_chapter_judges_gives_a_place_or_says_why_not():
    for part in PARTS.values():
        for claim, verdict, said in articles.table(part):
            evidence = "../notebooks/" in said or re.search(r"rows? \d+\.\d", said)
            assert evidence or articles.kind(verdict) == "open", claim
            numbers = re.findall(r"\brows? (\d+\.\d+)(?: and (\d+\.\d+))?", f"{verdict} {said}")
            known = {row.name() for row in ROWS}
            assert {n for found in numbers for n in found if n} <= known, claim


@HERE
@pytest.mark.parametrize("article", PARTS)
def test_what_is_quoted_stands_in_its_article(article):
    text = plain(texts()[article])
    for claim, _, _ in articles.table(PARTS[article]):
        found = re.findall('"([^"]+)"', claim)
        assert found, claim
        for part in (part for quote in found for part in quote.split("…")):
            assert plain(part).strip(" .,;") in text, part


@HERE
def test_the_questions_and_misconceptions_are_quoted_literally():
    below = TYPED.partition("## Five misconceptions")[2]
    quotes = re.findall('"([^"]+)"', below)
    assert len(quotes) > 15 and all(plain(part) in plain(texts()["s3"]) for part in quotes)


@HERE
def test_every_question_and_misconception_of_the_overview_has_its_answer():
    text = texts()["s3"]
    questions = re.findall(r"^Q: (.*)$", text, re.MULTILINE)
    misconceptions = re.findall(r"^\d\. (Gradient Descent in PyTorch .*)$", text, re.MULTILINE)
    assert (len(questions), len(misconceptions)) == (10, 5)
    for asked in questions + misconceptions:
        assert TYPED.count(f'\n"{asked}"\n: ') == 1, asked


def test_an_answer_has_two_or_three_sentences_and_a_link():
    answers = re.findall(r'^"[^\n]*"\n: (.*?)(?=\n\n|\Z)', TYPED, re.S | re.M)
    assert len(answers) == 15
    for answer in answers:
        text = re.sub(r"\]\([^)]*\)", "]", " ".join(answer.split()))
        assert 2 <= len(re.findall(r"[.?!](?: |$)", text)) <= 4, text
        assert "](../notebooks/" in answer
        assert not re.search(r"\d", text.replace("chapter 1", "").replace("chapter 7", "")), text


def test_the_learning_rate_of_sgd_may_be_left_out_today():
    assert (
        inspect.signature(torch.optim.SGD).parameters["lr"].default is not inspect.Parameter.empty
    )


def test_nothing_is_typed_that_a_chapter_has_in_its_table():
    verdicts = {row.claim for row in ROWS}
    typed = [row[0] for part in PARTS.values() for row in articles.table(part)]
    assert len(set(typed)) == len(typed) and not verdicts & set(typed)


def test_the_page_can_be_read_by_a_person(files):
    text = unescape(re.sub(r"<[^>]+>", "", built()))
    assert "](" not in text and "{table}" not in text and "**" not in text
