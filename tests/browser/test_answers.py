"""Answers as Markdown in a real browser: what is shown, what can be done with it, and what hostile texts cannot do."""

import json
import time
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.page import PHONE, Page, in_english, stretch
from tests.fakes import make_document, make_passage

pytestmark = pytest.mark.browser

ATTACKS = json.loads((Path(__file__).parent / "attacks.json").read_text())
QUESTION = "what is the answer to all questions"
# Elements that the texts of an answer and its sources may become, and those that stand around them.
ALLOWED = set("h2 h3 h4 h5 h6 p ul ol li blockquote hr pre code table tr th td strong em del span bdi div".split())
ALLOWED |= set("button section article details summary mark i svg path".split())
TAGS = "return Array.from(document.querySelectorAll('#conversation *, .source-cards *'), (one) => one.localName)"
SAMPLE = """# Title

A **bold** word, *another*, ~~gone~~, `code *x*` and $a_1 * b_1$ [1].

- one
  - nested **deep**
- [x] done

3. three
4. four

| left | right |
|:-----|------:|
| `a`  | **2** |

> quoted <b>text</b>

---

```python
def f(x):
    return x * 2
```

See [the *manual*](https://manual.invalid/x_y),
![a plan](http://harm.invalid/plan.png) and [no](javascript:alert(1))."""


def answered(driver, scripted, reply: str, question: str = QUESTION) -> Page:
    scripted.parts.generator.reply = reply
    page = Page(driver, scripted.url)
    page.ask(question)
    page.until(page.idle)
    page.same(page.phases, ["done"])
    return page


def inside(page: Page, selector: str) -> list[str]:
    found = [message.find_elements(By.CSS_SELECTOR, selector) for message in page.all("assistant-message")]
    return [element.get_attribute("textContent") for elements in found for element in elements]


@in_english
def test_markdown_becomes_elements_and_nothing_is_loaded(driver, scripted) -> None:
    page = answered(driver, scripted, SAMPLE)
    expected = {
        "h4": ["Title"],
        "strong": ["bold", "deep", "2"],
        "em": ["another", "manual"],
        "del": ["gone"],
        "p code": ["code *x*"],
        ".math": ["$a_1 * b_1$"],
        ".citation": ["[1]"],
        "ul ul li": ["nested deep"],
        ".task [role=img]": ["☑"],
        "ol[start='3'] > li": ["three", "four"],
        "th": ["left", "right"],
        "td": ["a", "2"],
        "blockquote": ["quoted <b>text</b>"],
        ".code-language": ["python"],
        "pre code": ["def f(x):\n    return x * 2\n"],
        ".image": ["image: a plan (http://harm.invalid/plan.png)"],
        "[role=link]": ["the manual"],
        ".address": ["https://manual.invalid/x_y"],
    }
    page.same(lambda: {selector: inside(page, selector) for selector in expected}, expected)
    page.same(lambda: len(inside(page, "hr")), 1)
    page.until(lambda: "[no](javascript:alert(1))" in page.one("assistant-message").text, 30)
    page.until(lambda: not driver.find_elements(By.CSS_SELECTOR, "#conversation img, #conversation a"), 30)
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    page.until(lambda: page.overflow() <= 0, 30)


def test_finished_blocks_are_painted_once(driver, scripted) -> None:
    scripted.parts.generator.reply = SAMPLE
    page = Page(driver, scripted.url)
    # Every element of an answer that is taken away again.
    driver.execute_script(
        """window.taken = [];
        new MutationObserver((all) => {
          for (const one of all) for (const node of one.removedNodes) {
            if (node.nodeType === 1 && one.target.closest?.('.answer')) window.taken.push(node);
          }
        }).observe(document.getElementById('conversation'), {subtree: true, childList: true});"""
    )
    page.ask(QUESTION)
    page.until(page.idle)
    page.same(page.phases, ["done"])
    taken = driver.execute_script("return window.taken.filter((one) => !one.isConnected).map((one) => one.outerHTML)")
    # What is still coming may turn out to be something else, such as a cell of the row that says how columns align.
    assert not [html for html in taken if not html.startswith(("<span", "<strong", "<em", "<th"))], taken


@in_english
def test_a_link_asks_before_it_opens(driver, scripted) -> None:
    page = answered(driver, scripted, "See [here](https://manual.invalid/a).")
    link = driver.find_element(By.CSS_SELECTOR, ".answer [role=link]")
    link.send_keys(Keys.ENTER)
    page.same(lambda: page.one("leave-address").text, "https://manual.invalid/a")
    driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    page.until(lambda: not page.all("leave-dialog"), 30)
    driver.execute_script("window.opened = []; window.open = (...all) => { window.opened.push(all); }")
    link.click()
    page.click("leave-open")
    page.same(
        lambda: driver.execute_script("return window.opened"),
        [["https://manual.invalid/a", "_blank", "noopener,noreferrer"]],
    )
    page.until(lambda: not page.all("leave-dialog"), 30)


@in_english
def test_unsupported_sentences_are_marked_inside_markdown(driver, scripted) -> None:
    invented = "- 🙂 It costs **500 dollars** in Paris."
    page = answered(driver, scripted, f"The **answer** is 42 [1].\n\n{invented}\n- The answer is 42 [1].")
    page.same(lambda: "".join(inside(page, ".unsupported")), "🙂 It costs 500 dollars in Paris.")
    page.same(lambda: inside(page, "li .unsupported strong"), ["500 dollars"])
    page.same(lambda: inside(page, ".citation"), ["[1]", "[1]"])


@in_english
def test_quotations_show_the_document_letter_for_letter(driver, scripted) -> None:
    text = "The answer to all questions is *42* or _b_ | `x` [2] “**it**”"
    scripted.parts.store.passages["doc"] = [make_passage(text)]
    scripted.parts.store.documents["doc"] = make_document(text)
    page = Page(driver, scripted.url)
    page.choose("quote")
    page.ask(QUESTION)
    page.until(lambda: page.shown("assistant-message") and page.idle())
    page.same(lambda: inside(page, ".quotation"), [f"“{text}” [1]"])
    page.until(lambda: not inside(page, "em, code, table, ul, p h4"), 30)
    page.same(lambda: inside(page, ".citation"), ["[1]"])


@in_english
def test_answers_and_code_are_copied_as_written(driver, scripted) -> None:
    stretch(driver, {2_000: 8_000})  # what was done is said for so long
    page = answered(driver, scripted, SAMPLE)
    driver.execute_script(
        """window.copied = [];
        document.addEventListener('copy', () => window.copied.push(document.activeElement.value));
        Object.defineProperty(navigator, 'clipboard', {value: undefined});"""  # as over plain http
    )
    page.click("copy-code-button")
    page.click("copy-answer-button")
    page.until(lambda: page.one("copy-answer-button").text == "Copied", 30)
    page.same(lambda: driver.execute_script("return window.copied"), ["def f(x):\n    return x * 2\n", SAMPLE])
    page.same(lambda: driver.execute_script("return document.getElementById('announcer').textContent"), "Copied")
    page.until(lambda: page.one("copy-answer-button").text == "Copy", 30)


@in_english
def test_a_question_is_edited_in_its_place_and_sent_again(driver, scripted) -> None:
    page = answered(driver, scripted, "The answer is 42 [1].")
    page.click("edit-button")
    box = page.one("edit-input")
    page.same(lambda: box.get_attribute("value"), QUESTION)
    page.same(lambda: driver.switch_to.active_element, box)
    box.send_keys(" now", Keys.ESCAPE)
    page.same(lambda: page.texts("user-message"), [QUESTION])
    page.same(lambda: driver.switch_to.active_element, page.one("edit-button"))
    page.one("edit-button").send_keys(Keys.ENTER)
    page.one("edit-input").send_keys(" today")
    kept = driver.execute_script(
        """const init = {key: 'Enter', bubbles: true, cancelable: true, isComposing: true};
        return arguments[0].dispatchEvent(new KeyboardEvent('keydown', init));""",
        page.one("edit-input"),
    )
    assert kept, "the key belongs to the input method"
    page.one("edit-input").send_keys(Keys.ENTER)
    page.until(lambda: page.phases() == ["done"] and page.idle())
    page.same(lambda: page.texts("user-message"), [f"{QUESTION} today"])


@in_english
def test_an_answer_is_given_again(driver, scripted) -> None:
    page = answered(driver, scripted, "The answer is 42 [1].")
    scripted.parts.generator.reply = "The answer is **42** [1]."
    page.click("regenerate-button")
    page.until(lambda: inside(page, "strong") == ["42"] and page.idle())
    page.same(page.phases, ["done"])


@in_english
def test_a_failed_answer_says_what_to_do_and_can_be_asked_again(driver, scripted) -> None:
    scripted.parts.generator.error = RuntimeError("scripted")
    page = Page(driver, scripted.url)
    page.ask(QUESTION)
    page.until(lambda: page.phases() == ["failed"])
    page.until(lambda: page.one("error-message").find_elements(By.CSS_SELECTOR, ".solutions li"), 30)
    scripted.parts.generator.error = None
    page.click("retry-button")
    page.until(lambda: page.phases() == ["done"])
    page.until(lambda: not page.all("error-message"), 30)


def test_hostile_texts_stay_texts(driver, scripted) -> None:
    canary = """window.harmed = undefined; window.broken = [];
    for (const name of ['alert', 'confirm', 'prompt', 'open']) window[name] = () => { window.harmed = name; };
    document.addEventListener('securitypolicyviolation', (event) => window.broken.push(event.blockedURI));"""
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": canary})
    assert len(ATTACKS) >= 200
    driver.set_window_size(1400, 900)  # the sources stand beside the conversation, not over it
    page = Page(driver, scripted.url)
    generator, store = scripted.parts.generator, scripted.parts.store
    seen: set[str] = set()
    for number, attack in enumerate(ATTACKS):
        generator.reply = attack
        # Every second answer quotes.
        generator.parameters = 7_000_000_000 if number % 2 else 100_000_000
        text = f"the answer to all questions is 42 {attack}"
        store.documents["doc"] = make_document(text, source=attack, title=attack)
        store.passages["doc"] = [make_passage(text, source=attack, title=attack)]
        driver.execute_script(
            """const box = document.getElementById('chat-input');
            box.value = arguments[0];
            box.dispatchEvent(new InputEvent('input', {bubbles: true}));
            document.getElementById('send').click();""",
            f"{QUESTION} {attack[:200]}",
        )
        page.until(lambda: page.idle() and "done" in page.phases()[-1:], 30)
        # Title, file name and passage are shown there.
        driver.execute_script("Array.from(document.querySelectorAll('#conversation .source-chip')).at(-1)?.click()")
        if number % 20 == 0:
            passages = driver.execute_script(
                "return Array.from(document.querySelectorAll('#sources-panel .passage'), (one) => one.textContent)"
            )
            assert any("all questions is 42" in passage for passage in passages)
        if number % 40 == 39 or number == len(ATTACKS) - 1:
            seen |= set(driver.execute_script(TAGS))
            page.same(lambda: set(page.phases()), {"done"})
            page.click("new-chat-button")
            page.until(lambda: page.status() in ("연결됨", "Connected"), 30)
    time.sleep(0.3)
    page.same(lambda: driver.execute_script("return [window.harmed ?? null, window.broken]"), [None, []])
    assert seen <= ALLOWED, seen - ALLOWED
    asked = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [one["params"]["request"]["url"] for one in asked if one["method"] == "Network.requestWillBeSent"]
    assert urls
    assert not [url for url in urls if not url.startswith((scripted.url, "chrome:", "data:"))]
    assert not [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
