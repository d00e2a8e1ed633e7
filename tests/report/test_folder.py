import json

from matplotlib import pyplot as plt

from captum_lca.report.folder import finite, write_study


def test_numbers_that_json_does_not_have():
    values = {"a": [1.0, float("nan"), (float("inf"), "text")], 3: None}
    assert finite(values) == {"a": [1.0, None, [None, "text"]], "3": None}
    json.dumps(finite(values), allow_nan=False)


def test_files_are_replaced_and_no_figure_stays_open(study, tmp_path):
    open_before = plt.get_fignums()
    for _ in range(2):
        write_study(study, tmp_path / "out", {"seed": 0})
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "results.json",
        "ranking.csv",
        "ranking.safetensors",
        "probe.safetensors",
        "layers.png",
        "ablation.png",
        "report.html",
    }
    assert json.loads((tmp_path / "out" / "results.json").read_text())["settings"] == {"seed": 0}
    assert plt.get_fignums() == open_before
