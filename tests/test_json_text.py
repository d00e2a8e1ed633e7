import pytest

from captum_lca.json_text import parsed


def test_text_and_bytes():
    assert parsed('{"a": ["é"]}', "x") == parsed('{"a": ["é"]}'.encode(), "x") == {"a": ["é"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.json: not JSON: Expecting value"),
        ("{", "x.json: not JSON: "),
        (b"\xff\xfe{}", "x.json: not JSON: 'utf-8' codec can't decode byte 0xff"),
        ("9" * 5000, "x.json: not JSON: Exceeds the limit"),
        ("[" * 100_000, "x.json: not JSON that can be read: nested too deeply"),
        ('{"a":' * 100_000, "x.json: not JSON that can be read: nested too deeply"),
    ],
)
def test_what_is_no_json(text, message):
    with pytest.raises(ValueError, match=message):
        parsed(text, "x.json")
