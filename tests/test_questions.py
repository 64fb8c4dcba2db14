"""The question bank: whole, fair, computed; and what Moodle, a page and paper make of it."""

import re
from xml.etree import ElementTree

import pytest

from book.build import chapters
from book.classroom import questions
from tests.browsers import Visit
from tests.conftest import SITE

FILES = sorted(questions.QUESTIONS.glob("*.md"))
ALL = [(path.stem, question) for path in FILES for question in questions.read(path)]
CHOSEN = [pytest.param(q, id=q.number) for _, q in ALL if q.choices]
COMPUTED = [pytest.param(q, id=q.number) for _, q in ALL if not q.choices]

CHOICES = """Which one?

- [ ] this
  It tempts.
- [x] that
  It is right.
"""
NUMBER = """How many?

answer: 4 ± 0
unit: steps
why: two and two.

```python
2 + 2
```
"""


@pytest.mark.parametrize("path", chapters(), ids=lambda p: p.stem)
def test_every_chapter_has_ten_questions_or_more_numbered_in_order(path):
    found = questions.read(questions.QUESTIONS / path.name.replace(".ipynb", ".md"))
    assert [q.number for q in found] == [f"{int(path.stem[:2])}.{n + 1}" for n in range(len(found))]
    assert len(found) >= 10
    assert sum(not q.choices for q in found) >= 2 and sum(bool(q.choices) for q in found) >= 5
    places = [[c.right for c in q.choices].index(True) for q in found if q.choices]
    assert len(set(places)) >= 3, "the right choice stands always at the same places"
    longest = [max(q.choices, key=lambda c: len(c.text)).right for q in found if q.choices]
    assert sum(longest) <= 0.6 * len(longest), "the longest choice is too often the right one"


@pytest.mark.parametrize("question", CHOSEN)
def test_a_choice_has_rivals_that_differ_and_reasons(question):
    texts = [choice.text for choice in question.choices]
    assert 3 <= len(texts) <= 5 and len(set(texts)) == len(texts)
    assert all(len(choice.reason) > 20 for choice in question.choices)
    assert sum(choice.right for choice in question.choices) == 1


@pytest.mark.parametrize("question", COMPUTED)
def test_a_number_is_what_its_code_computes_and_a_tenth_off_is_wrong(question):
    truth = question.truth()
    assert abs(truth - question.value) <= question.within
    assert question.value == 0 or question.within < 0.1 * abs(question.value)
    if isinstance(truth, int) and truth < 1000:
        assert question.within < 1, "a count that is off by one would be right"


@pytest.mark.parametrize(
    ("number", "body", "said"),
    [
        ("three", CHOICES, "needs a number such as 3.1"),
        ("3.1", CHOICES.replace("[x]", "[ ]"), "needs one choice with"),
        ("3.1", CHOICES.replace("[ ]", "[x]"), "has 2"),
        ("3.1", CHOICES.replace("[ ]", "[y]"), r"marked \[x\] or \[ \], not \[y\]"),
        ("3.1", CHOICES.replace("  It tempts.\n", ""), "no reason below the choice 'this'"),
        ("3.1", CHOICES.replace("  It is right.", "It is right."), "no reason below .* 'that'"),
        ("3.1", CHOICES + "By the way.\n", "'By the way.' is no choice and no reason"),
        ("3.1", CHOICES.replace("Which one?", ""), "asks nothing before its choices"),
        ("3.1", "Why?", "has neither choices"),
        ("3.1", NUMBER.replace("why: two and two.\n", ""), "then `why: …`"),
        ("3.1", NUMBER.replace(" ± 0", ""), "needs the question, `answer: … ± …`"),
        ("3.1", NUMBER.replace("answer: 4", "answer: 4,000"), "'4,000 ± 0' must be numbers"),
        ("3.1", NUMBER.replace("± 0", "± -1"), "± not below 0"),
    ],
)
def test_what_is_not_whole_is_refused_by_name(number, body, said):
    with pytest.raises(ValueError, match=said):
        questions.parse(number, body)


def test_a_number_that_its_code_does_not_give_is_refuted():
    right = questions.parse("3.1", NUMBER)
    assert (right.value, right.unit, right.truth(), right.refuted()) == (4, "steps", 4, "")
    wrong = questions.parse("3.1", NUMBER.replace("answer: 4", "answer: 5"))
    assert wrong.refuted() == "question 3.1 says 5 ± 0, its code 4"
    with pytest.raises(ValueError, match="end with an expression"):
        questions.parse("3.1", NUMBER.replace("2 + 2", "a = 4")).truth()


def test_an_error_names_its_file(tmp_path):
    broken = CHOICES.replace("[x]", "[ ]")
    (tmp_path / "03.md").write_text(f":::{{question}} 3.4\n{broken}:::\n", encoding="utf8")
    with pytest.raises(ValueError, match=r"03\.md: question '3\.4' needs one choice"):
        questions.read(tmp_path / "03.md")


def test_a_block_that_is_not_closed_is_named(tmp_path):
    (tmp_path / "03.md").write_text(f":::{{question}} 3.1\n{CHOICES}", encoding="utf8")
    with pytest.raises(ValueError, match=r"03\.md: a question is not closed"):
        questions.read(tmp_path / "03.md")


def test_moodle_and_paper_have_every_question(tmp_path):
    questions.fill(tmp_path)
    exported = [ElementTree.parse(path).getroot() for path in sorted(tmp_path.glob("*.xml"))]
    heads = [quiz[0].findtext("category/text") or "" for quiz in exported]
    assert heads == sorted(set(heads)) and heads[2].endswith("/Downhill/Chapter 03, mini-batches")
    asked = [q for quiz in exported for q in quiz if q.get("type") != "category"]
    assert [q.findtext("name/text") for q in asked] == [f"Downhill {q.number}" for _, q in ALL]
    for element, (_, question) in zip(asked, ALL, strict=True):
        marks = [answer.get("fraction") for answer in element.findall("answer")]
        rights = ["100" if c.right else "0" for c in question.choices] or ["100"]
        assert marks == rights and all(
            a.findtext("feedback/text") for a in element.findall("answer")
        )
        assert "$" not in re.sub(
            r"<code>.*?</code>", "", element.findtext("questiontext/text") or ""
        )
        if not question.choices:
            assert float(element.findtext("answer/text") or "nan") == question.value
            assert float(element.findtext("answer/tolerance") or "nan") == question.within
            assert element.findtext("generalfeedback/text")  # who is wrong reads why, too
    for stem in {stem for stem, _ in ALL}:
        asked_on_paper, answered = (tmp_path / f"{stem}.md").read_text("utf8").split("break-before")
        mine = [q for name, q in ALL if name == stem]
        assert all(
            f"**{q.number}**" in asked_on_paper and f"**{q.number}**" in answered for q in mine
        )
        assert not [c.reason for q in mine for c in q.choices if c.reason in asked_on_paper]


def test_a_self_test_answers_by_keyboard_and_not_before(browser, files):
    with Visit(browser, files) as visit:
        page = visit.open("book/questions/03_mini_batches")
        first = page.locator("#q3-1")
        reasons, lines = first.locator("details > p"), first.locator("summary")
        assert not any(reasons.nth(n).is_visible() for n in range(reasons.count()))
        lines.nth(0).focus()
        page.keyboard.press("Enter")
        assert reasons.nth(0).is_visible() and reasons.nth(0).inner_text().startswith("Not yet.")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert reasons.nth(1).inner_text().startswith("Right.") and not reasons.nth(0).is_visible()
        assert visit.complaints == []


# What is typed in where 105 is right, and where 0.2 ± 0.01 is.
TYPED = [
    ("q3-2", "104", "Not yet: too small."),
    ("q3-2", "1,050", "Not yet: too large."),
    ("q3-2", "many", "That is no number. Write one such as 1200, 0.05 or 5e-2."),
    ("q3-2", "", "That is no number. Write one such as 1200, 0.05 or 5e-2."),
    ("q3-2", "1,05", "Not yet: too small."),
    ("q3-2", " 1.05e2 ", "Right."),
    ("q3-6", "−0.2", "Not yet: too small."),
    ("q3-6", "0,222", "Not yet: too large."),
    ("q3-6", "0.19", "Right."),
    ("q3-6", "0,21", "Right."),
]


def test_a_number_is_tried_by_keyboard_and_its_answer_unfolds_when_it_is_right(browser, files):
    with Visit(browser, files) as visit:
        page = visit.open("book/questions/03_mini_batches")
        for place, typed, verdict in TYPED:
            field = page.locator(f"#{place}").get_by_label("Your answer")
            field.fill(typed)
            assert page.locator(f"#{place} output").inner_text() == ""
            field.press("Enter")
            assert page.locator(f"#{place} output").inner_text() == verdict, typed
            assert page.locator(f"#{place} > details > p").is_visible() == (verdict == "Right.")
        answer, computed = page.locator("#q3-2 summary").all()
        assert page.locator("#q3-2 > details > p").inner_text().startswith("105.")
        assert not page.locator("#q3-2 pre").is_visible()
        computed.press("Enter")
        assert "DataLoader(range(1000), batch_size=48)" in page.locator("#q3-2 pre").inner_text()
        assert visit.complaints == []


def test_without_scripts_a_number_is_not_asked_and_its_answer_unfolds(browser, files):
    with Visit(browser, files, java_script_enabled=False) as visit:
        visit.page.goto(f"{files}/book/questions/03_mini_batches.html")
        assert not visit.page.locator("#q3-2 form").is_visible()
        visit.page.locator("#q3-2 summary").first.click()
        assert visit.page.locator("#q3-2 > details > p").is_visible()


def test_the_search_reads_questions_and_gives_no_answer_away(files):
    sections = (SITE / "_static" / "sections.js").read_text(encoding="utf8")
    text = re.search(r'"id":"book/questions/03_mini_batches\.html#[^}]*', sections)
    assert text and "How many steps do five epochs take?" in text[0]
    assert "20 full batches" not in text[0] and "Right." not in text[0]
