"""What a reader does with the site: search, change colours, open the menu, press keys, click."""

from __future__ import annotations

import re
from html import unescape

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from site_survey import AT_REST, Site

pytest_plugins = ["site_browser"]

CHAPTER = "book/02_attention.html"

# Terms and symbols, each with a page that must be among the results.
TERMS = {
    "attention_mask": "book/02_attention.html",
    "scaled_dot_product_attention": "book/02_attention.html",
    "WordPiece": "book/01_tokens.html",
    "softmax": "book/02_attention.html",
    "LayerNorm": "book/03_encoder.html",
    "mask_tokens": "book/05_masked_language_model.html",
    "next sentence prediction": "book/06_next_sentence.html",
    "warm-up": "book/07_pretraining.html",
    "Viterbi": "book/09_named_entities.html",
    "SQuAD": "book/10_question_answering.html",
}
FINISHED = r"""() => /Search finished|did not match/.test(
    document.querySelector("#search-results").innerText)"""
# Where Tab has brought a reader: the parts of the page around it, and whether one sees it.
PLACES = ["#pst-skip-link", ".search-button-field", ".bd-sidebar-primary", ".bd-article"]
TAB_STOP = """places => {
    const e = document.activeElement;
    if (!e || e === document.body) return null;
    const parts = [e, ...e.children]; // the menu's arrows are larger than what holds them
    const styles = parts.map(c => getComputedStyle(c));
    const boxes = parts.map(c => c.getBoundingClientRect());
    const inside = places.filter(place => e.closest(place));
    return {inside, name: (e.ariaLabel || e.textContent || e.localName).trim().slice(0, 40),
        seen: boxes.some(b => b.width > 0 && b.height > 0),
        marked: styles.some(s => s.outlineStyle !== "none" || s.boxShadow !== "none")};
}"""


def text_of(served: Site, page: str) -> str:
    """Return a page's words without markup, in small letters."""
    html = (served.folder / page).read_text(encoding="utf-8")
    html = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]*>", "", html)).lower()


def visit(context: BrowserContext, served: Site, name: str) -> Page:
    page = context.new_page()
    page.goto(served.address + name)
    return page


@pytest.mark.parametrize("term", TERMS)
def test_search_finds(term: str, laptop: BrowserContext, served: Site) -> None:
    page = visit(laptop, served, "search.html")
    field = page.locator("main input[name=q], #search-input").first
    field.fill(term)
    field.press("Enter")
    links = page.locator("#search-results ul.search > li > a:first-child")
    page.wait_for_function(FINISHED)
    found = links.evaluate_all("links => links.map(a => a.href)")
    pages = [re.split("[?#]", href.removeprefix(served.address))[0] for href in found]
    assert TERMS[term] in pages[:10], f"{term}: {pages}"
    assert not [page for page in pages if not (served.folder / page).is_file()]
    text = text_of(served, TERMS[term])
    assert all(word in text for word in re.findall(r"\w+", term.lower()))


def test_search_opens_from_any_page_and_its_results_lead_on(
    laptop: BrowserContext, served: Site
) -> None:
    page = visit(laptop, served, CHAPTER)
    page.locator(".search-button-field").click()
    dialog = page.locator("#pst-search-dialog")
    expect(dialog).to_be_visible()
    expect(dialog.locator("input")).to_be_focused()
    page.keyboard.type("softmax")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"search\.html\?q=softmax"))
    page.wait_for_function(FINISHED)
    page.locator("#search-results li a").first.click()
    expect(page.locator("main")).to_contain_text(re.compile("softmax", re.IGNORECASE))


def test_the_colours_change_and_stay(laptop: BrowserContext, served: Site) -> None:
    page = visit(laptop, served, CHAPTER)
    html = page.locator("html")
    expect(html).to_have_attribute("data-theme", "light")  # what the system asks for
    button = page.locator("button.theme-switch-button").first
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    for _ in range(3):  # system, light, dark, in the theme's order
        if html.get_attribute("data-theme") == "light":
            button.click()
    expect(html).to_have_attribute("data-theme", "dark")
    assert page.evaluate(background) != light
    expect(button).to_have_accessible_name("Color mode")
    page.reload()
    expect(html).to_have_attribute("data-theme", "dark")
    page.goto(served.address + "book/intro.html")
    expect(html).to_have_attribute("data-theme", "dark")


def test_a_reader_whose_system_is_dark_gets_dark_pages(browser: Browser, served: Site) -> None:
    context = browser.new_context(color_scheme="dark")
    page = visit(context, served, CHAPTER)
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    context.close()


def test_the_menu_opens_and_closes_on_a_phone(phone: BrowserContext, served: Site) -> None:
    page = visit(phone, served, CHAPTER)
    link = page.locator("nav.bd-docs-nav a", has_text="Setup").first
    expect(link).not_to_be_visible()
    page.locator("button.primary-toggle").click()
    expect(link).to_be_visible()
    page.keyboard.press("Escape")
    expect(link).not_to_be_visible()
    page.locator("button.primary-toggle").click()
    link.click()
    expect(page).to_have_url(served.address + "book/setup.html")
    expect(link).not_to_be_visible()


def test_the_contents_lead_to_their_places(
    laptop: BrowserContext, phone: BrowserContext, served: Site
) -> None:
    wide, narrow = visit(laptop, served, CHAPTER), visit(phone, served, CHAPTER)
    narrow.locator("button.secondary-toggle").click()
    for page in (wide, narrow):
        entry = page.locator("#pst-page-toc-nav a, .bd-toc-nav.page-toc a").last
        expect(entry).to_be_visible()
        target = (entry.get_attribute("href") or "").removeprefix("#")
        entry.click()
        expect(page.locator(f"[id='{target}'] > :is(h2, h3)").first).to_be_in_viewport()


def test_tab_finds_the_skip_link_then_search_menu_and_text(
    laptop: BrowserContext, served: Site
) -> None:
    page = visit(laptop, served, CHAPTER)
    stops = []
    for _ in range(90):
        page.keyboard.press("Tab")
        stop = page.evaluate(TAB_STOP, PLACES)
        if stop:
            stops.append(stop)
            if ".bd-article" in stop["inside"]:
                break
    first = {
        place: next((i for i, stop in enumerate(stops) if place in stop["inside"]), None)
        for place in (
            "#pst-skip-link",
            ".search-button-field",
            ".bd-sidebar-primary",
            ".bd-article",
        )
    }
    assert first["#pst-skip-link"] == 0
    assert None not in first.values(), f"Tab does not reach {first}"
    assert first[".search-button-field"] < first[".bd-article"]
    links = [i for i, s in enumerate(stops) if s["inside"] == [".bd-sidebar-primary"]]
    assert len(links) > 10
    assert max(links) < first[".bd-article"]
    unmarked = [stop["name"] for stop in stops if not stop["marked"] or not stop["seen"]]
    assert not unmarked, f"focus can't be seen on {unmarked}"


def test_the_skip_link_leads_to_the_text(laptop: BrowserContext, served: Site) -> None:
    page = visit(laptop, served, CHAPTER)
    page.keyboard.press("Tab")
    expect(page.locator("#pst-skip-link a")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#main-content$"))
    page.keyboard.press("Tab")
    assert page.evaluate("!!document.activeElement.closest('#main-content, main')")


def test_hints_and_hidden_code_open_with_the_keyboard(laptop: BrowserContext, served: Site) -> None:
    page = visit(laptop, served, CHAPTER)
    for kind in ("main details:not([class])", "main details.hide"):
        details = page.locator(kind).first
        assert details.get_attribute("open") is None
        for key, opened in (("Enter", True), ("Space", False)):
            details.locator("summary").first.focus()
            page.keyboard.press(key)
            assert (details.get_attribute("open") is not None) == opened, f"{kind}: {key}"


def test_copy_buttons_have_names_and_copy_the_code(laptop: BrowserContext, served: Site) -> None:
    laptop.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visit(laptop, served, CHAPTER)
    buttons = page.locator("button.copybtn")
    assert buttons.count() > 5
    expect(buttons.first).to_have_accessible_name(re.compile("copy", re.IGNORECASE))
    code = page.locator("div.highlight:has(button.copybtn) pre").first
    code.hover()
    buttons.first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == (code.text_content() or "").strip()


def test_bertviz_answers_a_click(laptop: BrowserContext, served: Site) -> None:
    page = visit(laptop, served, "book/04_looking_inside.html")
    page.evaluate(AT_REST)
    views = page.locator("[id^=bertviz]:has(svg)")
    assert views.count() == 2

    # Small pictures, a click on which draws one large; and coloured boxes, one for each head, a
    # click on which leaves its lines out.
    for view, target in (
        (views.nth(0), "svg rect[style*='opacity: 0']"),
        (views.nth(1), "svg rect[fill]:not(.background)"),
    ):
        place = view.locator(target).nth(1)
        place.hover(force=True)  # so that only the click makes a difference
        before = view.screenshot()
        place.click(force=True)
        assert view.screenshot() != before, "a click changes nothing"
    heads = views.nth(1)
    names = [s.evaluate("s => s.ariaLabel") for s in heads.locator("select").all()]
    assert names == ["layer", "filter"]


def test_an_address_that_leads_nowhere_shows_the_way_back(
    laptop: BrowserContext, served: Site
) -> None:
    page = laptop.new_page()
    answer = page.goto(served.address + "book/no/such/page.html")
    assert answer
    assert answer.status == 404
    styled = "getComputedStyle(document.querySelector('.bd-article')).fontFamily"
    assert page.evaluate(styled) != "Times New Roman", "the 404 page misses its styles"
    page.locator("main article a[href*='intro'], main article a[href$='/bertlab/']").first.click()
    expect(page.locator("main article h1")).to_be_visible()


def test_the_first_address_leads_to_the_landing_page(laptop: BrowserContext, served: Site) -> None:
    page = visit(laptop, served, "")
    expect(page).to_have_url(served.address + "book/intro.html")
