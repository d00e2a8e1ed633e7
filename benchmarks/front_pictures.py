"""The pictures of the front page: what LCA finds in a real model, on a real treebank.

python benchmarks/front_pictures.py      # writes docs/images/front-*.png
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from measuring import TREEBANKS

from captum_lca import (
    LinguisticCorrelationAnalysis,
    extract,
    fit_elastic_net,
    rankings,
    read_conllu,
)
from captum_lca.ablation import ablate_probe
from captum_lca.activations.loading import load_model
from captum_lca.colours import BLUE, VERMILION
from captum_lca.demo_model import demo_model_folder
from captum_lca.files import write_aside

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WORDS = 50_000
SENTENCE = "The guests play a song at the play ."
TARGET = "VERB"
NEURONS = 20


def write(name: str, width: float, height: float, draw: Callable[[Axes], object], title: str):
    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    draw(axes)
    axes.set_title(title, fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    write_aside(IMAGES / name, lambda path: figure.savefig(path, dpi=150, format="png"))


def sentence_bars(model, tokenizer, probe):
    """Draws what the class's top neurons say at each word of a sentence."""
    lca = LinguisticCorrelationAnalysis.from_probe(model, "hidden", probe)
    text = tokenizer(SENTENCE, return_tensors="pt")
    top = lca.rank(TARGET).top(NEURONS)
    found = lca.attribute(text["input_ids"], top, TARGET, text["attention_mask"])[0, 1:-1]
    places = range(len(found))

    def draw(axes):
        axes.bar(places, found.tolist(), color=[VERMILION if v > 0 else BLUE for v in found])
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xticks(places, text.tokens()[1:-1], fontsize="large")
        axes.set_ylabel(f"part of the logit\nfor {TARGET}")

    return draw


def main():
    model, tokenizer = load_model(str(demo_model_folder()))
    train = read_conllu(TREEBANKS / "en_ewt-train.conllu").limit(WORDS)
    test = read_conllu(TREEBANKS / "en_ewt-test.conllu")
    store, held_out = extract(train, model, tokenizer), extract(test, model, tokenizer)
    probe = fit_elastic_net(store, train.labels["upos"])
    ranking = rankings.weight_mass(probe)
    scores = ablate_probe(probe, ranking, held_out, test.labels["upos"], baselines=["mean"])
    draw = sentence_bars(model, tokenizer, probe)
    title = f"What the {NEURONS} top neurons for {TARGET} say at each word"
    write("front-sentence.png", 9, 2.5, draw, title)
    half = 4.5, 3.2
    write("front-layers.png", *half, lambda axes: ranking.plot(ax=axes), "Where the top 5 % sit")
    write(
        "front-ablation.png",
        *half,
        lambda axes: scores.plot(ax=axes),
        "Accuracy if only some neurons are left",
    )
    print(f"{scores.full:.3f} with all {len(ranking)} neurons")
    print(scores.to_frame().to_string(index=False))


if __name__ == "__main__":
    main()
