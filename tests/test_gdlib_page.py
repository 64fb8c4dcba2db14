"""The page of gdlib: ten lines that run, and a reference that explains every public name."""

import ast
import contextlib
import io
import re

import pytest

from book.reference import columns, linked, parted
from tests.conftest import ROOT, SITE, need

PAGE = (ROOT / "book" / "gdlib.md").read_text(encoding="utf8")
FLOORS = re.findall(
    r"^([a-z]+(?:, [a-z]+)*) {2,}(\S.*)$",
    (ROOT / "gdlib" / "__init__.py").read_text(encoding="utf8"),
    re.MULTILINE,
)
MODULES = [name for names, _ in FLOORS for name in names.split(", ")]


def public(module: str) -> set[str]:
    """What a module offers: its ``__all__``, or what it defines without an underscore."""
    path = ROOT / "gdlib" / f"{module}.py"
    path = path if path.exists() else ROOT / "gdlib" / module / "__init__.py"
    body = ast.parse(path.read_text(encoding="utf8")).body
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    named = {n.name for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    return {name for name in named if not name.startswith("_")}


def explained() -> str:
    """The page as it was built."""
    need(SITE.is_dir(), "no _build/html: run `make book` first")
    return (SITE / "book" / "gdlib.html").read_text(encoding="utf8")


def test_the_ten_lines_are_ten_and_print_what_the_page_says():
    code, said = re.findall(r"```(?:python|text)\n(.*?)```", PAGE, re.DOTALL)
    heard = io.StringIO()
    with contextlib.redirect_stdout(heard):
        exec(code, {})
    assert heard.getvalue() == said
    lines = list(filter(None, code.splitlines()))
    assert len(lines) == 10 and max(map(len, lines)) <= 84


def test_the_ten_lines_find_the_best_step_of_the_ravine_where_theory_has_it():
    said = re.search(r"```text\n.* (\S+) \S+\n```", PAGE)
    assert said and float(said[1]) == round(2 / (1 + 10), 2)


def test_the_reference_has_the_floors_of_gdlib_in_their_order():
    _, reference = PAGE.split("\n## Reference\n")
    headings = re.findall(r"^## (.*)\n\n(.*)\.$", reference, re.MULTILINE)
    assert [(names, text.lower()) for names, text in headings] == [
        (names, text.lower()) for names, text in FLOORS
    ]
    assert re.findall(r"automodule:: gdlib\.(\w+)", reference) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_stands_in_the_reference_with_its_file(module):
    page = explained()
    for name in public(module):
        place = f'id="gdlib.{module}.{name}"'
        assert place in page, name
        entry = page.split(place)[1].split("</dt>")[0]
        source = re.search(r'href="(\.\./_modules/gdlib/[\w/]+\.html)#([\w.]+)"', entry)
        assert source and source[2] == name
        file = (SITE / "book" / source[1]).resolve().read_text(encoding="utf8")
        assert f'id="{name}"' in file


def test_the_colours_stand_in_the_reference():
    assert all(f'id="gdlib.palette.{name}"' in explained() for name in ("COLORS", "CURVES"))


def test_no_docstring_reads_as_it_is_typed():
    page = re.sub(r"<pre>.*?</pre>", "", explained(), flags=re.DOTALL)
    assert "``" not in page and 'class="problematic"' not in page and "system-message" not in page
    assert not re.search(r"<p>\w+ {2,}\w", page), "a line of two columns is a definition"


# What book/reference.py makes of a docstring


def test_lines_of_two_columns_become_definitions():
    lines = ["All.", "", "start   where", "        it begins", "every   so many", "", "And so on."]
    assert columns(lines) == [
        *["All.", "", "", "``start``", "    where", "        it begins"],
        *["", "``every``", "    so many", "", "And so on."],
    ]
    assert columns(["start   where", "More."]) == ["", "``start``", "    where", "", "More."]


def test_a_name_of_the_same_module_leads_to_it_and_others_stay():
    lines = ["``in_order`` or ``shuffled``, ``digits`` of ``Tensor``"]
    assert linked(lines, "gdlib.data", "shuffled") == [
        ":py:obj:`in_order <gdlib.data.in_order>` or ``shuffled``, "
        ":py:obj:`digits <gdlib.data.digits>` of ``Tensor``"
    ]
    assert linked(["``digits``"], "gdlib.predictions", "check_prediction") == ["``digits``"]


def test_a_long_signature_is_no_list_without_terms():
    html = (
        '<dl>\n<dd><em class="sig-param">a</em>,</dd>\n<dd><em class="sig-param">b</em></dd>\n</dl>'
    )
    line = '<span class="sig-line"><em class="sig-param">{}</span>\n'
    assert parted(html) == line.format("a</em>,") + line.format("b</em>")
    listed = '<dl class="simple"><dt>a</dt><dd>b</dd></dl>'
    assert parted(listed) == listed
