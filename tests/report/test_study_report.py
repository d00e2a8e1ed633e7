import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import torch
from effects import effects_of
from made_studies import HOSTILE, hostile_study, wide_study

from captum_lca import ActivationStore, NeuronLayout, NeuronRanking
from captum_lca.analysis import LabelledActivations, study_property
from captum_lca.report import study_report, write_effects
from captum_lca.report.effects_report import with_effects

LARGEST = 5_000_000
"""Bytes of the report of BERT-base with 45 classes."""


class Text(HTMLParser):
    """The text of a page, and its elements."""

    def __init__(self, page):
        super().__init__()
        self.text, self.tags, self.ids = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_data(self, data):
        self.text.append(data)


def data_of(page):
    [block] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(block)


def test_without_scripts_everything_essential_is_there(study):
    page = study_report(study)
    text = " ".join("".join(Text(page).text).split())
    assert "Which neurons carry sign?" in text
    assert f"{study.scores.accuracy:.3f} accuracy" in text
    assert "low · 3" in text
    assert "The activations were not at hand when this page was written" in text
    assert "captum-lca ablate" in text
    assert data_of(page)["details"] == {}
    assert data_of(page)["order"] == study.ranking.order.tolist()


def test_hostile_labels_are_text():
    study, train = hostile_study()
    page = study_report(study, train)
    parsed = Text(page)
    assert parsed.tags.count("script") == 2
    assert "img" not in parsed.tags
    assert len(set(parsed.ids)) == len(parsed.ids)
    assert HOSTILE[0] in "".join(parsed.text)
    assert "{{ 7 * 7 }}" in page
    assert "/home/somebody" not in page
    assert data_of(page)["classes"][0].startswith("\"quoted\" & 'single'")


def test_the_report_of_a_wide_model_is_small():
    study, train = wide_study()
    page = study_report(study, train)
    size = len(page.encode("utf-8"))
    print(f"13 × 768 neurons, 45 classes: {size:,} bytes")
    assert size < LARGEST
    data = data_of(page)
    assert len(data["order"]) == 9984
    assert 400 < len(data["details"]) <= 600
    shown = {neuron for number in range(45) for neuron in data["listed"][str(number)][:10]}
    assert shown | set(data["order"][:100]) == set(map(int, data["details"]))


def test_numbers_to_predict_have_no_classes():
    generator = torch.Generator().manual_seed(0)
    store = ActivationStore.from_tensor(
        torch.randn(200, 6, generator=generator), NeuronLayout(("low", "high"), (3, 3))
    )
    data = LabelledActivations(store, store.tensor()[:, 1] * 2.0 + 1)
    study = study_property("size", data, data, draws=1, progress=False)
    page = study_report(study, data)
    assert "R² " in page
    assert "Classes × layers" not in page
    assert "The words behind the activations were not at hand" in page
    assert all(len(detail["histogram"]) == 1 for detail in data_of(page)["details"].values())


def test_a_ranking_without_orders_of_classes(study):
    ranking = study.ranking
    plain = NeuronRanking(ranking.order.flip(0), ranking.salience, ranking.layout, "mine")
    page = study_report(replace(study, ranking=plain))
    assert data_of(page)["order"] == ranking.order.flip(0).tolist()
    assert data_of(page)["listed"] == data_of(study_report(study))["listed"]
    assert "Classes × layers" in page


def test_infinite_salience(study):
    salience = study.ranking.salience.clone()
    salience[study.ranking.order[0]] = float("inf")
    page = study_report(replace(study, ranking=replace(study.ranking, salience=salience)))
    assert data_of(page)["salience"][0] is None
    assert ">∞</td>" in page


@pytest.mark.parametrize("times", [1, 2])
def test_ablation_in_the_model_joins_the_report(study, tmp_path, times):
    page = study_report(study)
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    for _ in range(times):
        write_effects(effects_of("<b>NOUN</b>"), tmp_path, {})
    joined = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert joined.count("+0.400 [+0.300, +0.500] from 2.000") == 1
    assert "was not tested here" not in joined
    assert "<b>NOUN" not in joined
    assert data_of(joined) == data_of(page)
    assert with_effects("<p>another page</p>", effects_of("NOUN")) is None
