"""The page in a real browser against a real server. Assertions are about structure: a small model may say anything."""

import itertools
import json
import time
from urllib.parse import urlsplit

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.page import PHONE, Page, in_english

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("language", "words"), [("ko", "연결"), ("en", "connected")], indirect=["language"])
def test_connection_state_in_the_language_of_the_browser(page: Page, language: str, words: str) -> None:
    page.until(lambda: words in page.status().lower(), 30)
    page.same(lambda: page.driver.execute_script("return document.documentElement.lang"), language)


@pytest.mark.parametrize(
    ("language", "question", "how", "parts"),
    # Quotations need no model and may come at once.
    [("ko", "RAG Standard는 무엇인가요?", "quote", 1), ("en", "How do I add documents?", "free", 4)],
    indirect=["language"],
)
def test_question_streams_an_answer_with_sources_that_open(page: Page, question: str, how: str, parts: int) -> None:
    page.choose(how)
    page.driver.execute_script(
        """window.lengths = [];
        new MutationObserver(() => {
          const answer = document.querySelector('[data-testid="assistant-message"]');
          if (answer) window.lengths.push(answer.textContent.length);
        }).observe(document.querySelector('.log'), {subtree: true, childList: true, characterData: true});"""
    )
    page.ask(question)
    page.same(lambda: page.texts("user-message"), [question])
    page.until(lambda: page.shown("loading-indicator") or page.shown("assistant-message"), 30)
    page.until(lambda: page.shown("assistant-message"))
    page.until(lambda: not page.all("loading-indicator"), 30)
    page.until(page.idle)

    page.same(page.phases, ["done"])
    page.until(lambda: page.one("assistant-message").text.strip(), 30)
    lengths = page.driver.execute_script("return window.lengths")
    assert len(set(lengths)) >= parts, "the answer came at once instead of streaming"
    # Marks such as ** go as soon as they are whole.
    assert all(after >= before - 4 for before, after in itertools.pairwise(lengths))

    sources = page.shown("source")
    assert sources
    page.until(lambda: sources[0].text.startswith("[1]"), 30)
    page.until(lambda: not page.shown("source-passage"), 30)
    page.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", sources[0])
    sources[0].click()
    passages = page.until(lambda: page.shown("source-passage"))
    assert len(passages) == len(sources)
    page.until(lambda: passages[0].text.strip(), 30)
    page.until(lambda: "%" in page.all("source-card")[0].text, 30)
    page.until(lambda: page.shown("source-file")[0].text.strip(), 30)


@pytest.mark.parametrize(
    ("language", "while_it_comes", "after"),
    [("ko", "생각하는 중…", "생각한 내용"), ("en", "Thinking…", "Thoughts")],
    indirect=["language"],
)
def test_thinking_is_folded_above_the_answer_and_opens_by_key(
    driver, scripted, while_it_comes: str, after: str
) -> None:
    scripted.parts.generator.thoughts = "The question asks for <b>the answer</b>.\n\nThe passage says 42."
    scripted.hold(10)
    page = Page(driver, scripted.url)
    page.ask("what is the answer")
    page.until(lambda: page.shown("thinking"))
    page.until(lambda: page.one("thought").get_attribute("textContent").endswith("42."))
    summary = page.one("thinking").find_element(By.TAG_NAME, "summary")
    page.same(lambda: summary.text, while_it_comes)
    page.until(lambda: page.shown("loading-indicator"), 30)
    page.until(lambda: not page.shown("assistant-message"), 30)
    page.until(lambda: not page.shown("thought"), 30)
    scripted.go()
    page.until(page.idle)

    page.same(page.phases, ["done"])
    page.same(lambda: summary.text, after)
    page.until(lambda: not page.all("loading-indicator"), 30)
    page.same(lambda: page.one("assistant-message").text, "The answer is 42 [1].")
    page.until(lambda: page.one("thinking").rect["y"] < page.one("assistant-message").rect["y"], 30)
    summary.send_keys(Keys.ENTER)
    page.until(lambda: page.shown("thought"), 30)
    page.same(lambda: page.one("thought").text, scripted.parts.generator.thoughts)
    page.until(lambda: not page.driver.find_elements(By.CSS_SELECTOR, ".log b"), 30)
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    page.until(lambda: page.overflow() <= 0, 30)


def test_a_model_that_does_not_think_shows_no_thoughts(driver, scripted) -> None:
    page = Page(driver, scripted.url)
    page.ask("what is the answer")
    page.until(page.idle)
    page.same(page.phases, ["done"])
    page.until(lambda: not page.shown("thinking"), 30)


@in_english
def test_sentences_that_no_source_says_are_marked_and_a_source_opens_at_its_quote(driver, scripted) -> None:
    invented = "It costs 500 dollars ![x](http://evil.example/?q=1) <img src=x> [1]."
    scripted.parts.generator.reply = f"The **answer** is 42 [1]. {invented}"
    page = Page(driver, scripted.url)
    page.ask("what is the answer")
    page.until(page.idle)

    page.same(page.phases, ["done"])
    answer = page.one("assistant-message")
    shown = invented.replace("![x](http://evil.example/?q=1)", "image: x (http://evil.example/?q=1)")
    page.same(lambda: answer.text, f"The answer is 42 [1]. {shown}")
    page.same(lambda: [bold.text for bold in answer.find_elements(By.TAG_NAME, "strong")], ["answer"])
    page.same(lambda: [marked.text for marked in answer.find_elements(By.CLASS_NAME, "unsupported")], [shown])
    page.same(
        lambda: page.one("grounded").text.splitlines(),
        [
            "1 of 2 sentences are supported by the sources.",
            "not found in the sources",
        ],
    )
    page.until(lambda: not page.driver.find_elements(By.CSS_SELECTOR, ".log img, .log a"), 30)

    answer.find_element(By.CLASS_NAME, "citation").click()
    quote = page.until(lambda: page.one("source-passage").find_elements(By.TAG_NAME, "mark"), 30)[0]
    page.same(lambda: quote.text, "the answer to all questions is 42")
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    page.until(lambda: page.overflow() <= 0, 30)


@in_english
def test_the_way_to_answer_is_chosen_sent_and_kept(driver, scripted) -> None:
    page = Page(driver, scripted.url)
    page.choose("quote")
    page.ask("what is the answer")
    page.until(lambda: page.shown("assistant-message") and page.idle())
    page.until(lambda: "“the answer to all questions is 42” [1]" in page.one("assistant-message").text, 30)
    page.same(lambda: len(page.one("grounded").text.splitlines()), 1)
    page.driver.refresh()
    page.until(lambda: page.status() == "Connected", 30)
    page.same(lambda: page.one("answers-select").get_attribute("value"), "quote")


def test_stop_ends_the_answer_and_the_next_question_is_answered(driver, scripted) -> None:
    scripted.hold(2)
    page = Page(driver, scripted.url)
    page.ask("what is the answer")
    page.until(lambda: page.texts("assistant-message") == ["The answer"])
    page.click("stop-button")
    scripted.go()
    page.until(page.idle, 30)
    page.same(page.phases, ["stopped"])
    page.until(lambda: not page.all("loading-indicator"), 30)
    page.until(lambda: page.shown("answer-note"), 30)
    page.same(lambda: page.texts("assistant-message"), ["The answer"])

    page.ask("what is the answer")
    page.until(page.idle)
    page.same(page.phases, ["stopped", "done"])


def test_questions_asked_meanwhile_wait_their_turn(page: Page) -> None:
    page.ask("첫 번째 질문입니다. 문서를 어떻게 추가하나요?")
    page.ask("두 번째 질문입니다. 모델은 어떻게 바꾸나요?")
    page.same(lambda: len(page.all("user-message")), 2)
    page.until(page.idle)
    page.same(page.phases, ["done", "done"])


def test_enter_while_a_syllable_is_composed_does_not_send(page: Page) -> None:
    box = page.one("chat-input")
    box.send_keys("안녕하세")
    for init in ("{isComposing: true}", "{keyCode: 229}"):
        left_alone = page.driver.execute_script(
            f"""const init = {{key: 'Enter', bubbles: true, cancelable: true, ...{init}}};
            return arguments[0].dispatchEvent(new KeyboardEvent('keydown', init));""",
            box,
        )
        assert left_alone, "the key belongs to the input method"
    page.until(lambda: not page.all("user-message"), 30)
    page.same(lambda: box.get_attribute("value"), "안녕하세")


def test_shift_enter_breaks_the_line_and_enter_sends(page: Page) -> None:
    box = page.one("chat-input")
    box.send_keys("첫 줄", Keys.SHIFT, Keys.ENTER, Keys.NULL, "둘째 줄")
    page.same(lambda: box.get_attribute("value"), "첫 줄\n둘째 줄")
    box.send_keys(Keys.ENTER)
    page.same(lambda: page.texts("user-message"), ["첫 줄\n둘째 줄"])
    page.same(lambda: box.get_attribute("value"), "")


def test_white_space_is_no_question(page: Page) -> None:
    page.one("chat-input").send_keys("   ", Keys.ENTER)
    page.until(lambda: not page.one("send-button").is_enabled(), 30)
    page.until(lambda: not page.all("user-message"), 30)


def test_length_is_counted_in_characters_and_limited(page: Page) -> None:
    box = page.one("chat-input")

    def fill(count: int) -> None:
        page.driver.execute_script(
            """arguments[0].value = '😀'.repeat(arguments[1]);
            arguments[0].dispatchEvent(new InputEvent('input', {bubbles: true}));""",
            box,
            count,
        )

    fill(8_999)
    page.until(lambda: not page.shown("character-counter"), 30)
    fill(10_000)
    page.until(lambda: "10,000" in page.one("character-counter").text, 30)
    page.until(lambda: page.one("send-button").is_enabled(), 30)
    fill(10_001)
    page.until(lambda: not page.one("send-button").is_enabled(), 30)
    box.send_keys(Keys.ENTER)
    page.until(lambda: not page.all("user-message"), 30)


def test_markup_in_a_question_stays_text(page: Page) -> None:
    markup = '<script>window.harmed = 1</script><img src="x" onerror="window.harmed = 1"><b>b</b>'
    page.ask(markup)
    page.same(lambda: page.texts("user-message"), [markup])
    page.until(page.idle)
    page.until(lambda: page.driver.execute_script("return window.harmed") is None, 30)
    page.until(lambda: not page.driver.find_elements(By.CSS_SELECTOR, ".log img, .log script, .log b"), 30)


def test_phone_width_needs_no_sideways_scroll(page: Page) -> None:
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    page.until(lambda: page.overflow() <= 0, 30)
    page.ask(f"{'가' * 300} https://{'a' * 300}.example/ 는 무엇인가요?")
    page.until(page.idle)
    page.click("source")
    page.until(lambda: page.shown("sources-panel"))
    page.until(lambda: page.overflow() <= 0, 30)
    page.click("sources-close")
    page.until(lambda: page.overflow() <= 0, 30)
    inside = "return document.getElementById('scroller').scrollWidth - document.getElementById('scroller').clientWidth"
    page.until(lambda: page.driver.execute_script(inside) <= 0, 30)
    for test_id in ("chat-input", "send-button", "documents-button", "language-button"):
        box = page.one(test_id).rect
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"], test_id
    page.click("documents-button")
    page.until(lambda: page.shown("documents-panel"), 30)
    page.until(lambda: page.overflow() <= 0, 30)


def test_language_switch_reaches_the_page_and_is_kept(page: Page) -> None:
    page.click("language-button")
    page.until(lambda: page.status() == "Connected", 30)
    page.same(lambda: page.driver.execute_script("return document.documentElement.lang"), "en")
    page.same(lambda: page.one("send-button").get_attribute("aria-label"), "Send")
    page.driver.refresh()
    page.until(lambda: page.status() == "Connected", 30)


def test_new_chat_clears_the_conversation_and_changes_the_session(page: Page) -> None:
    session = "return sessionStorage.getItem('session')"
    before = page.driver.execute_script(session)
    page.ask("문서를 어떻게 추가하나요?")
    page.click("new-chat-button")
    page.until(lambda: not page.all("user-message"), 30)
    page.until(page.idle, 30)
    page.until(lambda: page.driver.execute_script(session) != before, 30)
    page.until(lambda: page.status() == "연결됨", 30)
    page.driver.find_element(By.CSS_SELECTOR, '[data-testid="example-question"]').click()
    page.until(page.idle)
    page.same(page.phases, ["done"])


def test_page_talks_to_its_own_host_only_and_breaks_no_policy(page: Page, server) -> None:
    page.ask("문서를 어떻게 추가하나요?")
    page.until(page.idle)
    page.click("documents-button")
    time.sleep(0.5)
    own = urlsplit(server.url).netloc

    urls = page.driver.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert urls
    for entry in page.driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            urls.append(message["params"]["request"]["url"])
        elif message["method"] == "Network.webSocketCreated":
            urls.append(message["params"]["url"])
    # The browser's own start page (chrome:) is in its log too.
    hosts = {parts.netloc for parts in map(urlsplit, urls) if parts.scheme in ("http", "https", "ws", "wss")}
    assert any(url.startswith("ws:") for url in urls)
    assert hosts == {own}
    severe = [entry["message"] for entry in page.driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert not severe


def test_guides_are_reachable_from_the_page(page: Page) -> None:
    page.driver.find_element(By.ID, "guides").click()
    page.until(lambda: len(page.driver.window_handles) == 2, 30)  # the conversation stays open beside them
    page.driver.switch_to.window(page.driver.window_handles[-1])
    page.until(lambda: page.driver.find_elements(By.CSS_SELECTOR, "main.prose"), 30)
    page.driver.find_element(By.CSS_SELECTOR, ".guide-cards a, .guide-list li a").click()
    page.until(lambda: page.driver.find_elements(By.CSS_SELECTOR, "main.prose h1"), 30)
    rules = page.driver.execute_script("return Array.from(document.styleSheets, (sheet) => sheet.cssRules.length)")
    assert len(rules) == 3
    assert min(rules) > 10
    page.until(lambda: page.overflow() <= 0, 30)
