from captum_lca.activations.chunks import Chunk, chunks
from captum_lca.corpora import Corpus

CORPUS = Corpus([["a", "b", "c"], ["d"], ["e", "f", "g", "h"], ["i", "j"]])
SENTENCES = list(CORPUS.sentences)


def cut(monkeypatch, rows, neurons=1, unit="word"):
    monkeypatch.setattr("captum_lca.activations.chunks.CHUNK_ROWS", rows)
    return chunks(CORPUS, neurons, unit)


def test_whole_sentences_up_to_enough_words(monkeypatch):
    assert cut(monkeypatch, (1, 3)) == [
        Chunk(0, SENTENCES[:1], 0, 3),
        Chunk(1, SENTENCES[1:3], 3, 5),
        Chunk(2, SENTENCES[3:], 8, 2),
    ]


def test_units_may_be_sentences(monkeypatch):
    assert [chunk.bounds for chunk in cut(monkeypatch, (1, 3), unit="sentence")] == [
        (0, 1), (1, 3), (3, 4),
    ]  # fmt: skip


def test_wide_rows_make_short_chunks_but_not_too_short(monkeypatch):
    monkeypatch.setattr("captum_lca.activations.chunks.CHUNK_BYTES", 4 * 6)
    assert len(cut(monkeypatch, (1, 10), neurons=1)) == 2
    assert len(cut(monkeypatch, (1, 10), neurons=6)) == 4
    assert len(cut(monkeypatch, (10, 20), neurons=6)) == 1
