"""The exercises of the chapters, as their tests reach them."""

import ast
from contextlib import suppress

import nbformat

from tests.conftest import ROOT

EXERCISES = {
    "01_gradient_descent": ("largest-lr", "next-lr", "train-network"),
    "02_stochastic_gradient_descent": ("genie", "lr-for-floor", "lr-schedule", "train-by-ones"),
    "03_mini_batches": ("stratified", "noise-scale", "loader"),
    "04_learning_rates": ("steps-needed", "schedule", "fit"),
    "05_momentum": ("best-momentum", "change-lr", "ported"),
    "06_adaptive_methods": ("scaled", "lion", "recipe"),
    "07_the_landscape": ("weight-std", "restarts", "accuracy"),
    "08_generalisation": ("threshold", "customers-needed", "cross-validated"),
    "09_scale": ("delayed-lr", "ring", "ranks"),
    "10_variational_autoencoder": ("kl-between", "logistic", "vae-loss"),
    "11_generative_adversarial_network": ("extragradient", "largest-dirac-lr", "gan-steps"),
    "12_your_own_problem": ("time-split", "interval", "foretell"),
}


def tagged(chapter: str, tag: str) -> str:
    """The source of the one cell of a chapter that has this tag."""
    cells = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4).cells
    (cell,) = [c for c in cells if tag in c.metadata.get("tags", [])]
    return cell.source


def namespace(chapter: str) -> dict:
    """The imports of a chapter and the functions it defines, without running the rest.

    A function whose default is a value that the chapter computes is left out.
    """
    names: dict = {}
    for cell in nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef)
            for node in (node for node in tree.body if isinstance(node, kinds)):
                with suppress(NameError):
                    exec(compile(ast.Module([node], []), chapter, "exec"), names)
    return names


def said(capsys, check, answer) -> str:
    check(answer)
    return capsys.readouterr().out
