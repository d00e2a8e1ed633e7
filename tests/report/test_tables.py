from captum_lca.report import study_table


def test_the_table_shows_scores_layers_and_ablation(study):
    lines = study_table(study).splitlines()
    assert lines[0] == "sign"
    assert f"accuracy {study.scores.accuracy:.3f} (majority " in lines[1]
    counts = study.ranking.layer_counts(2)
    assert f"the top 2 neurons by layer: low={counts['low']} high={counts['high']}" in lines[3]
    kept = study.ablation.find("keep", "top", 2, "mean")
    [row] = [line for line in lines if line.split()[:3] == ["keep", "2", "mean"]]
    assert row.split()[3] == f"{kept.score:.3f}"
