"""The probe itself: its formula, its predictions, its file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from probe_problems import classification, store_without
from safetensors.torch import save_file
from torch import Tensor

from captum_lca.neurons import NeuronLayout
from captum_lca.probes import LinearProbe, fit_elastic_net

LAYOUT = NeuronLayout(("embeddings", "block 0"), (1, 2))


def by_hand() -> LinearProbe:
    return LinearProbe(
        torch.tensor([[1.0, 0.0, -2.0], [0.0, 3.0, 0.0]]),
        torch.tensor([0.5, -0.5]),
        torch.tensor([1.0, 2.0, 3.0]),
        torch.tensor([2.0, 1.0, 4.0]),
        classes=["x", "y"],
        layout=LAYOUT,
    )


def test_logits_by_hand() -> None:
    # (3 − 1)/2 = 1, (4 − 2)/1 = 2, (−1 − 3)/4 = −1: logits 1 + 2 + 0.5 and 6 − 0.5.
    logits = by_hand()(torch.tensor([[3.0, 4.0, -1.0]]))
    assert logits.tolist() == [[3.5, 5.5]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 4, 3)])
def test_forward_takes_any_leading_shape_and_precision(
    dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    logits = by_hand()(torch.ones(shape, dtype=dtype))
    assert logits.shape == (*shape[:-1], 2)
    assert logits.dtype == torch.promote_types(dtype, torch.float32)


def test_gradients_flow_to_the_activations() -> None:
    activations = torch.zeros(3, requires_grad=True)
    (gradient,) = torch.autograd.grad(by_hand()(activations)[0], activations)
    torch.testing.assert_close(gradient, torch.tensor([0.5, 0.0, -0.5]))


def test_logits_of_blocks_are_those_of_the_whole() -> None:
    activations = torch.randn(2500, 3, generator=torch.Generator().manual_seed(0))
    probe = by_hand()
    expected = probe(activations)
    store = store_without(activations, LAYOUT, [])
    for source in (activations, activations.numpy(), store):
        torch.testing.assert_close(probe.logits(source), expected)
    names = [probe.classes[number] for number in expected.argmax(1).tolist()]
    assert probe.predict(store) == names


def test_a_regression_predicts_numbers() -> None:
    activations, _ = classification(3)
    numbers = 2 * activations[:, 0] + 5
    probe = fit_elastic_net(activations, numbers, l1=1e-9, l2=0.0, tolerance=1e-9)
    assert probe.is_regression
    assert probe.predict(activations) == pytest.approx(numbers.tolist(), abs=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_save_and_load_give_the_same_probe(tmp_path: Path, classes: int) -> None:
    activations, labels = classification(classes, dtype=torch.float32)
    probe = fit_elastic_net(activations, labels, layout=NeuronLayout(("a", "ö"), (5, 7)))
    probe.save(tmp_path / "probe.safetensors")
    loaded = LinearProbe.load(tmp_path / "probe.safetensors")
    assert (loaded.classes, loaded.layout) == (probe.classes, probe.layout)
    assert loaded.report == probe.report
    assert torch.equal(loaded(activations), probe(activations))
    assert [path.name for path in tmp_path.iterdir()] == ["probe.safetensors"]


def test_a_probe_made_by_hand_is_saved_without_a_report(tmp_path: Path) -> None:
    by_hand().save(tmp_path / "probe.safetensors")
    assert LinearProbe.load(tmp_path / "probe.safetensors").report is None


def test_files_that_hold_no_probe_are_refused(tmp_path: Path) -> None:
    text, tensors, cut = tmp_path / "text", tmp_path / "tensors", tmp_path / "cut"
    text.write_text("not a probe, but long enough for a header")
    with pytest.raises(ValueError, match=r"text: not a probe in safetensors format"):
        LinearProbe.load(text)
    save_file({"weight": torch.zeros(2, 3)}, tensors)
    with pytest.raises(ValueError, match=r"tensors: not a probe of this version: found format"):
        LinearProbe.load(tensors)
    by_hand().save(cut)
    cut.write_bytes(cut.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"cut: not a probe in safetensors format"):
        LinearProbe.load(cut)
    with pytest.raises(FileNotFoundError):
        LinearProbe.load(tmp_path / "missing")


def test_a_probe_file_without_its_report_is_refused(tmp_path: Path) -> None:
    tensors = {"weight": torch.zeros(2, 3), "bias": torch.zeros(2)}
    tensors |= {"mean": torch.zeros(3), "scale": torch.ones(3)}
    save_file(tensors, tmp_path / "half", metadata={"format": "captum_lca.probe/1"})
    with pytest.raises(ValueError, match=r"half: damaged probe: .*classes"):
        LinearProbe.load(tmp_path / "half")


@pytest.mark.parametrize(
    ("weight", "bias", "scale", "classes", "message"),
    [
        (torch.zeros(2, 4), torch.zeros(2), torch.ones(3), ["x", "y"], r"weight .* shape \(2, 3\)"),
        (torch.zeros(2, 3), torch.zeros(3), torch.ones(3), ["x", "y"], r"bias .* shape \(2,\)"),
        (torch.zeros(2, 3), torch.zeros(2), torch.zeros(3), ["x", "y"], "scale must be positive"),
        (torch.zeros(2, 3), torch.zeros(2), torch.ones(3), ["x", "x"], "different classes"),
        (torch.zeros(1, 3), torch.zeros(1), torch.ones(3), ["x"], "different classes"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    weight: Tensor, bias: Tensor, scale: Tensor, classes: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        LinearProbe(weight, bias, torch.zeros(3), scale, classes=classes, layout=LAYOUT)


def test_activations_of_other_neurons_are_refused() -> None:
    with pytest.raises(ValueError, match="the probe has 3 neurons; found 4"):
        by_hand().predict(np.zeros((2, 4), dtype=np.float32))


def test_class_index() -> None:
    assert by_hand().class_index("y") == 1
    with pytest.raises(ValueError, match="no class 'z' in this probe"):
        by_hand().class_index("z")


def test_the_report_says_whether_the_fit_converged() -> None:
    activations, labels = classification(3)
    report = fit_elastic_net(activations, labels).report
    assert report is not None
    assert report.converged
    assert not replace(report, optimality=2 * report.target + 1).converged
