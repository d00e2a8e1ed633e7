import errno
import os
import resource
import signal
import time
from pathlib import Path

import pytest
import torch
from forking import ended, forked

from captum_lca import files
from captum_lca.files import locked, remove_unfinished, write_aside, write_text
from captum_lca.tensor_files import write_tensors

NOBODY = 65534
"""A user who may write nowhere."""


def failing(error):
    def write(aside):
        aside.write_text("half")
        raise error

    return write


class TestWritingAside:
    def test_the_old_file_stays_until_the_new_one_is_complete(self, tmp_path):
        path = tmp_path / "file"
        write_text(path, "old")
        write_aside(path, lambda aside: (path.read_text() == "old" or 1 / 0) and aside.touch())
        assert path.read_text() == ""

    @pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt(), SystemExit(3)])
    def test_nothing_stays_of_what_failed(self, tmp_path, error):
        write_text(tmp_path / "file", "old")
        with pytest.raises(type(error)):
            write_aside(tmp_path / "file", failing(error))
        assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]

    def test_the_message_has_the_final_name(self, tmp_path):
        with pytest.raises(OSError, match=r"No space left on device: '.*/file'$"):
            write_aside(tmp_path / "file", failing(OSError(errno.ENOSPC, os.strerror(28))))
        with pytest.raises(FileNotFoundError, match="No such file or directory: 'nowhere/file'"):
            write_text(Path("nowhere/file"), "")

    def test_a_disk_that_takes_no_more(self, tmp_path):
        """The system refuses to make files any larger, half-way through."""

        def work():
            resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))
            with pytest.raises(OSError, match=r"File too large: '.*/text'$"):
                write_text(tmp_path / "text", "x" * 2**18)
            with pytest.raises(OSError, match=r"/tensors: .*File too large"):
                write_tensors(tmp_path / "tensors", {"a": torch.zeros(2**16)}, {})

        assert ended(forked(work)) == 0
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_can_not_be_written(self, tmp_path):
        def work():
            os.chdir(tmp_path)
            if os.getuid() == 0:
                os.setuid(NOBODY)
            with pytest.raises(PermissionError, match=r"Permission denied: 'file'$"):
                write_text(Path("file"), "")
            with pytest.raises(PermissionError, match="Permission denied"), locked(Path()):
                pass

        tmp_path.chmod(0o555)
        assert ended(forked(work)) == 0
        tmp_path.chmod(0o755)
        assert list(tmp_path.iterdir()) == []

    def test_others_may_read_what_the_system_lets_them(self, tmp_path):
        write_text(tmp_path / "text", "")
        write_tensors(tmp_path / "tensors", {"a": torch.zeros(1)}, {})
        first, second = (path.stat().st_mode for path in tmp_path.iterdir())
        assert first == second

    @pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
    def test_file_systems_that_can_not_settle_folders(self, tmp_path, monkeypatch, number):
        to_disk = files._to_disk

        def settle(path):
            if path.is_dir():
                raise OSError(number, os.strerror(number))
            to_disk(path)

        monkeypatch.setattr(files, "_to_disk", settle)
        if number == errno.EINVAL:
            write_text(tmp_path / "file", "")
        else:
            with pytest.raises(OSError, match="Input/output error"):
                write_text(tmp_path / "file", "")
        assert (tmp_path / "file").exists()


class TestUnfinished:
    def test_only_our_own_names(self, tmp_path):
        mine = {"index.json.part", "a.0123ABCD.part", ".0123abcd.part", "a.0123abcd.parts"}
        for name in (*mine, "a.0123abcd.part"):
            (tmp_path / name).touch()
        remove_unfinished(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == mine


class TestLock:
    def test_another_process_is_refused_until_the_first_one_is_killed(self, tmp_path):
        def hold():
            with locked(tmp_path / "runs" / "one"):
                (tmp_path / "held").touch()
                time.sleep(60)

        holder = forked(hold)
        while not (tmp_path / "held").exists():
            time.sleep(0.01)
        refusal = pytest.raises(
            BlockingIOError, match="runs/one: another run is writing here; wait"
        )
        with refusal, locked(tmp_path / "runs" / "one"):
            pass
        os.kill(holder, signal.SIGKILL)
        assert ended(holder) == -signal.SIGKILL
        with locked(tmp_path / "runs" / "one"):
            pass

    def test_it_ends_with_an_error(self, tmp_path):
        with pytest.raises(RuntimeError), locked(tmp_path):
            raise RuntimeError
        with locked(tmp_path):
            pass
