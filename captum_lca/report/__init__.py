"""Results as files, tables and pictures."""

from captum_lca.report.effects_folder import write_effects
from captum_lca.report.folder import write_study
from captum_lca.report.tables import search_table, study_table

__all__ = ["search_table", "study_table", "write_effects", "write_study"]
