"""Where an answer comes from: the panel of its sources, and the document at the place that was quoted."""

import json
import urllib.request
import uuid
from dataclasses import replace

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from rag.types import Page as PageOf
from tests.browser.conftest import Scripted
from tests.browser.page import PHONE, Page, in_english
from tests.fakes import make_document, make_passage
from tests.test_loaders import pdf

pytestmark = [pytest.mark.browser, in_english]

DESKTOP = {"width": 1440, "height": 900, "deviceScaleFactor": 1, "mobile": False}
# Two sentences in the middle of a text that comes in many parts; the letters beyond U+FFFF are two units in a browser.
BEFORE = "".join(f"Line {number} 🙂 of what stands before.\n" for number in range(6_000))
PASSAGE = "The X200 has a glass door. Its warranty lasts 24 months. It weighs 60 kg."
CITED = "Its warranty lasts 24 months."
AFTER = "".join(f"\nLine {number} of what stands after." for number in range(6_000))
REPLY = "The warranty of the X200 lasts 24 months [1]."


@pytest.fixture
def store(scripted: Scripted):
    """One long document with a passage in its middle, and what the model says of it."""
    store = scripted.parts.store
    store.documents.clear()
    store.passages.clear()
    text = BEFORE + PASSAGE + AFTER
    half = len(BEFORE) - 40
    pages = (PageOf(1, 0, half), PageOf(2, half, len(text)))
    store.documents["long"] = make_document(text, "long", title="X200 <b>manual</b>", pages=pages)
    place = {"start": len(BEFORE), "end": len(BEFORE) + len(PASSAGE), "page": 2, "title": "X200 <b>manual</b>"}
    store.passages["long"] = [make_passage(PASSAGE, 0, "long", **place)]
    scripted.parts.generator.reply = REPLY
    return store


def answered(driver, scripted: Scripted, screen: dict[str, object] = DESKTOP, question: str = "warranty X200") -> Page:
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    page = Page(driver, scripted.url)
    page.ask(question)
    page.until(lambda: page.idle() and page.shown("source"))
    return page


def focused(page: Page):
    return page.driver.switch_to.active_element


def citation(page: Page):
    return page.one("assistant-message").find_element(By.CLASS_NAME, "citation")


def marks(page: Page, test_id: str, kind: str = "mark") -> list[str]:
    return [mark.text for mark in page.one(test_id).find_elements(By.CSS_SELECTOR, kind)]


def open_document(page: Page) -> None:
    citation(page).send_keys(Keys.ENTER)
    page.until(lambda: page.shown("open-document"))[0].click()
    page.until(lambda: page.shown("viewer-facts") or page.shown("viewer-note"), 30)


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["column", "sheet"])
def test_a_citation_opens_its_source_by_key_and_has_the_focus_back(driver, scripted, store, screen) -> None:
    page = answered(driver, scripted, screen)
    citation(page).send_keys(Keys.ENTER)
    card = page.until(lambda: page.shown("source-card"))[0]
    page.same(lambda: focused(page), card)
    page.same(
        lambda: page.driver.execute_script("return arguments[0].matches(':modal')", page.one("sources-panel")),
        screen is PHONE,
    )
    page.until(lambda: "before." in page.one("source-passage").text, 30)
    page.until(lambda: "Line 0 of what stands after." in page.one("source-passage").text, 30)
    page.same(lambda: marks(page, "source-passage"), [CITED])
    lines = card.text.splitlines()
    assert lines[0] == "[1] X200 <b>manual</b>"
    page.until(lambda: "page 2" in card.text, 30)
    page.until(lambda: "long.md" in card.text, 30)
    page.until(lambda: "Relevance 100% · high" in card.text, 30)
    page.until(lambda: page.overflow() <= 0, 30)

    ActionChains(page.driver).send_keys(Keys.ESCAPE).perform()
    page.until(lambda: not page.shown("sources-panel"), 30)
    page.same(lambda: focused(page), citation(page))


def test_the_row_under_the_answer_opens_the_panel_at_its_source(driver, scripted, store) -> None:
    store.passages["long"] += [make_passage("Another warranty for X200 doors.", 1, "long", title="Other")]
    page = answered(driver, scripted)
    page.same(
        lambda: [chip.split("\n") for chip in page.texts("source")],
        [
            ["[1]", "X200 <b>manual</b>", "page 2"],
            ["[2]", "Other"],
        ],
    )
    page.click("source", 1)
    cards = page.until(lambda: page.shown("source-card"))
    page.same(lambda: focused(page), cards[1])
    page.until(lambda: "Cited in the answer" in cards[0].text, 30)
    page.until(lambda: "Cited in the answer" not in cards[1].text, 30)


def test_an_open_column_goes_on_with_the_newest_answer(driver, scripted, store) -> None:
    page = answered(driver, scripted)
    citation(page).click()
    page.until(lambda: page.shown("source-card"))
    page.ask("glass door X200")
    page.until(lambda: page.idle() and len(page.phases()) == 2)
    page.until(lambda: "glass door X200" in page.one("sources-panel").text, 30)
    page.click("new-chat-button")
    page.until(lambda: not page.shown("sources-panel"), 30)


def test_one_click_opens_the_document_with_the_sentence_in_view(driver, scripted, store) -> None:
    page = answered(driver, scripted)
    open_document(page)
    mark = page.until(lambda: page.one("viewer-body").find_elements(By.CSS_SELECTOR, "mark.quote"), 30)[0]
    page.same(lambda: mark.text, CITED)
    page.until(lambda: focused(page) == mark, 30)
    view = page.driver.find_element(By.CLASS_NAME, "viewer-scroll").rect
    page.until(lambda: view["y"] <= mark.rect["y"] <= view["y"] + view["height"] / 2, 30)
    page.same(lambda: page.one("viewer-title").text, "X200 <b>manual</b>")
    page.until(lambda: page.one("viewer-facts").text.startswith("MD · 2 pages · "), 30)
    page.until(lambda: page.one("viewer-place").text.startswith("Page 2 of 2 · "), 30)
    page.until(lambda: not page.driver.find_elements(By.CSS_SELECTOR, "#viewer b, #sources-panel b"), 30)
    ActionChains(page.driver).send_keys(Keys.ESCAPE).perform()
    page.until(lambda: not page.shown("viewer"), 30)
    page.same(lambda: focused(page), page.one("open-document"))


def test_a_long_document_is_read_to_both_ends_and_never_held_as_a_whole(driver, scripted, store) -> None:
    page = answered(driver, scripted)
    open_document(page)
    scroll = page.driver.find_element(By.CLASS_NAME, "viewer-scroll")
    body = page.one("viewer-body")
    page.until(lambda: marks(page, "viewer-body"), 30)
    length = "return arguments[0].textContent.length"
    whole = len(store.documents["long"].text)
    page.until(lambda: page.driver.execute_script(length, body) < whole / 1.5, 30)
    top = (
        "const s = arguments[0]; s.scrollTop = 0; return document.querySelector('.viewer-part').textContent.slice(0, 7)"
    )
    page.until(lambda: page.driver.execute_script(top, scroll) == "page 1L", 30)
    page.until(lambda: page.driver.execute_script(length, body) < whole, 30)
    scroll.send_keys(Keys.END)
    page.until(lambda: page.one("viewer-place").text == "Page 2 of 2 · 100%", 30)
    page.until(lambda: "Line 5999 of what stands after." in body.text, 30)
    scroll.send_keys(Keys.HOME)
    page.until(lambda: page.one("viewer-place").text == "Page 1 of 2 · 0%", 30)


def test_what_is_read_stays_in_its_place_while_more_comes(driver, scripted, store) -> None:
    page = answered(driver, scripted)
    open_document(page)
    page.until(lambda: marks(page, "viewer-body"), 30)
    moved = page.driver.execute_async_script(
        """const done = arguments[0];
        const scroll = document.querySelector('.viewer-scroll');
        const parts = () => document.querySelectorAll('.viewer-part').length;
        const mark = document.querySelector('mark.quote');
        const before = parts();
        scroll.scrollTop = scroll.clientHeight * 1.5;
        const at = mark.getBoundingClientRect().top;
        new MutationObserver((_, observer) => {
          if (parts() === before) return;
          observer.disconnect();
          requestAnimationFrame(() => done(mark.getBoundingClientRect().top - at));
        }).observe(document.querySelector('.viewer-body'), {childList: true});"""
    )
    assert abs(moved) <= 1


def test_words_are_found_in_the_whole_text(driver, scripted, store) -> None:
    page = answered(driver, scripted)
    open_document(page)
    page.until(lambda: marks(page, "viewer-body"), 30)
    ActionChains(page.driver).key_down(Keys.CONTROL).send_keys("f").key_up(Keys.CONTROL).perform()
    page.same(lambda: focused(page), page.one("viewer-search"))
    page.one("viewer-search").send_keys("LINE  77 ")
    page.until(lambda: page.one("viewer-count").text == "12 of 22", 30)
    page.same(lambda: marks(page, "viewer-body", "mark.here"), ["Line 77"])
    page.click("viewer-previous")
    page.until(lambda: page.one("viewer-count").text == "11 of 22", 30)
    page.one("viewer-search").send_keys(Keys.ENTER)
    page.until(lambda: page.one("viewer-count").text == "12 of 22", 30)
    page.one("viewer-search").send_keys(" <i>")
    page.until(lambda: page.one("viewer-count").text == "No matches", 30)
    page.one("viewer-search").send_keys(Keys.ESCAPE)
    page.same(lambda: page.one("viewer-count").text, "")
    page.until(lambda: page.shown("viewer"), 30)


def test_a_deleted_document_is_told_and_its_passage_shown_as_it_was(driver, scripted, store) -> None:
    page = answered(driver, scripted)
    store.documents.clear()
    open_document(page)
    page.until(lambda: page.shown("viewer-note"), 30)
    page.until(lambda: page.one("viewer-note").text.startswith("This document has been deleted."), 30)
    page.same(lambda: page.one("viewer-quote").text, PASSAGE)
    page.until(lambda: "This document has been deleted." in page.one("source-card").text, 30)


def test_a_document_that_has_changed_is_told_and_the_passage_found_where_it_is_now(driver, scripted, store) -> None:
    page = answered(driver, scripted)
    changed = "A new first line.\n" + store.documents["long"].text
    store.documents["long"] = replace(store.documents["long"], text=changed)
    open_document(page)
    page.until(lambda: page.shown("viewer-note"), 30)
    page.until(lambda: "now" in page.one("viewer-note").text, 30)
    page.until(lambda: marks(page, "viewer-body", "mark.quote") == [PASSAGE], 30)
    page.until(lambda: "has changed since the answer" in page.one("source-card").text, 30)

    page.click("viewer-close")
    page.until(lambda: not page.shown("viewer"), 30)
    store.documents["long"] = make_document("Something else.", "long")
    page.click("open-document")
    page.until(lambda: page.shown("viewer-quote"), 30)
    page.same(lambda: page.one("viewer-quote").text, PASSAGE)
    page.same(lambda: page.one("viewer-body").text, "Something else.")


def test_a_link_opens_the_place_and_back_closes_it(driver, scripted, store) -> None:
    page = answered(driver, scripted)
    open_document(page)
    link = page.driver.current_url
    assert link.endswith(f"#document=long&start={len(BEFORE)}&end={len(BEFORE) + len(PASSAGE)}")
    page.driver.back()
    page.until(lambda: not page.shown("viewer"), 30)
    page.same(lambda: page.driver.current_url, f"{scripted.url}/")
    page.until(lambda: page.texts("user-message"), 30)
    page.driver.forward()
    page.until(lambda: marks(page, "viewer-body") == [PASSAGE], 30)

    page.driver.get("about:blank")
    page.driver.get(link)
    page.until(lambda: marks(page, "viewer-body") == [PASSAGE], 30)
    page.click("viewer-close")
    page.until(lambda: not page.shown("viewer") and page.driver.current_url == f"{scripted.url}/", 30)
    page.driver.get("about:blank")
    page.driver.get(f"{scripted.url}/#document=long&page=2")
    page.until(lambda: page.shown("viewer-place") and page.one("viewer-place").text.startswith("Page 2 of 2"), 30)


def send(url: str, name: str, content: bytes) -> str:
    """Adds a file, read by the real parser, and gives its id when it is stored."""
    border = uuid.uuid4().hex
    head = f'--{border}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{border}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={border}"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/documents", body, kind)) as response:
        (job,) = json.load(response)["jobs"]
    with urllib.request.urlopen(f"{url}/documents/jobs/{job['id']}/events") as events:
        last = [line for line in events.read().decode().splitlines() if line.startswith("data:")][-1]
    return json.loads(last.removeprefix("data:"))["document_id"]


def test_a_pdf_opens_as_text_and_as_its_original_at_the_page(driver, scripted, store) -> None:
    texts = [
        "The first page is about doors.",
        "The second page. The warranty lasts 24 months. More.",
        "The third page.",
    ]
    document = send(scripted.url, "guide.pdf", pdf(texts, title="Guide"))
    scripted.parts.generator.reply = "The warranty lasts 24 months [1]."
    page = answered(driver, scripted, question="second warranty lasts 24")
    citation(page).click()
    card = page.until(lambda: page.shown("source-card"))[0]
    page.until(lambda: "[1] Guide" in card.text, 30)
    page.driver.get_log("performance")
    button = page.shown("open-original")[0]
    page.same(lambda: button.text, "Open page 2 of the original")
    button.click()
    frame = page.until(lambda: page.shown("viewer-original"), 30)[0]
    original = f"{scripted.url}/documents/{document}/original?inline=1"
    page.same(lambda: frame.get_attribute("src"), f"{original}#page=2")

    def framed() -> list[tuple[str, int, str]]:
        for entry in page.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            response = message["params"].get("response", {})
            if message["method"] == "Network.responseReceived" and message["params"]["type"] == "Document":
                seen.append((response["url"].partition("#")[0], response["status"], response["mimeType"]))
        return seen

    seen: list[tuple[str, int, str]] = []
    page.until(lambda: (original, 200, "application/pdf") in framed(), 30)
    page.until(lambda: not page.shown("viewer-search"), 30)

    page.click("viewer-as-text")
    page.until(lambda: marks(page, "viewer-body") == ["The warranty lasts 24 months."], 30)
    pages = [one.text for one in page.one("viewer-body").find_elements(By.CLASS_NAME, "viewer-page")]
    assert pages == ["page 1", "page 2", "page 3"]
    page.same(lambda: page.one("viewer-link").get_attribute("href"), f"{original}#page=2")
    page.driver.back()
    page.until(lambda: not page.shown("viewer"), 30)
    severe = [entry["message"] for entry in page.driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert not severe


def test_a_pdf_without_its_original_is_shown_as_text(driver, scripted, store) -> None:
    document = send(scripted.url, "guide.pdf", pdf(["The warranty lasts 24 months."]))
    for path in (scripted.parts.directory / "originals").iterdir():
        path.unlink()
    page = Page(driver, scripted.url)
    page.driver.get(f"{scripted.url}/#document={document}")
    page.until(lambda: page.shown("viewer-as-original"), 30)[0].click()
    page.until(lambda: page.shown("viewer-note"), 30)
    page.until(lambda: "original file is not there" in page.one("viewer-note").text, 30)
    page.until(lambda: "24 months" in page.one("viewer-body").text, 30)
