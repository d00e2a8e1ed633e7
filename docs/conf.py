"""How Sphinx builds the documentation: `make docs`. Warnings are errors there."""

import re
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

HERE = Path(__file__).parent

project = "captum_lca"
author = "the captum_lca developers"
project_copyright = author
release = re.search(
    r'^__version__ = "(.+)"$',
    (HERE.parent / "captum_lca/__init__.py").read_text(encoding="utf-8"),
    re.MULTILINE,
).group(1)

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {
    name: name for name in ("Activations", "Inputs", "Labels", "NeuronSelector", "Target")
}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"captum_lca {release}"

SECONDS = 5
"""How long an inventory of another project may take to answer."""
INVENTORIES = {
    "python": "https://docs.python.org/3/",
    "torch": "https://docs.pytorch.org/docs/stable/",
    "captum": "https://captum.ai/api/",
    "pandas": "https://pandas.pydata.org/docs/",
    "matplotlib": "https://matplotlib.org/stable/",
}
"""Projects that the docstrings name. transformers publishes no inventory."""


def answers(url: str) -> bool:
    """Whether an inventory can be had; without a network the build has fewer links, no errors."""
    try:
        with urlopen(f"{url}objects.inv", timeout=SECONDS) as answer:
            return bool(answer.read(20).startswith(b"# Sphinx inventory"))
    except (URLError, OSError):
        return False


intersphinx_mapping = {name: (url, None) for name, url in INVENTORIES.items() if answers(url)}
intersphinx_timeout = SECONDS

suppress_warnings = ["ref.python"]
"""A field named as a parameter's type seems a reference to every field of that name."""


def setup(app):
    """Bars in docstrings mean absolute values, not substitutions of reStructuredText."""

    def without_substitutions(app, what, name, obj, options, lines):
        lines[:] = [
            re.sub(r"(?<![`\\])\|(?!`)", r"\\|", line)
            if "``" not in line and not line.startswith(" ")
            else line
            for line in lines
        ]

    app.connect("autodoc-process-docstring", without_substitutions)
