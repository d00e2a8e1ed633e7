"""Results as files, tables and pictures."""

from captum_lca.report.folder import write_study
from captum_lca.report.tables import study_table

__all__ = ["study_table", "write_study"]
