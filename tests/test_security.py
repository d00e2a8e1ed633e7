"""Files from strangers: nothing is run, nothing outside is read, nothing absurd allocated."""

import ast
import json
import pickle
import shutil
import struct
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import captum_lca
from captum_lca import (
    ActivationStore,
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
from captum_lca.activations import StoreError
from captum_lca.activations.loading import load_model
from captum_lca.cli import main
from captum_lca.demo_model import demo_model_folder

PACKAGE = Path(captum_lca.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
ABSURD = 10**12


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def minilm():
    return load_model(str(demo_model_folder()))


@pytest.fixture
def store(tmp_path, minilm):
    corpus = Corpus([["a", "b"], ["c"]], {"p": ["X", "Y", "X"]})
    folder = tmp_path / "store"
    extract(corpus, *minilm, layers=["embeddings"], out=folder, progress=False)
    return folder


@pytest.fixture
def study(tmp_path):
    """A folder like those of ``analyze``, with a probe and a ranking."""
    folder = tmp_path / "study"
    folder.mkdir()
    activations = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    probe = fit_elastic_net(activations, ["a" if value > 0 else "b" for value in activations[:, 1]])
    probe.save(folder / "probe.safetensors")
    rankings.weight_mass(probe).save(folder / "ranking.safetensors")
    return folder


def change_json(path, **changes):
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**content, **changes}), "utf-8")


def change_metadata(path, **changes):
    """Other metadata in a safetensors file, without the checksum, which anybody can leave out."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"].update(changes)
    del header["__metadata__"]["sha256"]
    changed = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(changed)) + changed + data[8 + length :])


def refused(capsys, *command):
    """What a command says as it refuses: one line."""
    assert main(list(map(str, command))) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


class TestNothingIsRun:
    def test_no_module_can_unpickle_or_evaluate(self):
        modules = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "subprocess"}
        names = {"eval", "exec", "compile", "__import__", "open_code"}
        attributes = {"torch.load", "torch.save", "np.load", "pd.read_pickle", "os.system"}
        collectives = {"all_gather_object", "broadcast_object_list", "gather_object"}
        for path in SOURCES:
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    assert not {alias.name.split(".")[0] for alias in node.names} & modules, path
                elif isinstance(node, ast.ImportFrom):
                    assert (node.module or "").split(".")[0] not in modules, path
                elif isinstance(node, ast.Name):
                    assert node.id not in names, path
                elif isinstance(node, ast.Attribute):
                    assert ast.unparse(node) not in attributes, path
                    assert node.attr not in collectives, path

    @pytest.mark.parametrize(
        "write",
        [
            lambda trap, path: path.write_bytes(pickle.dumps(trap, 0)),
            lambda trap, path: path.write_bytes(pickle.dumps(trap, 5)),
            torch.save,
        ],
        ids=["protocol 0", "protocol 5", "torch"],
    )
    @pytest.mark.parametrize(
        "load",
        [
            *(LinearProbe.load, NeuronRanking.load, Corpus.load, read_conllu),
            lambda path: read_columns(path, {"p": 1}),
            lambda path: read_tagged(path, path),
            lambda path: main(["compare", str(path.parent), str(path.parent), "--out", "x"]),
        ],
        ids=["probe", "ranking", "corpus", "conllu", "columns", "tagged", "study"],
    )
    def test_pickles_are_not_opened(self, tmp_path, load, write):
        ran, path = tmp_path / "ran", tmp_path / "results.json"
        write(Trap(ran), path)
        with suppress(ValueError):  # a pickle may be words and labels to a reader of text
            load(path)
        assert not ran.exists()

    def test_the_trap_would_close(self, tmp_path):
        pickle.loads(pickle.dumps(Trap(tmp_path / "ran")))
        assert (tmp_path / "ran").exists()

    @pytest.mark.parametrize("file", ["index.json", "shard-00000.safetensors", "corpus.json"])
    def test_pickles_in_a_store(self, store, tmp_path, file):
        (store / file).write_bytes(pickle.dumps(Trap(tmp_path / "ran")))
        with pytest.raises(StoreError):
            ActivationStore.open(store)
        assert not (tmp_path / "ran").exists()

    def test_models_whose_weights_are_pickles(self, tmp_path):
        model = tmp_path / "model"
        shutil.copytree(demo_model_folder(), model)
        (model / "model.safetensors").unlink()
        torch.save({"x": Trap(tmp_path / "ran")}, model / "pytorch_model.bin")
        with pytest.raises(
            ValueError, match=r"can't be loaded: .*no file named model\.safetensors"
        ):
            load_model(str(model))
        (model / "pytorch_model.bin").rename(model / "model.safetensors")
        with pytest.raises(ValueError, match=r"can't be loaded: .*header"):
            load_model(str(model))
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize("known", [True, False])
    def test_code_beside_a_model_runs_only_if_asked_for(self, tmp_path, known):
        model, ran = tmp_path / "model", tmp_path / "ran"
        shutil.copytree(demo_model_folder(), model)
        (model / "mine.py").write_text(
            f"from pathlib import Path\nPath({str(ran)!r}).touch()\n"
            "from transformers import BertConfig, BertModel, BertTokenizerFast\n"
            "class Config(BertConfig):\n    model_type = 'mine'\n"
            "class Model(BertModel):\n    config_class = Config\n"
            "class Tokenizer(BertTokenizerFast):\n    pass\n"
        )
        config_map = {"AutoConfig": "mine.Config", "AutoModel": "mine.Model"}
        change_json(model / "config.json", auto_map=config_map)
        if not known:
            change_json(model / "config.json", model_type="mine")
        change_json(
            model / "tokenizer_config.json",
            auto_map={"AutoTokenizer": [None, "mine.Tokenizer"]},
            tokenizer_class="Tokenizer",
        )
        with suppress(ValueError):  # where the architecture is known, our own code of it is taken
            load_model(str(model))
        assert not ran.exists()
        load_model(str(model), trust_remote_code=True)
        assert ran.exists()


class TestStores:
    @pytest.mark.parametrize("file", ["index.json", "shard-00000.safetensors", "corpus.json"])
    def test_links_lead_nowhere_else(self, store, tmp_path, file):
        elsewhere = shutil.move(store / file, tmp_path / "elsewhere")
        (store / file).symlink_to(elsewhere)
        with pytest.raises(StoreError, match=f"{file}: leads out of its folder"):
            ActivationStore.open(store)
        shutil.move(elsewhere, store / "inside")
        (store / file).unlink()
        (store / file).symlink_to(store / "inside")
        assert ActivationStore.open(store).rows == 3

    def test_links_in_a_circle(self, store):
        (store / "index.json").unlink()
        (store / "index.json").symlink_to(store / "index.json")
        with pytest.raises(StoreError, match=r"it has no index\.json"):
            ActivationStore.open(store)

    def test_a_store_may_itself_be_behind_a_link(self, store, tmp_path):
        (tmp_path / "link").symlink_to(store)
        assert ActivationStore.open(tmp_path / "link").rows == 3

    @pytest.mark.parametrize("name", ["/dev/zero", "/etc/passwd"])
    def test_devices_and_system_files(self, store, name):
        (store / "corpus.json").unlink()
        (store / "corpus.json").symlink_to(name)
        with pytest.raises(StoreError, match="leads out of its folder"):
            ActivationStore.open(store)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"units": ABSURD}, "1000000000000 units, 0 of them without a row, can't have 3 rows"),
            ({"units": "3"}, "units must be a whole number"),
            ({"settings": [1]}, "units must be a whole number, and settings named values"),
            ({"missing": [0]}, "3 units, 1 of them without a row, can't have 3 rows"),
            ({"missing": [3]}, "missing must list units from 0 to 2"),
            ({"missing": "0"}, "missing must list units from 0 to 2"),
            ({"layout": {"layers": ["a"], "widths": [ABSURD]}}, "the index says F16 of shape"),
            ({"layout": {"layers": ["a"], "widths": [384.5]}}, "a layout needs a list"),
            ({"layout": {"layers": "a", "widths": [384]}}, "a layout needs a list"),
            ({"shards": []}, "can't have 0 rows"),
            ({"shards": [], "units": 0}, "can't have 0 rows"),
            ({"corpus_sha256": 3}, "changed since it was written"),
        ],
    )
    def test_claims_that_the_files_do_not_bear_out(self, store, changes, message):
        change_json(store / "index.json", **changes)
        with pytest.raises(StoreError, match=message):
            ActivationStore.open(store)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"rows": ABSURD}, r"the index says F16 of shape \[1000000000000, 384\]"),
            ({"rows": -1}, "rows and bytes must be whole numbers from 0; found -1"),
            ({"rows": 3.0}, "rows and bytes must be whole numbers from 0; found 3.0"),
            ({"bytes": ABSURD}, "truncated or changed: .* expected 1000000000000"),
            ({"sha256": None}, "changed since it was written"),
        ],
    )
    def test_claims_of_a_shard(self, store, changes, message):
        (shard,) = json.loads((store / "index.json").read_text("utf-8"))["shards"]
        change_json(store / "index.json", shards=[{**shard, **changes}])
        with pytest.raises(StoreError, match=message):
            ActivationStore.open(store)

    def test_one_shard_a_million_times(self, store):
        (shard,) = json.loads((store / "index.json").read_text("utf-8"))["shards"]
        change_json(store / "index.json", shards=[shard] * 10**5, units=3 * 10**5)
        with pytest.raises(StoreError, match="a shard is listed twice"):
            ActivationStore.open(store)

    def test_shards_without_bytes(self, store):
        """Rows of no neurons, or neurons of no rows, cost nothing to claim."""
        path = store / "shard-00000.safetensors"
        save_file({"activations": torch.empty(0, ABSURD, dtype=torch.float16)}, path)
        (shard,) = json.loads((store / "index.json").read_text("utf-8"))["shards"]
        entry = {**shard, "rows": 0, "bytes": path.stat().st_size}
        layout = {"layers": ["a"], "widths": [ABSURD]}
        change_json(store / "index.json", shards=[entry], layout=layout)
        with pytest.raises(StoreError, match="3 units, 0 of them without a row, can't have 0 rows"):
            ActivationStore.open(store, verify=False)

    def test_the_corpus_of_another_store(self, store):
        Corpus([["a"] * 9]).save(store / "corpus.json")
        digest = captum_lca.files.sha256_of(store / "corpus.json")
        change_json(store / "index.json", corpus_sha256=digest)
        with pytest.raises(StoreError, match=r"corpus\.json: not the corpus of the 3 units"):
            ActivationStore.open(store)

    @pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000])
    def test_json_that_is_a_bomb(self, store, text):
        (store / "index.json").write_text(text, "utf-8")
        with pytest.raises(StoreError, match=r"index\.json: not a readable index"):
            ActivationStore.open(store)


KINDS = [("probe.safetensors", LinearProbe), ("ranking.safetensors", NeuronRanking)]


@pytest.mark.parametrize(("file", "kind"), KINDS, ids=["probe", "ranking"])
class TestProbesAndRankings:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"classes": "[" * 100_000}, "classes: not JSON that can be read: nested too deeply"),
            ({"classes": json.dumps([str(n) for n in range(10**6)])}, "1000000 classes"),
            ({"classes": '["a", "a"]'}, "class names must differ"),
            ({"classes": '["a", 1]'}, "the classes are not a list of strings"),
            ({"classes": '[["a"], ["b"]]'}, "the classes are not a list of strings"),
            ({"classes": '"ab"'}, "the classes are not a list of strings"),
            ({"layout": json.dumps({"layers": ["a"], "widths": [ABSURD]})}, "1000000000000"),
            ({"layout": json.dumps({"layers": ["a"], "widths": [True]})}, "a layout needs a list"),
            ({"layout": '{"layers": ["a"], "widths": [Infinity]}'}, "a layout needs a list"),
            ({"layout": '{"layers": ["a", "a"], "widths": [2, 2]}'}, r"repeated: \['a'\]"),
            ({"layout": "[]"}, "a layout needs a list"),
            ({"layout": "[" * 100_000}, "nested too deeply"),
        ],
    )
    def test_metadata_that_the_tensors_do_not_bear_out(self, study, file, kind, changes, message):
        change_metadata(study / file, **changes)
        with pytest.raises(ValueError, match=f"{file}: damaged .*{message}"):
            kind.load(study / file)

    @pytest.mark.parametrize(
        "header",
        [
            {"weight": {"dtype": "F32", "shape": [ABSURD], "data_offsets": [0, 4 * ABSURD]}},
            {"weight": {"dtype": "F32", "shape": [2**63, 2**63], "data_offsets": [0, 0]}},
            {"weight": {"dtype": "F32", "shape": [ABSURD, 0], "data_offsets": [0, 0]}},
            {"order": {"dtype": "I64", "shape": [ABSURD, 0], "data_offsets": [0, 0]}},
        ],
    )
    def test_headers_that_claim_more_than_there_is(self, study, file, kind, header):
        form = {"__metadata__": {"format": f"captum_lca.{file.partition('.')[0]}/1"}}
        text = json.dumps({**form, **header}).encode()
        for length in (len(text), 2**40, 2**64 - 1):
            (study / file).write_bytes(struct.pack("<Q", length) + text)
            with pytest.raises(ValueError, match=f"{file}: not a .* in safetensors format"):
                kind.load(study / file)

    @pytest.mark.parametrize("dtype", [torch.bool, torch.float8_e4m3fn, torch.complex64])
    def test_tensors_of_other_kinds(self, study, file, kind, dtype):
        loaded = kind.load(study / file)
        names = [name for name in ("weight", "bias", "mean", "scale") if hasattr(loaded, name)]
        names = names or ["order", "salience", "class_order", "class_salience"]
        tensors = {name: getattr(loaded, name).to(dtype) for name in names}
        form = {"format": f"captum_lca.{file.partition('.')[0]}/1"}
        save_file(tensors, study / file, metadata=form)
        with pytest.raises(ValueError, match=f"{file}: damaged .* is {dtype}"):
            kind.load(study / file)


@pytest.mark.parametrize(
    "report", ["3", "[]", '"x"', "{}", '{"loss": 1}', json.dumps({"l1": 1, "class_rows": 3})]
)
def test_reports_that_are_none(study, report):
    change_metadata(study / "probe.safetensors", report=report)
    with pytest.raises(ValueError, match="damaged probe: the report is not that of a fit"):
        LinearProbe.load(study / "probe.safetensors")


@pytest.mark.parametrize(("name", "value"), [("l1", "=1+1"), ("seconds", [1]), ("loss", 3)])
def test_values_of_a_report_are_of_their_kind(study, name, value):
    report = LinearProbe.load(study / "probe.safetensors").report
    change_metadata(study / "probe.safetensors", report=json.dumps({**vars(report), name: value}))
    with pytest.raises(ValueError, match="a value is of another kind"):
        LinearProbe.load(study / "probe.safetensors")


def test_probes_of_numbers_that_are_none(study):
    probe = LinearProbe.load(study / "probe.safetensors")
    probe.weight[0, 0] = torch.nan
    probe.save(study / "probe.safetensors")
    with pytest.raises(ValueError, match="damaged probe: weight of a probe must hold finite"):
        LinearProbe.load(study / "probe.safetensors")


def test_rankings_whose_order_is_of_fractions(study):
    ranking = NeuronRanking.load(study / "ranking.safetensors")
    tensors = {n: getattr(ranking, n).double() for n in ("order", "class_order")}
    tensors |= {n: getattr(ranking, n) for n in ("salience", "class_salience")}
    metadata = {"format": "captum_lca.ranking/1", "method": "x"}
    metadata |= {"classes": json.dumps(ranking.classes)}
    metadata |= {"layout": json.dumps(ranking.layout.to_json())}
    save_file(tensors, study / "ranking.safetensors", metadata=metadata)
    with pytest.raises(ValueError, match="order must be of 64-bit integers"):
        NeuronRanking.load(study / "ranking.safetensors")


class TestStudies:
    def results(self, folder, **changes):
        content = {"property": "p", "stores": {"train": "a", "test": "b"}, "settings": {}}
        (folder / "results.json").write_text(json.dumps({**content, **changes}), "utf-8")

    @pytest.mark.parametrize("place", ["../../far", "ABSOLUTE", "link"])
    def test_activations_elsewhere_are_not_read(self, study, store, place, capsys):
        far = study.parent.parent / "far"
        shutil.rmtree(far, ignore_errors=True)
        shutil.copytree(store, far)
        (study / "link").symlink_to(far)
        place = place.replace("ABSOLUTE", str(far))
        self.results(study, stores={"train": place, "test": place})
        said = refused(capsys, "compare", study, study, "--out", study / "out")
        assert f"its activations are said to be in {far}, outside of {study.parent}" in said

    def test_links_to_activations_elsewhere(self, study, store, capsys):
        far = study.parent.parent / "far-activations"
        shutil.rmtree(far, ignore_errors=True)
        shutil.copytree(store, far / "train-words")
        (study / "activations").symlink_to(far)
        self.results(study)
        command = ["ablate", study, "--model", "x", "--corpus", f"{study / 'words'}::"]
        (study / "words").write_text("a b\n")
        (study / "tags").write_text("a b\n")
        command[-1] += str(study / "tags")
        said = refused(capsys, *command, "--task", "probe", "--class", "a")
        assert "its activations are said to be in" in said

    @pytest.mark.parametrize("file", ["results.json", "probe.safetensors", "ranking.safetensors"])
    def test_links_to_files_elsewhere(self, study, file, capsys):
        self.results(study)
        elsewhere = shutil.move(study / file, study.parent / "elsewhere")
        (study / file).symlink_to(elsewhere)
        command = ["ablate", study, "--model", "x", "--corpus", "x", "--task", "probe"]
        assert f"{file}: leads out of its folder" in refused(capsys, *command, "--class", "a")

    def test_activations_beside_it_are(self, study, store, capsys):
        self.results(study, stores={"train": "../store", "test": "../store"})
        other = study.parent / "other"
        shutil.copytree(study, other)
        said = refused(capsys, "compare", study, other, "--out", study / "out")
        assert "outside" not in said  # the stores were opened; there is too little text in them

    @pytest.mark.parametrize(
        "content",
        [
            *("", "{", "[]", "3", "null", '"x"', "[" * 100_000, '{"property": "p"}'),
            '{"property": 3, "stores": {}}',
            '{"property": "p", "stores": []}',
            '{"property": "p", "stores": {}}',
            '{"property": "p", "stores": {"train": 3}}',
            '{"property": "p", "stores": {"train": "\\u0000"}}',
            '{"property": "p", "stores": {"train": ".", "test": "."}, "settings": {"numeric": 3}}',
        ],
    )
    def test_results_that_say_something_else(self, study, content, capsys):
        (study / "results.json").write_text(content, "utf-8")
        refused(capsys, "compare", study, study, "--out", study / "out")

    @pytest.mark.parametrize("content", ["", "[]", "[" * 100_000, '{"property": 3, "stores": {}}'])
    def test_results_that_ablate_cannot_read(self, study, content, capsys):
        (study / "results.json").write_text(content, "utf-8")
        command = ["ablate", study, "--model", "x", "--corpus", "x", "--task", "probe"]
        assert "results.json" in refused(capsys, *command, "--class", "a")
