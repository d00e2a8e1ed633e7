"""Results as files, tables and pictures."""

from captum_lca.report.effects_folder import write_effects
from captum_lca.report.folder import Answer, write_answer, write_comparison, write_study
from captum_lca.report.tables import search_table, study_table

__all__ = [
    "Answer",
    "search_table",
    "study_table",
    "write_answer",
    "write_comparison",
    "write_effects",
    "write_study",
]
