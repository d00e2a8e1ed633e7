"""How Sphinx builds the documentation: `make docs`. Warnings are errors there."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from transformers.utils import logging as transformers_logging

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for tutorial_order, which has to be importable by name

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
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

myst_enable_extensions = ["deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {
    name: name for name in ("Activations", "Inputs", "Labels", "NeuronSelector", "Target")
}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True

transformers_logging.disable_progress_bar()  # in what the tutorials print
transformers_logging.set_verbosity_error()

sphinx_gallery_conf = {
    "examples_dirs": "../tutorials",
    "gallery_dirs": "tutorials",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "tutorial_order.place",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "reference_url": {"captum_lca": None},
    "first_notebook_cell": "%matplotlib inline",
}
html_theme = "furo"
html_title = f"captum_lca {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]

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


with ThreadPoolExecutor() as pool:
    answering = list(pool.map(answers, INVENTORIES.values()))
intersphinx_mapping = {
    name: (url, None)
    for (name, url), there in zip(INVENTORIES.items(), answering, strict=True)
    if there
}
intersphinx_timeout = SECONDS

suppress_warnings = ["ref.python"]
"""A field named as a parameter's type seems a reference to every field of that name."""

nitpicky = True
OTHERS = "captum|collections|matplotlib|numpy|os|pandas|pathlib|pd|re|torch"
"""What intersphinx may not have reached, or has no inventory of."""
WORDS = "batch|callable|iterable|mapping|ndarray|optional|path-like|sequence|shape|a sequence|them"
"""What types are described with in docstrings, as in Captum's."""
nitpick_ignore_regex = [
    (r"py:.*", rf"({OTHERS})\..*"),
    (r"py:class", rf"{WORDS}|Axes|Tensor|TypeAliasForwardRef"),
    (r"py:class", "Activations|Inputs|Labels|NeuronSelector|Target"),
    (r"py:class", r"captum_lca\.(activations\.store(_index)?|notebook|probed_layers)\.[A-Z]\w*"),
    (r"py:(class|exc)", r"\"balanced\"|NotFittedError|tuple\[str"),
]


def setup(app):
    """What docstrings of this project need beyond napoleon."""

    def without_substitutions(app, what, name, obj, options, lines):
        """Bars mean absolute values, not substitutions of reStructuredText."""
        lines[:] = [
            re.sub(r"(?<![`\\])\|(?!`)", r"\\|", line)
            if "``" not in line and not line.startswith(" ")
            else line
            for line in lines
        ]

    def without_inline_types(app, what, name, obj, options, lines):
        """Napoleon takes what is before a colon in an attribute's first line for its type.

        An empty comment goes before that line.
        """
        if what in ("attribute", "data", "property"):
            lines[:0] = ["..", ""]

    def without_links_back(app, pagename, templatename, context, doctree):
        """Links from source to docs miss what is documented under the name of a package."""
        if pagename.startswith("_modules/"):
            context["body"] = re.sub(r'<a class="viewcode-back".*?</a>', "", context["body"])

    app.connect("html-page-context", without_links_back)
    app.connect("autodoc-process-docstring", without_inline_types, priority=100)
    app.connect("autodoc-process-docstring", without_substitutions)
