"""The reports in a real Chromium: read, sorted, filtered, clicked through, with hostile labels."""

import os
import re
import shutil

import pandas as pd
import pytest
from effects import effects_of
from made_studies import HOSTILE, hostile_study, wide_study

from captum_lca.report import Answer, comparison_report, effects_report, study_report

pytestmark = pytest.mark.browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
PHONE = {"width": 360, "height": 740}
CONTRAST = 4.5
"""Of text and what is behind it, at least (WCAG 2.2, level AA)."""
LUMINANCES = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = colours => {
    canvas.fillStyle = "white";
    canvas.fillRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(value => {
      const share = value / 255;
      return share <= .04045 ? share / 12.92 : ((share + .055) / 1.055) ** 2.4;
    });
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = element => {
    const colours = [];
    for (let one = element; one; one = one.parentElement)
      colours.unshift(getComputedStyle(one).backgroundColor);
    return colours;
  };
  const texts = [...document.querySelectorAll("p, a, th, td, dd, dt, h1, h2, h3, span, button")]
    .filter(one => one.checkVisibility() && [...one.childNodes].some(n => n.data?.trim()));
  return texts.map(one => {
    const back = behind(one);
    return [one.textContent.slice(0, 40), luminance(back),
            luminance([...back, getComputedStyle(one).color])];
  });
}"""


@pytest.fixture(scope="module")
def chromium():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The reports, by name."""
    folder = tmp_path_factory.mktemp("reports")
    frame = pd.DataFrame(
        {"name": [f"n{n}" for n in range(20)], "score": [n / 7 for n in range(20)]}
    )
    answer = Answer(
        "models", "a <b>line</b>", {}, {"": frame}, lambda axes: axes[0].plot(frame["score"])
    )
    pages = {
        "wide": study_report(*wide_study(rows=900)),
        "hostile": study_report(*hostile_study()),
        "comparison": comparison_report(answer, [HOSTILE[1], "b"]),
        "effects": effects_report(effects_of(HOSTILE[0], "VERB")),
    }
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return folder


@pytest.fixture
def opened(chromium, files):
    """Opens a report from disk; afterwards nothing was requested and nothing went wrong."""
    contexts, troubles = [], []

    def open_page(name, **options):
        context = chromium.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        address = (files / f"{name}.html").as_uri()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "request",
            lambda request: (
                troubles.append(request.url)
                if request.url.split("#")[0] != address and not request.url.startswith("data:")
                else None
            ),
        )
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def wait_for(locator, text):
    """Until an element has this text; a link is followed a moment after the click."""
    locator.filter(has_text=re.compile(f"^\\s*{re.escape(text.strip())}\\s*$")).wait_for()


def column(page, field):
    return page.locator(f"#neuron-table td[data-field={field}]").all_inner_texts()


def number(text):
    return float(text.replace("−", "-").replace("+", "").replace(",", ""))


def test_the_headline_and_how_long_opening_takes(opened):
    page = opened("wide")
    assert page.locator("h1").inner_text() == "Which neurons carry xpos?"
    assert page.locator(".finding").count() == 3
    assert page.locator("figure svg").count() == 2
    assert page.locator("table.heat tbody tr").count() == 45
    milliseconds = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    print(f"13 × 768 neurons, 45 classes: opened in {milliseconds:.0f} ms")


def test_sorting(opened):
    page = opened("wide")
    header = page.locator("#neuron-table th[data-key=weight]")
    for order, sign in (("descending", -1), ("ascending", 1)):
        header.locator("button").click()
        assert header.get_attribute("aria-sort") == order
        weights = [sign * number(text) for text in column(page, "weight")]
        assert weights == sorted(weights)
        assert len(weights) == 25
    page.locator("#neuron-table th[data-key=rank] button").click()
    assert header.get_attribute("aria-sort") is None
    assert column(page, "rank")[:3] == ["1", "2", "3"]
    page.get_by_role("button", name="Show more").click()
    assert column(page, "rank")[-1] == "125"


def test_filtering(opened):
    page = opened("wide")
    count = page.locator("output[name=count]")
    assert count.inner_text() == "9,984 of 9,984 neurons"
    page.locator("select[name=layer]").select_option("encoder.layer.7")
    assert count.inner_text() == "768 of 9,984 neurons"
    page.locator("select[name=target]").select_option("CLASS-3")
    assert 0 < int(count.inner_text().split()[0]) < 100
    assert all("encoder.layer.7" in name for name in column(page, "neuron"))
    page.locator("select[name=layer]").select_option("")
    assert count.inner_text() == "100 of 9,984 neurons"
    page.locator("select[name=target]").select_option("")
    word = page.locator("#neuron-table .word").first.inner_text()
    page.get_by_label("Find").fill(word.upper())
    assert word in column(page, "words")[0] or word in page.content()
    assert int(count.inner_text().split()[0]) < 100
    page.get_by_label("Find").fill("no such neuron")
    assert count.inner_text() == "0 of 9,984 neurons"


def test_a_neuron_and_a_class(opened):
    page = opened("wide")
    drawer = page.locator("#drawer")
    first = page.locator("#neuron-table td[data-field=neuron] a").first
    name = first.inner_text()
    first.click()
    wait_for(drawer.locator("h2"), name)
    assert "Rank 1 of 9,984" in drawer.inner_text()
    for part in ("Words", "Activation by class", "Sentences"):
        assert drawer.get_by_role("heading", name=part, exact=True).count() == 1
    assert drawer.locator(".histograms tr").count() == 46
    assert drawer.locator(".sentence .peak").count() == 6
    target = drawer.locator(".histograms a").first
    target_name = target.inner_text()
    target.click()
    wait_for(drawer.locator("h2"), target_name)
    assert drawer.locator("tbody tr").count() == 10
    page.go_back()
    wait_for(drawer.locator("h2"), name)
    page.get_by_role("button", name="Close").click()
    assert not drawer.is_visible()
    page.locator("table.heat a").nth(7).click()
    wait_for(drawer.locator("h2"), "CLASS-7")


def test_a_neuron_that_was_not_looked_at(opened):
    page = opened("wide")
    page.locator("#neuron-table th[data-key=rank] button").click()
    page.locator("#neuron-table th[data-key=rank] button").click()
    page.locator("#neuron-table td[data-field=neuron] a").first.click()
    page.locator("#drawer").get_by_text("stored for the most salient neurons only").wait_for()


def test_keyboard_alone(opened):
    page = opened("hostile")
    focus = "document.activeElement"

    def tab_to(selector):
        for _ in range(200):
            page.keyboard.press("Tab")
            if page.evaluate(f"{focus}.matches({selector!r})"):
                return
        pytest.fail(f"Tab never came to {selector}")

    tab_to(".skip")
    tab_to("th[data-key=salience] button")
    page.keyboard.press("Enter")
    assert page.locator("[data-key=salience]").get_attribute("aria-sort") == "descending"
    tab_to("td[data-field=neuron] a")
    link = page.evaluate(f"{focus}.getAttribute('href')")
    page.keyboard.press("Enter")
    page.locator("#drawer").wait_for()
    assert page.evaluate(f"{focus}.id") == "drawer-title"
    tab_to("#drawer .histograms a")
    page.keyboard.press("Enter")
    page.locator("#drawer .words").first.wait_for()
    page.keyboard.press("Escape")
    assert not page.locator("#drawer").is_visible()
    assert page.evaluate(f"{focus}.getAttribute('href')") == link
    tab_to("#classes summary")
    page.keyboard.press("Enter")
    assert page.locator("#class-0").get_attribute("open") is not None


@pytest.mark.parametrize("name", ["wide", "hostile", "comparison", "effects"])
def test_narrow_screens(opened, name):
    page = opened(name, viewport=PHONE)
    page.locator("details").evaluate_all("parts => parts.forEach(part => part.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    if page.locator("#drawer").count():
        page.locator("#neuron-table td[data-field=neuron] a").first.click()
        page.locator("#drawer .histograms").wait_for()
        assert page.locator("#drawer").evaluate("one => one.scrollWidth") <= PHONE["width"]
        page.locator("#drawer a.class").first.click()
        page.locator("#drawer .words").first.wait_for()
        assert page.locator("#drawer").evaluate("one => one.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["wide", "hostile", "comparison", "effects"])
def test_text_stands_out_in_both_themes(opened, name, scheme):
    page = opened(name, color_scheme=scheme)
    if page.locator("#drawer").count():
        page.locator("#class-0").evaluate("part => part.open = true")
        page.locator("#neuron-table td[data-field=neuron] a").first.click()
        page.locator("#drawer .histograms").wait_for()
    found = page.evaluate(LUMINANCES)
    assert len(found) >= 8
    assert (found[0][1] > found[0][2]) == (scheme == "light")
    weak = {
        text: round((max(pair) + 0.05) / (min(pair) + 0.05), 2)
        for text, *pair in found
        if (max(pair) + 0.05) / (min(pair) + 0.05) < CONTRAST
    }
    assert weak == {}


def test_hostile_labels_are_shown_as_text(opened):
    page = opened("hostile")
    title = page.title()
    assert page.locator("h1 bdi").inner_text() == HOSTILE[0]
    drawer = page.locator("#drawer")
    for place in range(5):
        page.locator("#neuron-table td[data-field=neuron] a").nth(place).click()
        drawer.locator(".histograms tr").nth(5).wait_for()
        page.keyboard.press("Escape")
    names = page.locator("table.heat a").all_inner_texts()
    assert names == sorted(name if len(name) <= 80 else name[:79] + "…" for name in HOSTILE)
    for place in range(5):
        page.locator("table.heat a").nth(place).click()
        wait_for(drawer.locator("h2"), names[place])
        page.keyboard.press("Escape")
    assert page.title() == title
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2


def test_readable_without_scripts(opened):
    page = opened("hostile", java_script_enabled=False)
    assert not page.locator("#neuron-table form").is_visible()
    assert page.locator("#neuron-table tbody tr").count() == 40
    assert page.locator("#class-1 .words").first.is_hidden()
    page.locator("#class-1 summary").click()
    assert page.locator("#class-1 .words").first.is_visible()
    assert page.locator("#class-1 .sentence").count() >= 1
    assert page.get_by_text("All 40 neurons are in ranking.csv").is_visible()


def test_tables_of_other_pages(opened):
    page = opened("comparison")
    assert page.locator("h1").inner_text() == "How do these models differ?"
    assert page.get_by_text("A <b>line</b>.").is_visible()
    page.locator("details").evaluate_all("parts => parts.forEach(part => part.open = true)")
    page.get_by_role("button", name="score").click()
    cells = page.locator("tbody tr td:first-child")
    assert cells.all_inner_texts()[:2] == ["n19", "n18"]
    page.get_by_label("Filter").fill("n1")
    assert page.locator("[data-count]").inner_text() == "11 of 20 rows"
    assert page.locator("tbody tr:visible").count() == 11
