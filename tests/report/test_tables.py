from captum_lca.analysis import (
    CrossValidation,
    CrossValidationPoint,
    PenaltyPoint,
    PenaltySearch,
)
from captum_lca.report import search_table, study_table

GRID = [(0.1, 0.01, 0.25), (0.05, 0.01, 0.5)]


def test_the_table_shows_scores_layers_and_ablation(study):
    lines = study_table(study).splitlines()
    assert lines[0] == "sign"
    assert f"accuracy {study.scores.accuracy:.3f} (majority " in lines[1]
    counts = study.ranking.layer_counts(2)
    assert f"the top 2 neurons by layer: low={counts['low']} high={counts['high']}" in lines[3]
    kept = study.ablation.find("keep", "top", 2, "mean")
    [row] = [line for line in lines if line.split()[:3] == ["keep", "2", "mean"]]
    assert row.split()[3] == f"{kept.score:.3f}"


def test_the_table_of_a_search_by_ablation():
    points = tuple(PenaltyPoint(l1, l2, s, 0.9, 0.8, 0.1, 9, 3, 0.1) for l1, l2, s in GRID)
    assert search_table(PenaltySearch(points, 0.925, "accuracy")).splitlines() == [
        "  ablation score (unregularised accuracy 0.925):",
        "      l2 / l1      0.1     0.05",
        "         0.01    0.250    0.500",
        "  chosen: l1 = 0.05, l2 = 0.01 (full 0.900, top 0.800, bottom 0.100); "
        "the weakest l1 tried",
    ]


def test_the_table_of_a_cross_validation():
    points = tuple(CrossValidationPoint(l1, l2, s, 0.3, (), 9, 3, 0.1) for l1, l2, s in GRID)
    lines = search_table(CrossValidation(points[::-1], "r2")).splitlines()
    assert lines[0] == "  r2 by cross-validation:"
    assert lines[-2].startswith(
        "  chosen: l1 = 0.05, l2 = 0.01 (0.500 ± 0.300, within one standard"
    )
    assert lines[-1].startswith("    ")
