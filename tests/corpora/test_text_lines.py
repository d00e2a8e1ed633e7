from pathlib import Path

import pytest

from captum_lca.corpora.text_lines import numbered_lines


def lines_of(tmp_path: Path, content: bytes) -> list[tuple[int, str]]:
    path = tmp_path / "text"
    path.write_bytes(content)
    return list(numbered_lines(path))


def test_numbers_count_from_one_and_the_last_line_needs_no_ending(tmp_path: Path) -> None:
    assert lines_of(tmp_path, b"a\n\nb") == [(1, "a"), (2, ""), (3, "b")]


def test_byte_order_mark_and_windows_endings_are_removed(tmp_path: Path) -> None:
    assert lines_of(tmp_path, b"\xef\xbb\xbfa\r\nb\r\n") == [(1, "a"), (2, "b")]


def test_unicode_line_separators_belong_to_words(tmp_path: Path) -> None:
    assert lines_of(tmp_path, "a\u2028b\x85c\n".encode()) == [(1, "a\u2028b\x85c")]


def test_empty_file_has_no_lines(tmp_path: Path) -> None:
    assert lines_of(tmp_path, b"") == []


def test_other_encodings_name_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"text:2: not UTF-8: byte 0xe9 at position 4"):
        lines_of(tmp_path, b"fine\ncaf\xe9\n")
