import pytest
import torch
from small_stores import new_index, written

from captum_lca.activations.store_writing import store_writer


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tiny models lose more by threads that wait for each other than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def folder(tmp_path):
    with store_writer(new_index(), tmp_path / "store") as writer:
        written(writer)
    return tmp_path / "store"


@pytest.fixture(params=["memory", "folder"])
def store(request, tmp_path):
    folder = None if request.param == "memory" else tmp_path / "store"
    with store_writer(new_index(), folder) as writer:
        return written(writer)
