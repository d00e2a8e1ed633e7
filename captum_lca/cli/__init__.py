"""The command line: ``captum-lca demo | extract | analyze | compare | ablate``."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence

from captum_lca import __version__
from captum_lca.cli import ablate, analyze, compare, demo, extract
from captum_lca.cli.options import BAD_INPUT, STOPPED, Parser
from captum_lca.cli.printing import PrintableFormatter, complain, one_line, show_warning
from captum_lca.distributed import process_group

COMMANDS = {
    "demo": (demo, "the whole method on a small real model and a generated corpus"),
    "extract": (extract, "activations of a text, as a store on disk"),
    "analyze": (analyze, "probe, ranking and ablation of one or more properties"),
    "compare": (compare, "models, a model before and after fine-tuning, or languages"),
    "ablate": (ablate, "the neurons that analyze found, ablated in the model itself"),
}
"""Per command its module (``add_options`` and ``run``), and what it is for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; default: those of the process.

    Returns:
        Exit status: 0; 2 if the input was refused or something failed that is no fault of the
        program (with one line on standard error); 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.showwarning = show_warning
        try:
            with process_group():
                options.run(options)
        except (ValueError, OSError) as error:
            complain(f"error: {one_line(error)}")
            return BAD_INPUT
        except KeyboardInterrupt:
            complain("stopped; what is complete stays")
            return STOPPED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="captum-lca",
        description="Find the neurons of a transformer that carry a property of language.",
    )
    parser.add_argument("--version", action="version", version=f"captum-lca {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, (command, summary) in COMMANDS.items():
        of_command = commands.add_parser(name, help=summary)
        command.add_options(of_command)
        of_command.set_defaults(run=command.run)
    return parser
