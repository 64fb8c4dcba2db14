"""The reference of gdlib: autodoc, for docstrings whose arguments are lines of two columns."""

import ast
import inspect
import re
import sys
from importlib import import_module

from sphinx.application import Sphinx

# `name  what it is`, as gdlib's docstrings write arguments and fields; a line further in goes on.
ROW = re.compile(r"(\w+) {2,}(\S.*)")
CODE = re.compile(r"``(\w+)``")
# A signature of several lines: Sphinx writes a list of definitions without terms.
LINES = re.compile(
    r"<dl>\s*((?:<dd><em class=\"sig-param\">(?:(?!</dd>).)*</dd>\s*)+)</dl>", re.DOTALL
)


def public(module: str) -> list[str]:
    """The names that a module offers: its ``__all__``, or what it defines without underscore."""
    found = import_module(module)
    tree = ast.parse(inspect.getsource(found)).body
    own = [n.name for n in tree if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    return list(getattr(found, "__all__", [n for n in own if not n.startswith("_")]))


def columns(lines: list[str]) -> list[str]:
    """Lines of two columns as definitions, which a narrow page can show."""
    written: list[str] = []
    defined = False
    for line in lines:
        row = ROW.fullmatch(line)
        if row:
            written += ["", f"``{row[1]}``", f"    {row[2]}"]
        elif defined and line and not line.startswith(" "):
            written += ["", line]
        else:
            written.append(line)
        defined = bool(row) or (defined and line.startswith(" "))
    return written


def linked(lines: list[str], module: str, own: str) -> list[str]:
    """Names of the same module, other than the one explained, lead to where they are explained."""
    names = set(public(module)) - {own.split(".")[0]}

    def link(code: re.Match[str]) -> str:
        return f":py:obj:`{code[1]} <{module}.{code[1]}>`" if code[1] in names else code[0]

    return [CODE.sub(link, line) for line in lines]


def rewrite(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Rewrite a docstring's lines in place: what autodoc calls before it reads them."""
    if what != "module":
        module = name
        while module not in sys.modules:
            module = module.rpartition(".")[0]
        lines[:] = linked(lines, module, name.removeprefix(f"{module}."))
    lines[:] = columns(lines)


def parted(html: str) -> str:
    """A page whose long signatures have a span for each argument, which is no list to hear."""

    def spans(match: re.Match[str]) -> str:
        return match[1].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")

    return LINES.sub(spans, html)


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.viewcode")
    app.connect("autodoc-process-docstring", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
