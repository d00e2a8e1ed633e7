import base64
import hashlib
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from captum_lca.report.page import heat, json_block, number, render, short, signed

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@given(PLAIN)
def test_data_survives_and_ends_no_script(data):
    block = json_block(data)
    assert json.loads(block) == data
    assert not set("<>&\u2028\u2029") & set(block)


def test_numbers_that_people_read():
    assert [number(n) for n in (12345, -3, 0.90436, -0.0, 12.345, 1234.5)] == [
        "12,345", "−3", "0.904", "−0.000", "12.3", "1,234.5",
    ]  # fmt: skip
    assert [number(n) for n in (1.2e-7, 3e9, float("nan"), float("-inf"), "text", True)] == [
        "1.20e−07", "3.00e+09", "–", "−∞", "text", "True",
    ]  # fmt: skip
    assert (signed(0.5), signed(-0.5), signed(0.0)) == ("+0.500", "−0.500", "0.000")
    assert short("x" * 200) == "x" * 79 + "…"


def test_heat_has_six_levels_on_either_side():
    assert [heat(value) for value in (None, 0.2, 0.5, 3.0, 99.0, -0.3, -9.0)] == [
        "", "", "u1", "u6", "u6", "d1", "d6",
    ]  # fmt: skip


def test_a_page_allows_its_own_style_and_script_only():
    page = render("base.html")
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src &#39;none&#39;;") or policy.startswith(
        "default-src 'none';"
    )
    for tag, kind in (("style", "style-src"), ("script", "script-src")):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy.replace("&#39;", "'").replace("&#43;", "+")
    assert not re.search(r"(?:src|href)=\"(?!#|data:,)", page)
    assert " style=" not in page
    assert " onclick=" not in page
