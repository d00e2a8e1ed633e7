import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from captum_lca import generate_corpus
from captum_lca.cli import main

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny random BERT that knows the words of the generated corpora beside it."""
    folder = tmp_path_factory.mktemp("cli")
    train, test = generate_corpus(150, seed=0), generate_corpus(60, seed=1)
    train.save(folder / "train.json")
    test.save(folder / "test.json")
    vocabulary = SPECIAL + sorted({word.lower() for word in train.words + test.words})
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(vocabulary)}, "[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    ).save_pretrained(folder / "model")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder / "model")
    return folder


@pytest.fixture
def analyze(folder, tmp_path, capsys):
    """Runs analyze; gives exit status, standard output and standard error."""

    def run(*arguments, model=True):
        command = ["analyze", "--out", str(tmp_path / "out"), "--draws", "2", *map(str, arguments)]
        if model:
            command += ["--model", str(folder / "model")]
        status = main(command)
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def without_plots(monkeypatch):
    """Pictures and pages of one byte: drawing them is most of the time."""
    draw = lambda *_, **__: lambda path: path.write_bytes(b"-")  # noqa: E731
    monkeypatch.setattr("captum_lca.report.folder.figure_of", draw)
    monkeypatch.setattr("captum_lca.report.folder.study_report", lambda *_, **__: "-")
