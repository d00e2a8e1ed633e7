import json

import pandas as pd
import torch

from captum_lca import NeuronLayout
from captum_lca.analysis import MassiveActivations, ModelEffects
from captum_lca.analysis.ablation_effects import ModelEffect
from captum_lca.report import write_effects


def test_the_files_hold_the_effects(tmp_path):
    def effect(target, choice, change):
        return ModelEffect(
            target=target,
            choice=choice,
            neurons=30,
            massive="kept",
            massive_neurons=0.0,
            measure="loss",
            words="class",
            clean=2.0,
            change=change,
            low=change - 0.1,
            high=change + 0.1,
            p=0.01,
            spread=0.0,
            draws=1,
        )

    none = torch.empty(0)
    massive = MassiveActivations(none.long(), none, none, NeuronLayout.single(4))
    found = tuple(
        effect(t, c, x) for t in ("NOUN", "VERB") for c, x in (("top", 0.4), ("random", 0.1))
    )
    write_effects(ModelEffects("causal-lm", 3, 9, found, massive), tmp_path / "out", {"seed": 0})
    results = json.loads((tmp_path / "out" / "model_ablation.json").read_text())
    assert results["settings"] == {"seed": 0}
    assert results["effects"][0]["change"] == 0.4
    table = pd.read_csv(tmp_path / "out" / "model_ablation.csv")
    assert table["target"].tolist() == ["NOUN", "NOUN", "VERB", "VERB"]
    assert (tmp_path / "out" / "model_ablation.png").read_bytes().startswith(b"\x89PNG")
