"""What a chapter's text outputs say now, beside what they said."""

from difflib import unified_diff

from nbformat import NotebookNode


def said(cell: NotebookNode) -> list[str]:
    """The lines that a code cell's outputs say; neighbouring pieces of a stream are one."""
    text = ""
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            text += output.text
        elif output.output_type != "error":
            text += "".join(output.data.get("text/plain", "")) + "\n"
    return text.splitlines()


def difference(before: NotebookNode, after: NotebookNode) -> str:
    """The lines that changed, cell by cell; empty when all is as it was."""
    code = [[c for c in n.cells if c.cell_type == "code"] for n in (before, after)]
    found = []
    for number, (old, new) in enumerate(zip(*code, strict=True), 1):
        was, now = said(old), said(new)
        if "nbval-ignore-output" in new.metadata.get("tags", []) or was == now:
            continue
        lines = list(unified_diff(was, now, lineterm="", n=1))[2:]
        found += [f"code cell {number} of {len(code[0])}:", *(f"  {line}" for line in lines)]
    return "\n".join(found)
