"""One self-contained HTML page: templates filled in, nothing fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from captum_lca import __version__

LONGEST_LABEL = 80
"""Characters of a label or a word that a page shows."""
SENSIBLE_DIGITS = 3
"""Of numbers below 1 in magnitude, behind the point."""
FULL_HEAT, HEAT_LEVELS = 3.0, 6
"""Standard deviations in full colour, and how many levels lead to it; the same in the script."""
SCRIPT_ESCAPES = {code: f"\\u{code:04x}" for code in (0x3C, 0x3E, 0x26, 0x2028, 0x2029)}
"""What would end a script block early, and what old parsers of scripts trip over."""


def render(template: str, **content: Any) -> str:
    """Fill in a template; all text is escaped, and only our own style and script may run.

    Args:
        template: Its file in ``templates``.
        content: What the template names.

    Returns:
        The page, which asks a browser for no other file: its Content-Security-Policy forbids it.
    """
    style, script = (_source(f"report.{kind}") for kind in ("css", "js"))
    return render_part(
        template,
        version=__version__,
        style=Markup(style),  # our own file
        script=Markup(script),  # our own file
        style_hash=_hash(style),
        script_hash=_hash(script),
        **content,
    )


def render_part(template: str, **content: Any) -> str:
    """The same for a part of a page."""
    return _ENVIRONMENT.get_template(template).render(**content)


def json_block(data: Any) -> Markup:
    """Data as JSON that is safe inside a ``<script type="application/json">`` element.

    Args:
        data: Plain values, all numbers finite.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(SCRIPT_ESCAPES))  # no < is left in it


def short(text: object) -> str:
    """A label or a word, cut if it is very long."""
    label = str(text)
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"


def number(value: object) -> str:
    """A number as people read it: thousands set apart, three digits behind the point at most."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if not math.isfinite(value):
        return "–" if math.isnan(value) else f"{value}".replace("inf", "∞").replace("-", "−")
    if value and not 0.001 <= abs(value) < 1e6:
        return f"{value:.2e}".replace("-", "−")
    digits = SENSIBLE_DIGITS if abs(value) < 10 else 1
    return f"{value:,.{digits}f}".replace("-", "−")


def signed(value: float) -> str:
    """The same with its sign."""
    return number(value) if value <= 0 else f"+{number(value)}"


def heat(value: float | None) -> str:
    """The style of a word by its activation: ``u`` above the mean, ``d`` below, then the level."""
    level = min(HEAT_LEVELS, round(abs(value or 0) / FULL_HEAT * HEAT_LEVELS))
    return f"{'u' if (value or 0) > 0 else 'd'}{level}" if level else ""


def _source(name: str) -> str:
    return _LOADER.get_source(_ENVIRONMENT, name)[0]


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


_LOADER = PackageLoader("captum_lca.report")
_ENVIRONMENT = Environment(
    loader=_LOADER,
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters.update(short=short, number=number, signed=signed, heat=heat)
