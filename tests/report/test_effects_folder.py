import json

import pandas as pd
from effects import effects_of

from captum_lca.report import write_effects


def test_the_files_hold_the_effects(tmp_path):
    write_effects(effects_of("NOUN", "VERB"), tmp_path / "out", {"seed": 0})
    results = json.loads((tmp_path / "out" / "model_ablation.json").read_text())
    assert results["settings"] == {"seed": 0}
    assert results["effects"][0]["change"] == 0.4
    table = pd.read_csv(tmp_path / "out" / "model_ablation.csv")
    assert table["target"].tolist() == ["NOUN"] * 4 + ["VERB"] * 4
    assert (tmp_path / "out" / "model_ablation.png").read_bytes().startswith(b"\x89PNG")


def test_the_report_is_written_or_gains_a_part(tmp_path, study):
    write_effects(effects_of("NOUN"), tmp_path, {})
    page = (tmp_path / "report.html").read_text()
    assert "Does the model use its salient neurons?" in page
    assert "+0.400 [+0.300, +0.500] from 2.000" in page
