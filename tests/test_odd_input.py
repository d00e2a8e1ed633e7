"""Text, labels and numbers that are odd but may occur, from reading to ranking."""

from pathlib import Path

import pytest
import torch

from captum_lca import (
    Corpus,
    LinearProbe,
    NeuronRanking,
    extract,
    fit_elastic_net,
    rankings,
    read_columns,
    read_conllu,
    read_tagged,
)
from captum_lca.activations.loading import load_model
from captum_lca.cli import main
from captum_lca.corpora import read_sentences
from captum_lca.demo_model import demo_model_folder

NOTHING = ["\u0301", "\u200d", "\u200b", "\x00", "\ufeff", "\x1b", "\ufffd"]
"""What MiniLM's tokenizer turns into nothing: an accent without its letter, joiners, controls."""
ODD_WORDS = [
    *("🙂", "👨‍👩‍👧‍👦", "🏴\U000e0067\U000e007f", "שָׁלוֹם", "مرحبا", "\u202eabc\u202c"),
    *("e\u0301", "a\u0301\u0323", "न\u094dन", "f\u200di", "a\x00b", "\ufeffword", "a\x1b[31mb"),
    *("日本語", "ﷺ", "\U0010ffff", "[CLS]", "#", "_", "=1+1", "$x_1$", "<script>", "&amp;"),
    *("-DOCSTART", "\\", '"', "'"),
]
"""Words that are at least one token each."""
ODD_LABELS = [
    *(
        "$x_1$",
        "$\\frac{",
        "<b>&",
        "=1+1",
        "\x1b[31m",
        "\x00",
        "a\nb",
        "a\tb",
        "🙂",
        " ",
        "_",
        "''",
    ),
    *("é" * 300, "None", "nan", "-100", "../x", "a/b", "\u202egnp", "e\u0301", "é", "\r", ",", '"'),
]


@pytest.fixture(scope="module")
def minilm():
    return load_model(str(demo_model_folder()))


def rows_of(corpus, minilm, **options):
    return extract(corpus, *minilm, layers=["embeddings"], progress=False, **options)


def planted(rows=300, neurons=12):
    """Activations, and two classes that the sign of neuron 3 tells apart."""
    activations = torch.randn(rows, neurons, generator=torch.Generator().manual_seed(0))
    return activations, ["a" if value > 0 else "b" for value in activations[:, 3].tolist()]


class TestSentences:
    def test_of_one_word_and_of_ten_thousand(self, minilm):
        words = [f"word{number % 50}" for number in range(10_000)]
        store = rows_of(Corpus([["alone"], words, ["alone"]]), minilm)
        assert store.rows == 10_002
        assert store.missing == []
        assert torch.equal(store.read(0, 1), store.read(10_001, 10_002))
        assert torch.equal(store.read(1, 51), rows_of(Corpus([words[:51]]), minilm).read(0, 50))

    def test_a_word_of_ten_thousand_letters(self, minilm):
        store = rows_of(Corpus([["a" * 10_000, "b"], ["b" * 10_000]]), minilm)
        assert (store.rows, store.missing) == (3, [])

    def test_without_words_are_refused_and_blank_lines_skipped(self, tmp_path):
        with pytest.raises(ValueError, match="sentence 1 has no words"):
            Corpus([["a"], []])
        path = tmp_path / "text"
        path.write_text("\n \n\na b\n\t\n\n\nc\n\n", encoding="utf-8")
        assert read_sentences(path).sentences == (("a", "b"), ("c",))


class TestWords:
    def test_each_has_one_row_or_is_counted(self, minilm):
        sentence = ["plain", *ODD_WORDS, *NOTHING, "plain"]
        with pytest.warns(UserWarning, match=f"turned {len(NOTHING)} of {len(sentence)} words"):
            store = rows_of(Corpus([sentence]), minilm, dtype=torch.float32)
        assert [sentence[number] for number in store.missing] == NOTHING
        assert store.rows == len(sentence) - len(NOTHING)
        assert store.tensor().isfinite().all()

    def test_are_the_tokenizers_business_alone(self, minilm):
        """Each word's row is that of its last token, found without spans."""
        model, tokenizer = minilm
        for word in ODD_WORDS:
            store = rows_of(Corpus([[word]]), minilm, dtype=torch.float32)
            encoded = tokenizer(word, return_tensors="pt")
            with torch.no_grad():
                states = model.embeddings(encoded["input_ids"])[0]
            torch.testing.assert_close(store.tensor()[0], states[-2])  # the last is [SEP]

    def test_that_are_all_unknown(self, minilm):
        corpus = Corpus([["🙂", "🙃"], ["🫠"], ["🙂", "🙂", "🙂"]], {"n": list("ABABAB")})
        store = rows_of(corpus, minilm)
        assert store.rows == 6
        probe = fit_elastic_net(store, corpus.labels["n"])
        ranking = rankings.weight_mass(probe)
        assert sorted(ranking.order.tolist()) == list(range(384))
        assert store.read(0, 1).equal(store.read(2, 3))  # nothing tells 🙂 from 🫠

    def test_that_are_half_a_character_are_refused(self):
        with pytest.raises(ValueError, match=r"word 1 is '\\ud83d', which is not Unicode"):
            Corpus([["a", "\ud83d"]])
        with pytest.raises(ValueError, match=r"has the label '\\ud83d', which is not Unicode"):
            Corpus([["a"]], {"p": ["\ud83d"]})
        with pytest.raises(ValueError, match=r"a property is named '\\ud83d'"):
            Corpus([["a"]], {"\ud83d": ["x"]})


class TestFiles:
    """Every format, with a byte order mark, Windows line ends and odd words."""

    def write(self, folder, name, lines):
        path = folder / name
        path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines, ""]).encode())
        return path

    def test_treebank(self, tmp_path):
        lines = [f"{n}\t{w}\t_\tX\t_\t_\t_\t_\t_\t_" for n, w in enumerate(ODD_WORDS, start=1)]
        assert read_conllu(self.write(tmp_path, "a.conllu", lines)).words == tuple(ODD_WORDS)

    @pytest.mark.parametrize("separator", [None, "\t"])
    def test_columns(self, tmp_path, separator):
        lines = [f"{word}\tX" for word in ODD_WORDS]
        lines = [line for line in lines if not line.startswith("-DOCSTART-")]
        corpus = read_columns(self.write(tmp_path, "a", lines), ["pos"], separator=separator)
        assert corpus.words == tuple(ODD_WORDS)

    def test_parallel_files(self, tmp_path):
        words = self.write(tmp_path, "words", [" ".join(ODD_WORDS)])
        labels = self.write(tmp_path, "labels", [" ".join(reversed(ODD_WORDS))])
        corpus = read_tagged(words, labels)
        assert corpus.words == tuple(ODD_WORDS)
        assert corpus.labels["label"] == tuple(reversed(ODD_WORDS))

    def test_saved_corpus(self, tmp_path):
        corpus = Corpus([[*ODD_WORDS, *NOTHING]] * 2, sentence_labels={"p": ["\x00", "\u2028"]})
        corpus.save(tmp_path / "corpus.json")
        assert Corpus.load(tmp_path / "corpus.json") == corpus

    @pytest.mark.parametrize("name", ["a.conllu", "a.txt", "a.tsv", "words::", "words::labels"])
    def test_bytes_that_are_no_text_are_named_by_line(self, tmp_path, name, capsys):
        row = "1\ta\t_\tX\t_\t_\t_\t_\t_\t_" if name == "a.conllu" else "a\tX"
        content = row.encode() + b"\n\n" + row.encode().replace(b"a", b"caf\xe9") + b"\n"
        for file in ("a.conllu", "a.txt", "a.tsv", "words", "labels"):
            (tmp_path / file).write_bytes(content)
        words, parallel, labels = name.partition("::")
        path = f"{tmp_path / words}{parallel}{tmp_path / labels if labels else ''}"
        asked = {"a.conllu": ["upos"], "words::": []}.get(name, ["pos=1"])
        command = ["extract", "--corpus", path, "--model", "./x", "--out", str(tmp_path / "out")]
        for property_name in asked:
            command += ["--property", property_name]
        assert main(command) == 2
        said = capsys.readouterr().err
        assert f"{words}:3: not UTF-8: byte 0xe9 at position" in said
        assert said.count("\n") == 1


class TestClasses:
    def test_of_any_characters(self, tmp_path):
        activations, _ = planted()
        labels = [ODD_LABELS[row % len(ODD_LABELS)] for row in range(len(activations))]
        labels = Corpus([["w"] * len(labels)], {"p": labels}).labels["p"]
        probe = fit_elastic_net(activations, labels)
        probe.save(tmp_path / "probe.safetensors")
        probe = LinearProbe.load(tmp_path / "probe.safetensors")
        assert probe.classes == tuple(sorted(ODD_LABELS))
        assert set(probe.predict(activations)) <= set(ODD_LABELS)
        rankings.weight_mass(probe).save(tmp_path / "ranking.safetensors")
        ranking = NeuronRanking.load(tmp_path / "ranking.safetensors")
        assert {name: len(ranking.for_class(name)) for name in ODD_LABELS}

    @pytest.mark.parametrize("method", rankings.METHODS)
    @pytest.mark.parametrize(
        ("named", "labels"),
        [
            ("two", ["a", "b"] * 300),
            ("five hundred", [f"c{row % 500:03}" for row in range(600)]),
            ("seen once", [*["a", "b"] * 298, "c", "d", "e", "f"]),
        ],
    )
    def test_few_many_and_rare(self, method, named, labels):
        activations, _ = planted(rows=600)
        ranking = rankings.METHODS[method](activations, labels, seed=0)
        assert ranking.classes == tuple(sorted(set(labels)))
        assert ranking.salience.isfinite().all()

    @pytest.mark.parametrize("method", rankings.METHODS)
    def test_only_one(self, method):
        activations, _ = planted()
        with pytest.raises(ValueError, match="at least two classes; all 300 labelled rows are 'a'"):
            rankings.METHODS[method](activations, ["a"] * 300, seed=0)


class TestNumbers:
    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    @pytest.mark.parametrize("method", sorted({*rankings.METHODS} - {"random_order"}))
    def test_that_are_none_are_refused_by_place(self, method, value):
        activations, labels = planted()
        activations[7, 4] = value
        with pytest.raises(ValueError, match=f"found {value} at neuron 4 of layer 'layer', row 7"):
            rankings.METHODS[method](activations, labels, seed=0)

    @pytest.mark.parametrize("method", rankings.METHODS)
    @pytest.mark.parametrize("value", [1e30, -1e30, 3e38])
    def test_a_huge_one_hides_no_other_neuron(self, method, value):
        activations, labels = planted()
        activations[7, 4] = value
        ranking = rankings.METHODS[method](activations, labels, seed=0)
        assert ranking.salience.isfinite().all()
        if method not in ("random_order", "probeless"):  # probeless is a distance in raw units
            assert ranking.order[0] == 3

    @pytest.mark.parametrize("method", rankings.METHODS)
    def test_all_the_same(self, method):
        _, labels = planted()
        ranking = rankings.METHODS[method](torch.full((300, 12), 1e30), labels, seed=0)
        assert sorted(ranking.order.tolist()) == list(range(12))

    def test_beyond_float16_make_the_store_float32(self, minilm, tmp_path):
        def enlarge(module, inputs, output):
            output[:, 1, 5] = 1e30
            return output

        hook = minilm[0].embeddings.register_forward_hook(enlarge)
        try:
            with pytest.warns(UserWarning, match=r"up to 1e\+30 \(layer 'embeddings', neuron 5\)"):
                store = rows_of(Corpus([["huge", "small"]]), minilm, out=tmp_path / "store")
        finally:
            hook.remove()
        assert store.dtype == torch.float32
        assert store.tensor()[:, 5].isfinite().all()
        assert store.tensor()[0, 5] == torch.tensor(1e30)


def test_whole_numbers_of_hundreds_of_digits(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"label 0 is 9+, expected a string, a finite number"):
        Corpus([["a"]], {"p": [int("9" * 400)]})
    path = tmp_path / "a.conllu"
    path.write_text(f"{'9' * 5000}\ta\t_\tX\t_\t_\t_\t_\t_\t_\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.conllu:1: word id 9+, expected 1"):
        read_conllu(path)
