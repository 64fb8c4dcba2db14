"""Every quotation from the articles is literal, where their texts are at hand."""

import os
import re
from pathlib import Path

import nbformat
import pytest

from tests.conftest import ROOT

ARTICLES = Path(os.environ.get("DOWNHILL_ARTICLES", ROOT.parent / "shared" / "seeds"))
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CITED = re.compile(r"references\.md#(\w+)\)")
QUOTED = re.compile(r'"([^"]{12,})"|“([^”]{12,})”')


def plain(text: str) -> str:
    """Letters and figures as they stand, whatever the typography."""
    for written, meant in {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "**": "",
                           "`": "", "\\": "", "$": "", "•": " "}.items():  # fmt: skip
        text = text.replace(written, meant)
    return " ".join(text.split())


def quotations(markdown: str) -> list[tuple[str, list[str]]]:
    """Each quoted fragment, with the articles that its paragraph or table row cites."""
    found = []
    for block in re.split(r"\n\s*\n|\n(?=\||[-*] |\d+\. )", markdown):
        articles = [key for key in CITED.findall(block) if re.fullmatch(r"s\d", key)]
        for quote in QUOTED.findall(block):
            if articles:
                found += [
                    (part, articles)
                    for part in re.split(r"\s*(?:…|\.\.\.|\[[^\]]*\])\s*", "".join(quote))
                    if len(part) > 3
                ]
    return found


@pytest.mark.skipif(not ARTICLES.is_dir(), reason="the articles' texts are not at hand")
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_what_is_quoted_from_an_article_stands_there(path):
    texts = {f"s{int(p.name[:3])}": plain(p.read_text("utf8")) for p in ARTICLES.glob("*.txt")}
    cells = nbformat.read(path, as_version=4).cells
    quotes = quotations("\n\n".join(c.source for c in cells if c.cell_type == "markdown"))
    assert quotes, "a chapter quotes what it judges"
    wrong = [
        (part, articles)
        for part, articles in quotes
        if not any(plain(part).strip(" .,;:") in texts[a] for a in articles)
    ]
    assert not wrong, wrong


def test_a_quotation_is_found_with_its_source():
    row = (
        'text\n\n| "small steps … are better" ([Overview S3](../book/references.md#s3)) | no |\n'
        '| "not judged here" | x |'
    )
    assert quotations(row) == [("small steps", ["s3"]), ("are better", ["s3"])]
