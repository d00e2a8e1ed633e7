"""Results as files and pictures."""

from captum_lca.report.folder import write_study

__all__ = ["write_study"]
