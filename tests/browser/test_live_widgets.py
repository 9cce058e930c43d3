"""The interactive figures answer mouse, touch and keyboard, with the numbers of their files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import widgets
from playwright.sync_api import Browser, BrowserContext, Locator, Page
from site_survey import WIDE, Site

pytest_plugins = ["site_browser"]

NAMES = {widget.name: page for page, widget in widgets.WIDGETS.items()}
OTHERS = re.compile(r"\.(png|svg|woff2)$|^(?!.*/widgets/).*\.js(\?.*)?$")
# Put a widget's HTML in the place of the old one, and run its script again.
ANEW = """async ([name, html]) => {
    document.getElementById(`widget-${name}`).outerHTML = html;
    const old = document.querySelector(`script[src*="widgets/${name}.js"]`);
    const script = Object.assign(document.createElement("script"), {src: old.src});
    await new Promise(done => {
        script.onload = done;
        document.body.append(script);
    });
    script.remove();
}"""
# Choose every question, length and overlap, and return what the figure then says.
EVERY_SETTING = """figure => {
    const [question, length] = figure.querySelectorAll("select");
    const overlap = figure.querySelector("input[type=range]");
    const choose = (control, value, event) => {
        control.value = value;
        control.dispatchEvent(new Event(event, {bubbles: true}));
    };
    const said = [];
    for (const one of question.options) {
        choose(question, one.value, "change");
        for (const size of length.options) {
            choose(length, size.value, "change");
            for (let step = 0; step <= Number(overlap.max); step += 1) {
                choose(overlap, step, "input");
                said.push([
                    Number(one.value),
                    Number(size.value),
                    Number(figure.querySelector(".widget-value").textContent),
                    figure.querySelector(".widget-said").textContent,
                    figure.querySelectorAll(".widget-windows label").length,
                    figure.querySelectorAll(".widget-pieces > .is-span").length,
                ]);
            }
        }
    }
    return said;
}"""
DATA = {widget.name: widgets.data_of(widget) for widget in widgets.WIDGETS.values()}


def open_page(context: BrowserContext, served: Site, name: str) -> Page:
    page = context.new_page()
    page.goto(f"{served.address}{NAMES[name]}.html", wait_until="domcontentloaded")
    return page


@pytest.fixture(scope="module")
def pages(browser: Browser, served: Site) -> Iterator[dict[str, Page]]:
    """The two pages; opening one takes longer than what is done there."""
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    yield {name: open_page(context, served, name) for name in NAMES}
    context.close()


def anew(page: Page, name: str) -> Locator:
    """Return a page's widget as it is when the page has just been opened."""
    page.mouse.move(0, 0)
    page.evaluate(ANEW, [name, widgets.as_html(widgets.WIDGETS[NAMES[name]])])
    return page.locator(f"#widget-{name}.is-live")


@pytest.fixture
def attention(pages: dict[str, Page]) -> Locator:
    return anew(pages["attention"], "attention")


@pytest.fixture
def spans(pages: dict[str, Page]) -> Locator:
    return anew(pages["spans"], "spans")


def shown(figure: Locator) -> list[str]:
    """Return the numbers below the tokens."""
    return figure.locator(".widget-tokens .widget-number").all_inner_texts()


def written(thousandths: int) -> str:
    """Return a weight as the figure writes it."""
    if thousandths == 0:
        return ""
    return "<1\N{NO-BREAK SPACE}%" if thousandths < 5 else f"{percent(thousandths)}"


def percent(thousandths: int) -> str:
    return f"{(thousandths + 5) // 10}\N{NO-BREAK SPACE}%"


def expected(sentence: int, layer: int, head: int, token: int) -> list[str]:
    row = DATA["attention"]["sentences"][sentence]["weights"][layer][head][token]
    return [written(weight) for weight in row]


# --- attention


def test_hovering_over_a_token_shows_its_row_and_leaving_goes_back(attention: Locator) -> None:
    chosen = shown(attention)
    assert chosen == expected(0, 0, 2, 7)
    attention.locator(".widget-tokens label").nth(2).hover()
    assert shown(attention) == expected(0, 0, 2, 2) != chosen
    assert attention.locator(".widget-said").inner_text().startswith("captain, layer 0, head 2")
    attention.locator(".widget-title").hover()
    assert shown(attention) == chosen


@pytest.mark.parametrize(("layer", "head"), [(0, 1), (3, 3)])
def test_a_click_on_a_map_chooses_the_head(attention: Locator, layer: int, head: int) -> None:
    attention.get_by_label(f"layer {layer}, head {head}").click()
    assert shown(attention) == expected(0, layer, head, 7)


def test_shades_grow_with_the_weight(attention: Locator) -> None:
    weights = DATA["attention"]["sentences"][0]["weights"][0][2][7]
    colours = attention.locator(".widget-tokens label").evaluate_all(
        "labels => labels.map(l => parseFloat(l.style.getPropertyValue('--weight')))"
    )
    assert colours == pytest.approx([(weight / 1000) ** 0.5 for weight in weights])


def test_the_other_direction_shows_the_column(attention: Locator) -> None:
    attention.get_by_label("what attends to it").check()
    rows = DATA["attention"]["sentences"][0]["weights"][0][2]
    assert shown(attention) == [written(row[7]) for row in rows]
    assert "a column need not sum to 100" in attention.locator(".widget-said").inner_text()


def test_attention_can_be_read_by_keyboard_alone(attention: Locator) -> None:
    """Sentence, head and token are reached by Tab and changed by arrow keys."""
    keys = attention.page.keyboard
    attention.get_by_label("Sentence").focus()
    keys.press("ArrowDown")
    bank = DATA["attention"]["sentences"][1]["tokens"].index("bank")
    assert shown(attention) == expected(1, 0, 2, bank)
    keys.press("Tab")  # row or column
    keys.press("Tab")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        keys.press(key)
    assert shown(attention) == expected(1, 2, 3, bank)
    keys.press("Tab")
    keys.press("ArrowLeft")
    assert shown(attention) == expected(1, 2, 3, bank - 1)
    said = attention.locator(".widget-said")
    assert said.get_attribute("aria-live") == "polite"
    token = DATA["attention"]["sentences"][1]["tokens"][bank - 1]
    assert said.inner_text().startswith(f"{token}, layer 2, head 3: attends most to ")


def test_what_is_said_names_the_largest_weights(attention: Locator) -> None:
    row = DATA["attention"]["sentences"][0]["weights"][0][2][7]
    tokens = DATA["attention"]["sentences"][0]["tokens"]
    most = max(range(len(row)), key=lambda k: row[k])
    said = attention.locator(".widget-said").inner_text()
    assert f"attends most to “{tokens[most]}” {written(row[most])}" in said


# --- windows and spans


def test_every_setting_gives_the_answer_that_bertlab_decodes(spans: Locator) -> None:
    said = spans.evaluate(EVERY_SETTING)
    questions = DATA["spans"]["questions"]
    for number, length, stride, words, windows, marked in said:
        question = questions[number]
        (setting,) = (
            s for s in question["settings"] if (s["length"], s["stride"]) == (length, stride)
        )
        start, end = (setting["answer"][side] for side in ("start", "end"))
        assert f"Best of all windows: “{question['context'][start:end]}”" in words
        assert windows == len(setting["windows"])
        assert marked > 0
    assert len(said) == sum(len(question["settings"]) for question in questions)


def spans_setting(length: int = 96, stride: int = 24) -> tuple[int, list[dict[str, Any]]]:
    """Return where the first question's context begins in a row, and the windows."""
    question = DATA["spans"]["questions"][0]
    (found,) = (s for s in question["settings"] if (s["length"], s["stride"]) == (length, stride))
    return len(question["question_pieces"]) + 2, found["windows"]


def test_two_separate_maxima_are_refused_with_the_reason(spans: Locator) -> None:
    _, windows = spans_setting()
    spans.get_by_role("button", name="taken apart").click()
    starts, ends = windows[0]["starts"], windows[0]["ends"]
    i, j = starts.index(max(starts)), ends.index(max(ends))
    assert j < i, "choose another question: this one shows an end before its start"
    said = spans.locator(".widget-said").last.inner_text()
    assert f"Start {max(starts) / 1000:.3f} + end {max(ends) / 1000:.3f}" in said
    assert "No span: the end stands before the start." in said
    assert spans.locator(".widget-pieces > .is-span").count() == 0


def test_a_tap_on_a_token_takes_it_as_start_with_its_best_end(spans: Locator) -> None:
    first, windows = spans_setting()
    spans.locator(".widget-windows label").nth(1).click()
    start, longest = first + 10, DATA["spans"]["longest"]
    spans.locator(".widget-pieces > span").nth(start).click()
    ends = windows[1]["ends"]
    best = max(range(start, start + longest), key=lambda j: ends[j])
    assert spans.get_by_label("Start").input_value() == str(start)
    assert spans.get_by_label("End", exact=False).last.input_value() == str(best)
    assert spans.locator(".widget-pieces > .is-allowed").count() == longest
    assert f"From this start, {longest} of 96 ends are allowed" in spans.inner_text()


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (0, 40, "the start, [CLS], is not in the context"),
        (30, 2, "is not in the context"),
        (40, 39, "the end stands before the start"),
        (30, 70, "41 pieces are too many; at most 13 may be"),
    ],
)
def test_pairs_that_are_no_span_say_why(spans: Locator, start: int, end: int, reason: str) -> None:
    spans.locator(".widget-start input").fill(str(start))
    spans.locator(".widget-end input").fill(str(end))
    assert reason in spans.locator(".widget-said").last.inner_text()
    assert spans.locator(".widget-pieces > .is-span").count() == 0


def test_an_answer_that_a_border_cuts_is_whole_in_no_window(spans: Locator) -> None:
    spans.get_by_label("Question").select_option("1")
    spans.get_by_label("Longest row").select_option("64")
    spans.get_by_label("Pieces that neighbours share").fill("0")
    said = spans.locator(".widget-said").first
    assert "no window: a border cuts it" in said.inner_text()
    spans.get_by_label("Pieces that neighbours share").fill("2")
    assert "no window" not in said.inner_text()


def test_spans_can_be_explored_by_keyboard_alone(spans: Locator) -> None:
    """From the question to the last button by Tab; arrow keys change each of the controls."""
    keys = spans.page.keyboard
    spans.get_by_label("Question").focus()
    keys.press("ArrowDown")
    assert "Moissan" in spans.locator(".widget-said").first.inner_text()
    keys.press("Tab")
    keys.press("ArrowDown")  # rows of 128
    assert spans.locator(".widget-windows label").count() == 3
    keys.press("Tab")
    keys.press("Home")  # nothing shared
    assert "share v = 0" in spans.inner_text()
    keys.press("Tab")
    before = spans.locator(".widget-windows :checked").get_attribute("value")
    keys.press("ArrowDown")
    assert spans.locator(".widget-windows :checked").get_attribute("value") != before
    keys.press("Tab")
    keys.press("Home")
    assert "[CLS], is not in the context" in spans.locator(".widget-said").last.inner_text()
    keys.press("Tab")
    keys.press("Tab")
    keys.press("Enter")  # the best span again
    assert "the best span of this window" in spans.locator(".widget-said").last.inner_text()


# --- both


@pytest.mark.parametrize("name", NAMES)
def test_a_widget_follows_its_chapters_figure(pages: dict[str, Page], name: str) -> None:
    before = (
        pages[name]
        .locator(f"#widget-{name}")
        .evaluate(
            "figure => { let node = figure.previousElementSibling;"
            " while (node.tagName === 'P') node = node.previousElementSibling;"
            " return [node.className, node.querySelectorAll('img').length]; }"
        )
    )
    assert "cell" in before[0].split()
    assert before[1] == 1


@pytest.mark.parametrize("name", NAMES)
def test_without_javascript_a_sentence_points_to_the_figure(
    browser: Browser, served: Site, name: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    figure = open_page(context, served, name).locator(f"#widget-{name}")
    assert "maps above" in figure.locator(".widget-static").inner_text()
    assert figure.locator(".widget-static").is_visible()
    assert not figure.locator(".widget-live").is_visible()
    assert not figure.locator(".widget-try").is_visible()
    context.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_widget_fits_a_narrow_phone_and_answers_a_tap(
    browser: Browser, served: Site, name: str
) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    page = open_page(context, served, name)
    figure = page.locator(f"#widget-{name}.is-live")
    widths = figure.evaluate("f => [f.scrollWidth, f.clientWidth, document.body.scrollWidth]")
    assert widths[0] <= widths[1] <= widths[2] <= 360
    said = figure.locator(".widget-said").last.inner_text()
    target = ".widget-tokens label" if name == "attention" else ".widget-pieces > span"
    figure.locator(target).nth(3).tap()
    assert figure.locator(".widget-said").last.inner_text() != said
    context.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_widget_works_from_a_file(laptop: BrowserContext, served: Site, name: str) -> None:
    page = laptop.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    path = served.folder / f"{NAMES[name]}.html"
    page.goto(path.as_uri(), wait_until="domcontentloaded")
    assert page.locator(f"#widget-{name}.is-live .widget-said").first.inner_text()
    assert not [error for error in errors if "widget" in error]


def test_only_pages_with_a_widget_load_its_files(served: Site) -> None:
    for path in served.folder.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(served.folder).with_suffix("").as_posix()
        own = widgets.WIDGETS.get(name)
        assert ("_static/widgets/" in text) == (own is not None), name
        if own:
            inside = text.split('<script type="application/json">')[1].split("</script>")[0]
            assert json.loads(inside) == widgets.data_of(own)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_press_is_printed(pages: dict[str, Page], name: str) -> None:
    page = pages[name]
    figure = anew(page, name)
    page.emulate_media(media="print")
    assert figure.locator(".widget-said").first.is_visible()
    for part in (".widget-controls", ".widget-buttons", ".widget-try"):
        assert not figure.locator(part).first.is_visible()
    page.emulate_media(media="screen")
