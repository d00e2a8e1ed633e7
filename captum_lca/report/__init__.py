"""Results as files, tables and pictures."""

from captum_lca.report.answer import Answer
from captum_lca.report.captum_records import visualization_records
from captum_lca.report.comparison_report import comparison_report
from captum_lca.report.csv_files import read_csv, write_csv
from captum_lca.report.effects_folder import write_effects
from captum_lca.report.effects_report import effects_report
from captum_lca.report.folder import write_answer, write_comparison, write_study
from captum_lca.report.study_report import study_report
from captum_lca.report.tables import search_table, study_table

__all__ = [
    "Answer",
    "comparison_report",
    "effects_report",
    "read_csv",
    "search_table",
    "study_report",
    "study_table",
    "visualization_records",
    "write_answer",
    "write_comparison",
    "write_csv",
    "write_effects",
    "write_study",
]
