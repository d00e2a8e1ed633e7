import pandas as pd


def check_order_when_a_fifth_is_kept(results):
    scores = pd.DataFrame(results["ablation"]["scores"])
    kept = scores[(scores.action == "keep") & (scores.baseline == "mean") & (scores.neurons == 538)]
    kept = kept.set_index("choice")
    assert kept.score["top"] > kept.score["random"] + kept.spread["random"]
    assert kept.score["random"] > kept.score["bottom"] + kept.spread["random"]
