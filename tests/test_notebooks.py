"""The chapters as they are in git: complete, executed, clean, and built as the others are."""

import copy
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from pybtex.database import parse_file
from pybtex.richtext import Text

from book import launch
from book.build import CAPTION, fold
from book.launch import FETCH
from tests.conftest import ROOT

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TOC = (ROOT / "_toc.yml").read_text(encoding="utf8")
PREDICTIONS = (ROOT / "book" / "predictions.md").read_text(encoding="utf8")
LONGEST_CELL, LONGEST_IMPORTS, WIDEST_LINE = 20, 25, 84
EXPLORER = r"(?s)\b(?:Explorer|Live)\(.*?\bname=\"([\w-]+)\""
BIBLIOGRAPHY = parse_file(ROOT / "book" / "references.bib").entries
CITED = re.compile(r"\[([^\]]*)\]\([^)]*references\.md#([^)]*)\)")
PROMISED = {1: 6, 2: 5, 3: 8, 4: 5, 5: 8, 6: 11, 7: 12, 8: 11, 9: 11, 10: 4, 11: 3, 12: 7}

# What nbval cannot follow, a build swallows, or a reader cannot trace to where it came from.
FORBIDDEN = {
    r"\binteract(ive|ive_output|_manual)?\(": "interact: use an Explorer",
    r"\b(widgets\.)?Output\(": "Output widgets swallow errors",
    r"\bclear_output\b": "clear_output: nbval cannot follow it",
    r"\bto_jshtml\b": "to_jshtml: use an Explorer",
    r"import \*": "import *: say what is used",
    r"\btorch\.manual_seed\b|np\.random\.seed": "a global seed: pass a torch.Generator",
    r"\brcParams\b|plt\.style": "rcParams: draw, do not restyle",
    r"sys\.path": "sys.path: gdlib is installed",
    r"!pip|%pip|%matplotlib": "magics: the installation is not the chapter's business",
}

# Every chapter has these, in this order (a word that its heading, or its text, must hold).
PARTS = [
    r"(?i)minutes",
    r"(?i)before you run it",
    r"(?i)## .*exercise",
    r"(?i)bug hunt",
    r"(?i)## .*what the articles say",
    r"(?i)## .*three sentences to remember",
    r"references\.md#",
]


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    """Without the cell that a chapter has for Colab, if the repository has an address."""
    return [c for c in read(path).cells if c.cell_type == "code" and c.id != FETCH]


def prose(path: Path) -> str:
    return "\n\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def folded(cell: nbformat.NotebookNode) -> bool:
    return bool({"hide-cell", "hide-input"} & set(tags(cell)))


def outputs(path: Path):
    return [(n, o) for n, c in enumerate(code_cells(path), 1) for o in c.outputs]


each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)


def test_the_toc_names_every_chapter_and_no_other():
    named = re.findall(r"file: notebooks/(\S+)", TOC)
    assert sorted(named) == [path.stem for path in CHAPTERS]
    assert named == sorted(named), "chapters stand in the order of their numbers"


@each_chapter
def test_front_page_and_readme_name_the_chapter(path):
    for page in ("book/index.md", "README.md"):
        assert f"notebooks/{path.stem}" in (ROOT / page).read_text(encoding="utf8"), page


def test_badges_and_the_cell_for_colab_stand_where_the_repository_has_an_address():
    readme = (ROOT / "README.md").read_text(encoding="utf8")
    assert readme == launch.with_badges(readme, ROOT / "_config.yml"), "run `make notebooks`"
    for chapter in CHAPTERS:
        ids = [cell.id for cell in read(chapter).cells]
        wanted = launch.with_cell(read(chapter), ROOT / "_config.yml")
        assert ids == [cell.id for cell in wanted.cells], "run `make notebooks`"


@each_chapter
def test_every_cell_was_executed_in_order(path):
    counts = [c.execution_count for c in read(path).cells if c.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "run `make notebooks`"


@each_chapter
def test_no_picture_page_or_widget_is_stored(path):
    assert "widgets" not in read(path).metadata, "run `make notebooks`"
    for number, output in outputs(path):
        kinds = output.get("data", {})
        heavy = [k for k in kinds if k.startswith("image/") or k == "text/html" or "widget" in k]
        assert not heavy, f"code cell {number} stores {heavy}: run `make notebooks`"


@each_chapter
def test_no_cell_stores_an_error_or_a_warning(path):
    for number, output in outputs(path):
        assert output.output_type != "error", f"code cell {number} failed"
        assert output.get("name") != "stderr", f"code cell {number} warns: {output.text}"


@each_chapter
def test_no_output_holds_an_address_or_a_generator(path):
    for number, output in outputs(path):
        text = output.get("text", "") + str(output.get("data", {}).get("text/plain", ""))
        assert not re.search(r"0x[0-9a-f]{6,}", text), f"code cell {number} prints an address"


@each_chapter
def test_no_cell_is_longer_than_20_lines_or_wider_than_its_box(path):
    for number, cell in enumerate(code_cells(path), 1):
        lines = cell.source.splitlines()
        longest = LONGEST_IMPORTS if number == 1 else LONGEST_CELL
        assert len(lines) <= longest, f"code cell {number} has {len(lines)} lines"
        wide = [line for line in lines if len(line) > WIDEST_LINE]
        assert folded(cell) or not wide, f"code cell {number}: {wide}"


@each_chapter
def test_no_cell_uses_what_the_book_avoids(path):
    for number, cell in enumerate(code_cells(path), 1):
        for pattern, reason in FORBIDDEN.items():
            assert not re.search(pattern, cell.source), f"code cell {number}: {reason}"


@each_chapter
def test_every_figure_has_alt_text_and_every_explorer_a_task(path):
    for number, cell in enumerate(code_cells(path), 1):
        assert "plt.show()" not in cell.source, f"code cell {number}: show a Picture, with its alt"
        if re.search(r"\b(Picture|Explorer|Live)\(", cell.source):
            assert re.search(r"\balt=f?[\"']", cell.source), f"code cell {number}: no alt text"
        if re.search(EXPLORER, cell.source):
            assert "task=" in cell.source, f"code cell {number}: an Explorer without a task"


def captions(path: Path) -> list[tuple[str, str]]:
    """The label and the name ("Figure 3.4") of each caption of a chapter, in the page's order."""
    cells = read(path).cells
    found = [(cell.source, m[1]) for cell in cells if (m := CAPTION.match(cell.source))]
    return [(source[1 : source.index(")")], name) for source, name in found]


@each_chapter
def test_captions_are_numbered_in_the_order_of_the_page(path):
    names = [name for _, name in captions(path)]
    for kind in ("Figure", "Explorer"):
        own = [name for name in names if name.startswith(kind)]
        assert own == [f"{kind} {int(path.stem[:2])}.{n}" for n in range(1, len(own) + 1)]


@each_chapter
def test_every_picture_has_its_caption_below_it(path):
    cells = read(path).cells
    for cell, below in pairwise(cells):
        shown = cell.cell_type == "code" and "Picture(" in cell.source
        caption = CAPTION.match(below.source)
        assert shown == bool(caption and caption[1].startswith("Figure")), below.source
        if caption:
            assert "hide-input" in tags(cell), f"no figure above {caption[1]}"
            assert below.source.endswith("."), f"{caption[1]} ends without a full stop"
    explorers = [name for c in code_cells(path) for name in re.findall(EXPLORER, c.source)]
    labels = [label for label, name in captions(path) if name.startswith("Explorer")]
    assert labels == [f"explorer-{name}" for name in explorers]


def test_no_two_captions_of_the_book_have_one_label():
    labels = sorted(label for path in CHAPTERS for label, _ in captions(path))
    assert labels == sorted(set(labels))


@each_chapter
def test_a_reference_reads_as_what_it_leads_to(path):
    names = dict(captions(path))
    for text, label in re.findall(r"\[([^\]]*)\]\(#([^)]*)\)", prose(path)):
        assert text.lower() == names[label].lower(), label


def authors_and_year(key: str) -> tuple[str, str]:
    """What one says of an entry of the bibliography."""
    people = BIBLIOGRAPHY[key].persons["author"]
    names = [str(Text.from_latex(" ".join(p.prelast_names + p.last_names))) for p in people]
    few = len(names) < 3 and "others" not in names
    who = " and ".join(names) if few else f"{names[0]} et al."
    return who, BIBLIOGRAPHY[key].fields["year"]


def texts() -> dict[str, str]:
    """Everything that a reader of the book reads, by its file."""
    pages = {page.name: page.read_text("utf8") for page in (ROOT / "book").glob("*.md")}
    return pages | {path.name: prose(path) for path in CHAPTERS}


@pytest.mark.parametrize("name", texts())
def test_a_citation_reads_as_authors_and_year(name):
    assert not re.search(r"\{(cite|numref)", texts()[name]), (
        "a reference that JupyterLab cannot read"
    )
    for text, key in CITED.findall(texts()[name]):
        who, year = authors_and_year(key)
        assert text in (f"{who} ({year})", f"{who.replace(' and ', ' & ')} {year}"), key


def test_authors_and_year_are_those_of_the_entry():
    assert authors_and_year("drori2014") == ("Drori and Teboulle", "2014")
    assert authors_and_year("hagele2024") == ("Hägele et al.", "2024")
    assert authors_and_year("s1") == ("Olamendy Turruellas", "S1")


def test_what_is_listed_is_cited():
    assert {key for text in texts().values() for _, key in CITED.findall(text)} == set(BIBLIOGRAPHY)


@pytest.mark.parametrize("name", texts())
def test_a_sentence_writes_its_symbols_in_one_way(name):
    """All as mathematics or all as text: $\\eta$ and η are not in one sentence."""
    text = re.sub(r"(?ms)```.*?```|^#.*?$|`[^`\n]*`|\]\([^)]*\)|β-VAE", "", texts()[name])
    text = re.sub(r"(?s)\$\$.*?\$\$|\$[^$]+\$", "$", text)
    for sentence in re.split(r"[.!?:]\s|\n\s*\n|\n(?=[|*:-])|\s\|\s", text):
        assert not ("$" in sentence and re.search("[α-ωΣΔΛ]", sentence)), sentence


@each_chapter
def test_a_chapter_has_what_every_chapter_has(path):
    text = prose(path)
    missing = [part for part in PARTS if not re.search(part, text)]
    assert not missing, f"no {missing}"
    first = read(path).cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    imports = code_cells(path)[0].source
    assert "import" in imports, "the first code cell holds the imports"


@each_chapter
def test_the_stated_minutes_are_those_of_a_reader(path):
    """230 words a minute; 12 lines of code, 3 minutes an explorer, 10 an exercise."""
    stated = re.search(r"Reading (\d+) minutes · with code and exercises (\d+)", prose(path))
    assert stated, "say it so: Reading 25 minutes · with code and exercises 80"
    visible = re.sub(r"(?s):{3,}\{admonition\} Hint.*?:{3,}", "", prose(path))
    code = [c for c in code_cells(path) if not folded(c)]
    explorers = sum(bool(re.search(EXPLORER, c.source)) for c in code_cells(path))
    exercises = sum(any(t.startswith("solution-") for t in tags(c)) for c in code_cells(path))
    reading = len(visible.split()) / 230 + 3 * explorers
    lines = sum(len(c.source.splitlines()) for c in code)
    whole = reading + lines / 12 + 10 * exercises
    for said, counted in zip(map(int, stated.groups()), (reading, whole), strict=True):
        assert abs(said / counted - 1) < 0.25, f"{said} minutes are said, {counted:.0f} counted"


@each_chapter
def test_a_chapter_marks_what_a_first_reading_may_skip(path):
    headings = re.findall(r"^#{2,3} .*", prose(path), re.MULTILINE)
    second = [h for h in headings if h.endswith("(second reading)")]
    assert second and len(second) < len(headings) / 2, second
    assert "core path" in prose(path).split("\n## ")[0].lower()


@each_chapter
def test_a_chapter_has_three_exercises_with_hint_check_and_executed_solution(path):
    cells = code_cells(path)
    solutions = [c for c in cells if "hide-cell" in tags(c)]
    checks = [c for c in cells if re.search(r"^check_\w+\(", c.source, re.MULTILINE)]
    checks = [c for c in checks if not c.source.lstrip().startswith("check_prediction")]
    assert len(solutions) >= 3, f"{len(solutions)} solutions in cells tagged hide-cell"
    for cell in cells:  # JupyterLab shows the first line of a fold, and what it printed when it ran
        solves = any(tag.startswith("solution-") for tag in tags(cell))
        assert solves == cell.source.startswith("# The solution\n"), cell.source
    assert len(checks) >= 3, f"{len(checks)} cells call a check"
    hints = re.findall(r"\{admonition\}\s*Hint", prose(path))
    assert len(hints) >= 3, f"{len(hints)} hints"


@each_chapter
def test_only_figures_and_solutions_are_hidden(path):
    for number, cell in enumerate(code_cells(path), 1):
        assert not {"remove-cell", "remove-input", "remove-output"} & set(tags(cell)), number
        assert "nbval-skip" not in tags(cell), f"code cell {number} is never executed"


@each_chapter
def test_folds_are_as_the_build_sets_them(path):
    notebook = read(path)
    assert "hide-input" in tags(code_cells(path)[0]), "the imports are folded"
    again = copy.deepcopy(notebook)
    fold(again)
    assert again == notebook, "run `make notebooks`"


def glued(path: Path) -> set[str]:
    """The ids of the predictions that a chapter checked, from its stored outputs."""
    names = [o.get("metadata", {}).get("scrapbook", {}).get("name", "") for _, o in outputs(path)]
    ids = [name for name in names if re.fullmatch(r"P\d+\.\d+[a-z]?", name)]
    assert len(ids) == len(set(ids)), f"an id is used twice: {sorted(ids)}"
    return set(ids)


@each_chapter
def test_the_page_of_predictions_lists_what_the_chapter_checks(path):
    listed = re.findall(
        rf"```{{glue}} (P\S+)\n:doc: \.\./notebooks/{path.stem}\.ipynb", PREDICTIONS
    )
    assert sorted(listed) == sorted(glued(path))


@each_chapter
def test_every_prediction_of_the_outline_is_checked(path):
    number = int(path.stem[:2])
    checked = {re.sub("[a-z]$", "", name) for name in glued(path)}
    assert checked == {f"P{number}.{k}" for k in range(1, PROMISED[number] + 1)}
