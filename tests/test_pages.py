"""What book/formulas.py, pages.py, styles.py, predictions.py and search.py make of a page."""

import re
from xml.etree import ElementTree

import pytest

from book import pages, predictions, search, styles, thumbnails
from book.formulas import formulas, mathml

# Formulas


@pytest.mark.parametrize(
    ("tex", "element"),
    [
        (r"\frac12", "mfrac"),
        (r"\sqrt\kappa", "msqrt"),
        (r"w_k^2", "msubsup"),
        (r"\begin{cases}1 & x > 0\\ 0 & \text{else}\end{cases}", "mtable"),
        (r"\begin{pmatrix}0 & 1\\ 1 & 0\end{pmatrix}", "mtable"),
        (r"\begin{align}a &= b\\ c &= d\end{align}", "mtable"),
    ],
)
def test_a_formula_becomes_mathml(tex, element):
    written = mathml(tex, displayed=True)
    assert written.startswith("<math") and f"<{element}" in written
    assert 'display="block"' in written and 'display="block"' not in mathml("a")


def test_a_formula_that_cannot_be_read_is_an_error():
    with pytest.raises(ValueError, match="nonsense"):
        mathml(r"\nonsense{x}")
    assert "<mi>x</mi>" in mathml("x"), "the next formula is read again"


def test_a_long_formula_in_a_line_can_be_broken_at_its_relations_and_a_short_one_stays_whole():
    assert mathml("a = b").count("<math>") == 1
    long = mathml(r"J' = \mathbb E[f(z)\,\partial_\mu \log p_\mu(z)] = \mathbb E[f(z)\,(z-\mu)]")
    assert long.count("<math>") == long.count("</math>") == 3
    assert [part.count("<mo>=</mo>") for part in long.split("</math>")] == [1, 1, 0, 0]


def test_a_display_may_hold_several_formulas_and_none_is_torn():
    matrix = r"\begin{pmatrix}0 \qquad 1\\ 2\end{pmatrix}"
    assert formulas(r"a \leftarrow b, \qquad\text{and}\qquad c") == [
        r"a \leftarrow b, ", r"\text{and}", " c"
    ]  # fmt: skip
    assert formulas(rf"{matrix},\qquad \sqrt{{a\qquad b}}") == [
        f"{matrix},", r" \sqrt{a\qquad b}"
    ]  # fmt: skip
    assert formulas(r"a \qquad b \\ c") == [r"a \qquad b \\ c"]


# Pages


def test_a_formula_keeps_the_punctuation_beside_it():
    html = "<p>(<math><mi>x</mi></math>), <math><mi>y</mi></math> and</p>"
    kept = '<span class="unbroken">(<math><mi>x</mi></math>),</span>'
    expected = f"<p>{kept} <math><mi>y</mi></math> and</p>"
    assert pages.FORMULA.sub(pages.unbroken, html) == expected


def test_a_title_names_the_book_once():
    assert pages.titled("<title>Downhill &#8212; Downhill</title>") == "<title>Downhill</title>"
    assert pages.titled("<title>5 &#8212; Downhill</title>") == "<title>5 — Downhill</title>"


def test_a_description_is_the_first_sentences_and_ends_at_a_word():
    head = '<head></head><article class="bd-article"><p><b>Why?</b></p><p>'
    short = pages.described(f"{head}Because &amp; so.</p></article>")
    assert '<meta name="description" content="Why? Because &amp; so.">' in short
    long = pages.described(f"{head}{'word ' * 99}</p></article>")
    assert re.search(r'content="Why\? (word )+…">', long)
    assert pages.described(short) == short


def test_code_loses_the_colour_that_is_none():
    html = '<pre><span class="n">x</span><span class="p">(</span><span class="mi">1</span>)</pre>'
    assert pages.UNCOLOURED.sub(r"\1", html) == '<pre>x(<span class="mi">1</span>)</pre>'


def test_the_numbers_of_an_explorer_move_to_a_file_and_its_description_if_it_is_large(tmp_path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "notebooks").mkdir()
    meta = '{"a": "it\'s"}'
    html = (
        '<div class="explorer" id="fig-a"><p>x</p>'
        f'<script type="application/json" class="explorer-meta">{meta}</script>'
        '<script type="text/plain" class="explorer-data">eJw=</script></div>'
    )
    page = tmp_path / "notebooks" / "a.html"
    moved = pages.unloaded(html, page, tmp_path)
    assert meta in moved and "eJw=" not in moved
    assert 'class="explorer-data" data-src="../_static/explorers/fig-a.js"></script>' in moved
    script = (tmp_path / "_static" / "explorers" / "fig-a.js").read_text()
    assert script == "document.querySelector('#fig-a .explorer-data').textContent = 'eJw=';\n"
    large = html.replace(meta, f'["{"é" * pages.LARGE}"]')
    assert "fig-a-meta.js" in pages.unloaded(large, page, tmp_path)


# Styles


def test_rules_that_no_page_can_match_go_and_others_stay():
    css = (
        '@charset "utf-8";.a{x:url("data:,(}")}.b .gone,.a:not(.gone):is(.b, .c){y:1}'
        "@media print{.gone{z:1}}@media screen{html .b{z:1}}@font-face{src:url(f)}.a\\:b{q:1}"
    )
    kept = styles.needed(css, {"a", "b"})
    assert kept.splitlines() == [
        '@charset "utf-8";',
        '.a{x:url("data:,(}")}',
        ".a:not(.gone):is(.b, .c){y:1}",
        "@media screen{html .b{z:1}",
        "}",
        "@font-face{src:url(f)}",
    ]


def test_one_sheet_takes_the_place_of_all_with_their_imports_and_addresses(tmp_path):
    (tmp_path / "_static" / "styles").mkdir(parents=True)
    (tmp_path / "_static" / "basic.css").write_text("p{a:1}")
    theme = '@import "../basic.css";i{src:url("../vendor/f.woff2?v=1")}'
    (tmp_path / "_static" / "styles" / "theme.css").write_text(theme)
    page = tmp_path / "index.html"
    page.write_text('<head><link rel="stylesheet" href="_static/styles/theme.css?v=2" />\n</head>')
    styles.bundle(tmp_path, [page])
    assert page.read_text() == '<head><link rel="stylesheet" href="_static/book.css">\n</head>'
    sheet = (tmp_path / "_static" / "book.css").read_text()
    assert sheet == 'p{a:1}\ni{src:url("vendor/f.woff2?v=1")}\n'


# Predictions


def test_the_predictions_of_a_section_become_rows_of_a_table():
    line = (
        '<p class="prediction holds"><b>P1.1a</b> a: slope: <span>predicted <b>−1</b></span> '
        "<span>measured <b>−1.02</b></span> <span>allowed ± 10<sup>−2</sup></span> "
        "<strong>holds</strong></p>"
    )
    html = (
        '<h2>1</h2>\n<section id="p1-1">\n<h3>P1.1<a class="headerlink">#</a></h3>\n'
        "<p>Theory.</p>\n"
        f"<div>{line}</div></section>\n</section>"
    )
    table = predictions.tabulated(html)
    assert table.count("<table") == 1 and table.count("<td") == 5
    cells = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", table)
    holds = "<strong>holds</strong>"
    assert cells[-6:] == ["P1.1a", "a: slope", "−1", "± 10<sup>−2</sup>", "−1.02", holds]
    assert '<tbody id="p1-1"' in table and "Theory." in table and "<section" not in table


@pytest.mark.parametrize(
    ("printed", "read"),
    [
        ("-1.02", "−1.02"),
        ("4.102e-05", "4.102·10<sup>−5</sup>"),
        ("1e+04", "10<sup>4</sup>"),
        ("-1e-07 … 11e-10", "−10<sup>−7</sup> … 11·10<sup>−10</sup>"),
    ],
)
def test_a_number_reads_as_people_write_it(printed, read):
    span = "<span>measured <b>{}</b></span>, e-1"
    assert predictions.typeset(span.format(printed)) == span.format(read)


# Search


def test_a_section_is_found_with_its_words_and_without_pictures(tmp_path):
    page = tmp_path / "a.html"
    page.write_text(
        '<article><section id="top">\n<h1>Top<a class="headerlink" href="#top">#</a></h1>'
        '<p>One &amp;</p><p>two</p><section class="x" id="sub">\n<span id="label"></span>'
        "<h2>Sub</h2><svg><text>no</text></svg>"
        "<pre>x = <b>1</b></pre></section></section></article>"
    )
    top, sub = search.sections(page, tmp_path)
    assert top == {
        "id": "a.html#top", "chapter": "Top", "title": "Top", "level": 1,
        "text": "One & two", "code": "",
    }  # fmt: skip
    assert (sub["id"], sub["chapter"], sub["text"], sub["code"]) == (
        "a.html#sub",
        "Top",
        "",
        "x = 1",
    )


def test_a_chapter_s_card_shows_the_first_panel_of_its_first_explorer(tmp_path):
    card = (
        '<div class="sd-card-body docutils">Question?</div>'
        '<a href="../notebooks/{0}.html"><span class="doc">{0}</span></a>'
    )
    explorer = (
        '<div class="explorer" id="fig-a"><svg role="img" viewBox="0 0 9 5" fill="currentColor">'
        '<path style="stroke: var(--explorer-0, #0072b2)"/><use href="#m"/></svg></div>'
        '<svg viewBox="1 1 1 1"><rect/></svg>'
    )
    for folder in ("book", "notebooks", "_static"):
        (tmp_path / folder).mkdir()
    (tmp_path / "book" / "index.html").write_text(card.format("with") + card.format("without"))
    (tmp_path / "notebooks" / "with.html").write_text(explorer)
    (tmp_path / "notebooks" / "without.html").write_text("<p>No picture.</p>")
    thumbnails.illustrate(tmp_path, [tmp_path / "book" / "index.html"])
    front = (tmp_path / "book" / "index.html").read_text()
    assert front.count("<img") == 1 and 'src="../_static/thumbnails/with.svg"' in front
    picture = ElementTree.parse(tmp_path / "_static" / "thumbnails" / "with.svg").getroot()
    assert picture.get("viewBox") == "0 0 9 5" and picture.get("fill") == thumbnails.GREY
    assert picture[1].get("style") == "stroke: #0072b2"
