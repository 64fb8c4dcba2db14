"""One colour, one role, in every figure of the book."""

COLORS = {
    "surface": "#8c8c8c",
    "path": "#0072B2",
    "second": "#D55E00",
    "third": "#00754A",
    "fourth": "#7F4DF0",
    "start": "#595959",
    "minimum": "#D55E00",
}
"""Safe for colour-blind eyes, at least 3 : 1 on white."""

CURVES = ("path", "second", "third", "fourth")
"""The roles of what is compared, in order: seen on black too; an Explorer's style sheet,
``static/explorer.css``, gives each a lighter twin on dark pages, ``--explorer-0``, ``-1``, …"""
