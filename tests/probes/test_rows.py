"""Rows held and rows streamed: the same blocks, and the same probe."""

import threading
from pathlib import Path

import pytest
import torch
from probe_problems import classification, store_without
from safetensors.torch import save_file
from torch import Tensor

from captum_lca.activations import ActivationStore
from captum_lca.activations.store import FileShard
from captum_lca.activations.store_index import ShardEntry, StoreIndex
from captum_lca.neurons import NeuronLayout
from captum_lca.probes import fit_elastic_net
from captum_lca.probes.rows import (
    BLOCK,
    HeldRows,
    LabelledRows,
    StreamedRows,
    block_rows,
    read_ahead,
    standardised_rows,
)

LAYERS = NeuronLayout(("embeddings", "block 0"), (5, 7))


def source(dtype: torch.dtype, neurons: list[int] | None = None) -> tuple[LabelledRows, Tensor]:
    activations, _ = classification(3, rows=3000, dtype=dtype)
    labelled = torch.tensor([row for row in range(3000) if row % 7 and not 1100 < row < 2300])
    ids = None if neurons is None else torch.tensor(neurons)
    store = store_without(activations, LAYERS, [])
    picked = activations[labelled] if ids is None else activations[labelled][:, ids]
    return LabelledRows(store, labelled, ids), picked


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("neurons", [None, [9, 0, 2]])
@pytest.mark.parametrize("streamed", [False, True])
def test_rows_are_standardised(
    dtype: torch.dtype, neurons: list[int] | None, streamed: bool
) -> None:
    labelled, picked = source(dtype, neurons)
    rows, standardisation = standardised_rows(labelled, 1 if streamed else 2**30)
    assert isinstance(rows, StreamedRows if streamed else HeldRows)
    expected = standardisation.apply_(picked.to(torch.promote_types(dtype, torch.float32)))
    for _ in range(2):  # every pass anew
        found = torch.empty(rows.shape, dtype=rows.like.dtype)
        for some, block in rows.blocks():
            assert 0 < len(block) <= BLOCK
            found[some] = block
        assert torch.equal(found, expected)


def test_the_wider_a_row_the_fewer_in_a_block() -> None:
    assert block_rows(12) == block_rows(2688) == BLOCK
    assert block_rows(2 * 2688) == BLOCK // 2
    assert block_rows(10**9) == 1


@pytest.mark.parametrize("classes", [2, 4])
def test_streaming_ends_at_the_same_probe(classes: int) -> None:
    activations, labels = classification(classes, rows=2500)
    held = fit_elastic_net(activations, labels, l2=1e-3, tolerance=1e-8)
    streamed = fit_elastic_net(activations, labels, l2=1e-3, tolerance=1e-8, memory=200_000)
    assert streamed.report is not None
    assert streamed.report.converged
    torch.testing.assert_close(streamed.weight, held.weight, atol=1e-5, rtol=0)
    assert torch.equal(streamed.weight == 0, held.weight == 0)
    assert torch.equal(streamed.scale, held.scale)


def test_a_store_on_disk_is_streamed(tmp_path: Path) -> None:
    activations, labels = classification(3, rows=2500, dtype=torch.float16)
    store = ActivationStore.from_tensor(activations)
    expected = fit_elastic_net(store, labels, tolerance=1e-5)
    save_file({"activations": activations}, tmp_path / "shard-00000.safetensors")
    entry = ShardEntry("shard-00000.safetensors", 2500, 0, "")
    index = StoreIndex(store.layout, "float16", 2500, {}, shards=[entry])
    on_disk = ActivationStore([FileShard(tmp_path, entry)], index)
    found = fit_elastic_net(on_disk, labels, tolerance=1e-5, memory=100_000)
    assert found.report is not None
    assert expected.report is not None
    assert found.report.objective == pytest.approx(expected.report.objective, abs=1e-6)
    assert torch.equal(found.mean, expected.mean)


def test_bad_values_are_found_while_reading_ahead() -> None:
    activations, labels = classification(3, rows=2500)
    activations[2200, 6] = torch.nan
    with pytest.raises(ValueError, match=r"found nan at neuron 6 .* row 2200"):
        fit_elastic_net(activations, labels, memory=1)


def test_reading_ahead_keeps_the_order_and_ends_with_its_reader() -> None:
    threads = threading.active_count()
    assert list(read_ahead(iter(range(1, 6)))) == [1, 2, 3, 4, 5]
    assert list(read_ahead(iter(()))) == []
    some = read_ahead(iter(range(1, 100)))
    assert next(some) == 1
    some.close()
    assert threading.active_count() == threads
