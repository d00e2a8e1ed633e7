import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "activations"))
from tiny_models import tiny, wordpiece

from captum_lca import Corpus, extract, fit_elastic_net
from captum_lca.ablation import ablated, ablating, all_but_first
from captum_lca.analysis import model_effects
from captum_lca.analysis.word_predictions import Predictor
from captum_lca.rankings import weight_mass

SENTENCES = [["a", "b", "ab"], ["cd", "a"], ["b", "ba", "dc", "d"], ["c", "a", "d"]] * 3
CORPUS = Corpus(SENTENCES)
LABELS = ["short" if len(word) == 1 else "long" for word in CORPUS.words]
OPTIONS = {"classes": ("long",), "draws": 2, "resamples": 200, "progress": False}


def ranked(model, tokenizer):
    store = extract(CORPUS, model, tokenizer, dtype=torch.float32, progress=False)
    probe = fit_elastic_net(store, LABELS)
    return weight_mass(probe), probe, store


class TestLosses:
    def test_causal_by_transformers_own_loss(self):
        model, tokenizer = tiny("llama", AutoModelForCausalLM), wordpiece(special=False)
        ranking, _, store = ranked(model, tokenizer)
        means = store.tensor().mean(0)
        found = model_effects(
            model, tokenizer, CORPUS, LABELS, ranking, counts=(4,), by=means, **OPTIONS
        )
        clean = changed = count = 0
        top = ranking.for_class("long").top(4)
        for words in SENTENCES:
            encoded = tokenizer(" ".join(words), return_tensors="pt")
            ids, mask = encoded["input_ids"], encoded["attention_mask"]
            with torch.no_grad():
                clean += model(ids, labels=ids).loss * (ids.numel() - 1)
                where = all_but_first(mask)
                with ablating(model, top, ranking.layout, by=means, positions=where):
                    changed += model(ids, labels=ids).loss * (ids.numel() - 1)
            count += ids.numel() - 1
        effect = found.find(choice="top", measure="loss", words="all")
        assert found.predictions == count
        assert effect.clean == pytest.approx(float(clean / count), rel=1e-5)
        assert effect.change == pytest.approx(float((changed - clean) / count), rel=1e-4)
        row = found.to_frame().query("choice == 'top' and measure == 'loss' and words == 'all'")
        assert row["clean_perplexity"].item() == pytest.approx(float((clean / count).exp()))

    def test_masked_words_one_by_one(self):
        model = tiny("bert", AutoModelForMaskedLM)
        tokenizer = wordpiece(mask_token="[UNK]")
        predictor = Predictor(model, tokenizer)
        passages = predictor.passages(CORPUS, LABELS)
        assert len(passages) == len(CORPUS.words)
        third = passages[2]  # [CLS] a b [MASK] [MASK] [SEP] of "a b ab"
        assert third.token_ids == [2, 4, 5, 1, 1, 3]
        assert third.positions.tolist() == [3, 4]
        assert third.targets.tolist() == [4, 9]
        assert third.units.tolist() == [2, 2]

    def test_masked_by_transformers_own_loss(self):
        model, tokenizer = tiny("bert", AutoModelForMaskedLM), wordpiece(mask_token="[UNK]")
        ranking, _, _ = ranked(model, tokenizer)
        found = model_effects(
            model, tokenizer, CORPUS, LABELS, ranking, counts=(4,), by=5.0, **OPTIONS
        )
        top = ranking.for_class("long").top(4)
        clean, changed = [], []
        for words in SENTENCES:
            encoded = tokenizer(" ".join(words), return_tensors="pt")
            ids, start = encoded["input_ids"], 1
            for word in words:
                own = slice(start, start + len(word))  # a token per letter
                start += len(word)
                hidden, targets = ids.clone(), torch.full_like(ids, -100)
                hidden[0, own], targets[0, own] = tokenizer.mask_token_id, ids[0, own]
                where = all_but_first(encoded["attention_mask"])
                with torch.no_grad():
                    clean += [float(model(hidden, labels=targets).loss)] * len(word)
                    with ablating(model, top, ranking.layout, by=5.0, positions=where):
                        changed += [float(model(hidden, labels=targets).loss)] * len(word)
        effect = found.find(choice="top", measure="loss", words="all")
        assert (found.task, found.predictions) == ("masked-lm", len(clean))
        assert effect.clean == pytest.approx(np.mean(clean), rel=1e-5)
        assert effect.change == pytest.approx(np.mean(changed) - np.mean(clean), rel=1e-4)
        assert abs(effect.change) > 0.01

    def test_next_tokens(self):
        predictor = Predictor(tiny("llama", AutoModelForCausalLM), wordpiece(special=False))
        first = predictor.passages(CORPUS, LABELS)[0]  # a b a ##b
        assert first.positions.tolist() == [0, 1, 2]
        assert first.targets.tolist() == [5, 4, 9]
        assert first.units.tolist() == [1, 2, 2]
        assert first.words.tolist() == [0, 1, 2, 2]

    def test_the_kl_divergence_and_the_groups(self):
        model, tokenizer = tiny("llama", AutoModelForCausalLM), wordpiece(special=False)
        ranking, _, _ = ranked(model, tokenizer)
        found = model_effects(model, tokenizer, CORPUS, LABELS, ranking, counts=(4,), **OPTIONS)
        kl = {w: found.find(choice="top", measure="kl", words=w) for w in ("class", "all")}
        assert all(effect.clean == 0 < effect.low <= effect.change for effect in kl.values())
        for measure in ("loss", "accuracy", "kl"):
            for choice in ("top", "random", "bottom", "top − random"):
                own, others, difference = (
                    found.find(choice=choice, measure=measure, words=words)
                    for words in ("class", "others", "class − others")
                )
                assert difference.change == pytest.approx(own.change - others.change)
        top, random, contrast = (
            found.find(choice=choice, measure="loss", words="class")
            for choice in ("top", "random", "top − random")
        )
        assert contrast.change == pytest.approx(top.change - random.change)
        assert random.draws == 2


class TestHeads:
    def test_labels_of_words(self):
        labels = {"id2label": {0: "short", 1: "long"}, "label2id": {"short": 0, "long": 1}}
        model = tiny("bert", AutoModelForTokenClassification, **labels)
        tokenizer = wordpiece()
        ranking, _, _ = ranked(model, tokenizer)
        found = model_effects(model, tokenizer, CORPUS, LABELS, ranking, **OPTIONS, counts=(4,))
        right = []
        for words in SENTENCES:
            encoded = tokenizer(" ".join(words), return_tensors="pt")
            with torch.no_grad():
                predicted = model(**encoded).logits[0].argmax(-1)
            at = [encoded.char_to_token(len(" ".join([*words[:n], ""]))) for n in range(len(words))]
            gold = [len(word) > 1 for word in words]
            right += [bool(predicted[place]) == long for place, long in zip(at, gold, strict=True)]
        clean = found.find(choice="top", measure="accuracy", words="all").clean
        assert clean == pytest.approx(np.mean(right))

    def test_labels_of_sentences(self):
        model = tiny("bert", AutoModelForSequenceClassification)
        tokenizer = wordpiece()
        ranking, _, _ = ranked(model, tokenizer)
        labels = ["LABEL_0", "LABEL_1"] * 6
        sentences = extract(
            CORPUS,
            model,
            tokenizer,
            unit="sentence",
            pooling="mean",
            dtype=torch.float32,
            progress=False,
        )
        ranking = weight_mass(fit_elastic_net(sentences, labels))
        options = {**OPTIONS, "classes": ("LABEL_1",)}
        found = model_effects(model, tokenizer, CORPUS, labels, ranking, counts=(4,), **options)
        assert found.predictions == 12
        assert found.task == "sequence-classification"

    def test_the_probe_at_the_ablated_layer_is_the_probe_ablated(self):
        model, tokenizer = tiny("bert"), wordpiece()
        store = extract(
            CORPUS, model, tokenizer, layers="encoder.layer.1", dtype=torch.float32, progress=False
        )
        probe = fit_elastic_net(store, LABELS)
        ranking = weight_mass(probe)
        found = model_effects(
            model,
            tokenizer,
            CORPUS,
            LABELS,
            ranking,
            counts=(4,),
            by=probe.mean,
            probe=probe,
            **OPTIONS,
        )
        targets = torch.tensor([probe.class_index(label) for label in LABELS])
        losses = [
            float(nn.functional.cross_entropy(one.logits(store), targets))
            for one in (probe, ablated(probe, ranking.for_class("long").top(4), "mean"))
        ]
        effect = found.find(choice="top", measure="loss", words="all")
        assert effect.clean == pytest.approx(losses[0], rel=1e-4)
        assert effect.clean + effect.change == pytest.approx(losses[1], rel=1e-4)


class TestWhere:
    def test_at_the_words_of_the_class(self):
        model, tokenizer = tiny("llama", AutoModelForCausalLM), wordpiece(special=False)
        ranking, _, store = ranked(model, tokenizer)
        means = store.tensor().mean(0)
        found = model_effects(
            model, tokenizer, CORPUS, LABELS, ranking, counts=(4,), by=means, at="class", **OPTIONS
        )
        losses = []
        top = ranking.for_class("long").top(4)
        for words in SENTENCES:
            encoded = tokenizer(" ".join(words), return_tensors="pt")
            ids = encoded["input_ids"]
            where = torch.tensor([[len(word) > 1 for word in words for _ in word]])
            with torch.no_grad(), ablating(model, top, ranking.layout, by=means, positions=where):
                losses += [float(model(ids, labels=ids).loss)] * (ids.numel() - 1)
        effect = found.find(choice="top", measure="loss", words="all")
        assert effect.clean + effect.change == pytest.approx(np.mean(losses), rel=1e-5)
        assert found.at == "class"

    def test_a_probe_on_that_layer_sees_no_change_at_other_words(self):
        model, tokenizer = tiny("bert"), wordpiece()
        store = extract(
            CORPUS, model, tokenizer, layers="encoder.layer.1", dtype=torch.float32, progress=False
        )
        probe = fit_elastic_net(store, LABELS)
        found = model_effects(
            model,
            tokenizer,
            CORPUS,
            LABELS,
            weight_mass(probe),
            counts=(4,),
            probe=probe,
            at="class",
            **{**OPTIONS, "classes": ("long", "short")},
        )
        for target in ("long", "short"):
            own, others = (
                found.find(target=target, choice="top", measure="loss", words=words).change
                for words in ("class", "others")
            )
            assert others == 0 != own


class TestLongSentences:
    def test_a_word_across_windows_is_read_once(self):
        sentences = [["abcd"] * 12, ["a", "bcda"] * 6]
        corpus = Corpus(sentences)
        labels = ["long" if len(word) > 1 else "short" for word in corpus.words]
        model, tokenizer = tiny("bert"), wordpiece(model_max_length=12)
        store = extract(corpus, model, tokenizer, dtype=torch.float32, progress=False)
        probe = fit_elastic_net(store, labels)
        passages = Predictor(model, tokenizer, probe=probe).passages(corpus, labels)
        units = np.concatenate([passage.units for passage in passages])
        assert sorted(units.tolist()) == list(range(24))
        for passage in passages:  # the last token of each word, with that word's label
            ids = [tokenizer.convert_ids_to_tokens(passage.token_ids[p]) for p in passage.positions]
            last = [
                f"##{corpus.words[u][-1]}" if labels[u] == "long" else "a" for u in passage.units
            ]
            assert ids == last


class TestMassiveActivations:
    def test_they_are_reported_and_left_out(self):
        model, tokenizer = tiny("llama", AutoModelForCausalLM), wordpiece(special=False)
        ranking, _, store = ranked(model, tokenizer)
        rows = store.tensor().clone()
        massive = int(ranking.for_class("long").top(1))
        rows[3, massive] = 1e6
        found = model_effects(
            model,
            tokenizer,
            CORPUS,
            LABELS,
            ranking,
            counts=(4,),
            activations=rows,
            by=0.0,
            **OPTIONS,
        )
        assert found.massive.neurons.tolist() == [massive]
        kept, left_out = (
            found.find(choice="top", massive=name, measure="loss", words="class")
            for name in ("kept", "left out")
        )
        assert (kept.massive_neurons, left_out.massive_neurons) == (1, 0)


def test_the_plot_and_the_frame():
    model, tokenizer = tiny("llama", AutoModelForCausalLM), wordpiece(special=False)
    ranking, _, _ = ranked(model, tokenizer)
    found = model_effects(model, tokenizer, CORPUS, LABELS, ranking, counts=(2, 6), **OPTIONS)
    frame = found.to_frame()
    assert len(frame) == len(found.effects) == 2 * 4 * 3 * 4  # counts, choices, measures, words
    assert (frame["low"] <= frame["high"]).all()
    ax = found.plot()
    assert len(ax.get_legend().get_texts()) == 6


class TestRefusals:
    def refused(self, message, model=None, labels=LABELS, **options):
        tokenizer = wordpiece(special=False)
        model = model or tiny("llama", AutoModelForCausalLM)
        ranking, _, _ = ranked(model, tokenizer)
        with pytest.raises(ValueError, match=message):
            model_effects(model, tokenizer, CORPUS, labels, ranking, **{**OPTIONS, **options})

    def test_before_the_long_work(self):
        self.refused("LlamaModel has no head", model=tiny("llama"))
        self.refused("misaligned: 3 labels", labels=LABELS[:3])
        self.refused(r"classes without a word in the corpus: \['NOUN'\]", classes=("NOUN",))
        self.refused("can choose 1 to 32 neurons; found 33", counts=(33,))
        self.refused("no mask token", task="masked-lm")
        self.refused("task must be one of", task="translation")
        self.refused("at must be one of", at="verbs")
        model = tiny("bert", AutoModelForSequenceClassification)
        self.refused("has no words to mean", model=model, at="class")
