"""Conversations on the page: kept, listed, found, renamed, deleted, exported, and shown again as they were."""

import json
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from rag import answers
from rag.errors import RagError
from tests.browser.page import PHONE, Page, in_english, stretch

pytestmark = [pytest.mark.browser, in_english]

ASKED = "what is the answer"
# Milliseconds in which a deletion can be taken back.
UNDO = 10_000


@pytest.fixture
def talks(driver, scripted) -> "Talks":
    driver.set_window_size(1280, 800)
    return Talks(driver, scripted.url)


class Talks(Page):
    def tell(self, question: str) -> None:
        """Ask, and wait for the end of the answer."""
        self.ask(question)
        self.until(lambda: self.texts("user-message")[-1:] == [question])
        self.until(self.idle)

    def titles(self) -> list[str]:
        return [element.text for element in self.shown("conversation-open")]

    def open(self, title: str) -> None:
        self.row(title).click()

    def row(self, title: str):
        return self.until(lambda: next(row for row in self.shown("conversation-open") if title in row.text), 30)

    def choose_action(self, title: str, action: str) -> None:
        row = self.row(title).find_element(By.XPATH, "..")
        ActionChains(self.driver).move_to_element(row).perform()
        row.find_element(By.CSS_SELECTOR, '[data-testid="conversation-menu"]').click()
        self.one("conversation-actions").find_element(By.CSS_SELECTOR, f'[data-action="{action}"]').click()

    def new(self) -> None:
        self.click("new-chat-button")

    def reload(self) -> None:
        self.driver.refresh()
        self.until(lambda: self.status() == "Connected", 30)

    def session(self) -> str:
        return self.driver.execute_script("return sessionStorage.getItem('session')")

    def focused(self) -> str:
        return self.driver.execute_script("return document.activeElement.dataset.testid ?? document.activeElement.id")


def test_a_conversation_is_listed_by_its_first_question_and_opens_again(talks: Talks) -> None:
    talks.tell(f"{ASKED} one")
    talks.tell(f"{ASKED} two")
    talks.same(talks.titles, [f"{ASKED} one"])
    talks.new()
    talks.same(lambda: talks.texts("user-message"), [])
    talks.tell(f"{ASKED} three")
    talks.same(talks.titles, [f"{ASKED} three", f"{ASKED} one"])
    talks.open(f"{ASKED} one")
    talks.until(lambda: talks.texts("user-message") == [f"{ASKED} one", f"{ASKED} two"], 30)
    talks.same(talks.phases, ["done", "done"])
    talks.same(lambda: len(talks.shown("source")), 2)


def test_a_reload_shows_the_conversation_as_it_was(talks: Talks) -> None:
    talks.tell(f"{ASKED} one")
    before = talks.texts("assistant-message")
    talks.reload()
    talks.until(lambda: talks.texts("assistant-message") == before, 30)
    talks.same(talks.titles, [f"{ASKED} one"])
    talks.tell(f"{ASKED} two")
    talks.same(talks.phases, ["done", "done"])


def test_a_name_is_given_in_place_by_keyboard_and_stays(talks: Talks) -> None:
    talks.tell(f"{ASKED} one")
    row = talks.row(ASKED)
    row.send_keys(Keys.TAB, Keys.ENTER)
    talks.until(lambda: talks.shown("conversation-actions"), 30)
    talks.same(lambda: talks.driver.switch_to.active_element.text, "Rename")
    talks.driver.switch_to.active_element.send_keys(Keys.ENTER)
    talks.same(talks.focused, "conversation-name")
    talks.one("conversation-name").send_keys("My <b>name</b>", Keys.ENTER)
    talks.same(talks.titles, ["My <b>name</b>"])
    talks.same(talks.focused, "conversation-open")
    talks.reload()
    talks.until(lambda: talks.titles() == ["My <b>name</b>"], 30)
    talks.choose_action("My", "rename")
    talks.one("conversation-name").send_keys("other", Keys.ESCAPE)
    talks.same(talks.titles, ["My <b>name</b>"])


def test_a_deleted_conversation_can_be_brought_back(talks: Talks) -> None:
    stretch(talks.driver, {UNDO: 300_000})
    talks.reload()
    talks.tell(f"{ASKED} one")
    talks.choose_action(ASKED, "delete")
    talks.same(talks.titles, [])
    talks.same(lambda: talks.texts("user-message"), [])
    talks.same(talks.focused, "conversation-undo")
    talks.one("conversation-undo").send_keys(Keys.ENTER)
    talks.same(talks.titles, [f"{ASKED} one"])
    talks.open(ASKED)
    talks.until(lambda: talks.texts("user-message") == [f"{ASKED} one"], 30)


def test_what_was_deleted_is_gone_from_browser_and_server(talks: Talks, scripted) -> None:
    talks.tell(f"{ASKED} one")
    address = f"{scripted.url}/sessions/{talks.session()}"
    talks.same(lambda: status_of(address), 200)
    talks.choose_action(ASKED, "delete")
    talks.reload()  # nothing can be taken back any more
    talks.until(lambda: status_of(address) == 404, 30)
    talks.same(talks.titles, [])
    talks.reload()
    talks.same(talks.titles, [])


def status_of(address: str) -> int:
    try:
        with urlopen(Request(address)) as response:
            return response.status
    except HTTPError as error:
        return error.code


def test_titles_and_texts_are_searched(talks: Talks) -> None:
    talks.tell(f"{ASKED} about trains")
    talks.new()
    talks.tell(f"{ASKED} about ships")
    talks.tell(f"{ASKED} that hides below")
    search = talks.one("conversation-search")
    for query, found in (
        ("TRAINS", ["trains"]),
        ("hides about", ["ships"]),
        ("42", ["ships", "trains"]),
        ("nowhere", []),
        ("", ["ships", "trains"]),
    ):
        search.clear()
        search.send_keys(query or "x", "" if query else Keys.BACKSPACE)
        talks.until(lambda found=found: [title.split()[-1] for title in talks.titles()] == found, 30)
    talks.until(lambda: not talks.driver.find_element(By.CLASS_NAME, "talk-none").is_displayed(), 30)


def test_a_conversation_is_saved_as_markdown_and_json(talks: Talks, tmp_path: Path) -> None:
    talks.driver.execute_cdp_cmd("Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    talks.tell(f"{ASKED}?")
    talks.choose_action(ASKED, "markdown")
    markdown, data = tmp_path / f"{ASKED}.md", tmp_path / f"{ASKED}.json"
    talks.until(markdown.exists, 30)
    talks.choose_action(ASKED, "json")
    talks.until(data.exists, 30)
    text = markdown.read_text()
    assert f"> {ASKED}?" in text
    assert "The answer is 42 [1]." in text
    assert "> the answer to all questions is 42" in text
    (turn,) = json.loads(data.read_text())["turns"]
    (source,) = turn["sources"]
    assert turn["answer"] == "The answer is 42 [1]."
    assert {"title", "file", "page", "quote", "start", "end"} <= source.keys()
    assert source["quote"] == "the answer to all questions is 42"


def test_an_answer_goes_on_while_another_conversation_is_shown(talks: Talks, scripted) -> None:
    scripted.hold(2)
    talks.ask(f"{ASKED} one")
    talks.until(lambda: talks.texts("assistant-message") == ["The answer"], 30)
    talks.new()
    talks.until(lambda: len(talks.shown("conversation-running")) == 1, 30)
    talks.until(talks.idle, 30)
    scripted.go()
    talks.until(lambda: not talks.shown("conversation-running"), 30)
    talks.open(ASKED)
    talks.until(lambda: talks.texts("assistant-message") == ["The answer is 42 [1]."], 30)
    talks.same(talks.phases, ["done"])


def test_a_reload_in_mid_answer_goes_on_with_it(talks: Talks, scripted) -> None:
    scripted.hold(2)
    talks.ask(f"{ASKED} one")
    talks.until(lambda: talks.texts("assistant-message") == ["The answer"], 30)
    talks.reload()
    talks.until(lambda: talks.texts("assistant-message") == ["The answer"], 30)
    talks.until(lambda: not talks.idle(), 30)
    scripted.go()
    talks.until(talks.idle, 30)
    talks.same(lambda: talks.texts("assistant-message"), ["The answer is 42 [1]."])
    talks.same(talks.phases, ["done"])
    assert len(scripted.parts.generator.prompts) == 1


def test_an_answer_that_ended_while_the_page_was_away_is_fetched(talks: Talks, scripted, monkeypatch) -> None:
    monkeypatch.setattr(answers, "KEEP", 0.0)
    scripted.hold(2)
    talks.ask(f"{ASKED} one")
    talks.until(lambda: talks.texts("assistant-message") == ["The answer"], 30)
    address = f"{scripted.url}/sessions/{talks.session()}"
    talks.driver.get("about:blank")
    scripted.go()
    talks.until(lambda: status_of(address) == 200, 30)
    talks.driver.back()
    talks.until(lambda: talks.texts("assistant-message") == ["The answer is 42 [1]."], 30)
    talks.until(lambda: talks.phases() == ["done"], 30)


def test_tabs_share_the_list_and_lose_no_turn_of_a_conversation(talks: Talks, scripted) -> None:
    driver = talks.driver
    first = driver.current_window_handle
    talks.tell(f"{ASKED} one")
    driver.switch_to.new_window("tab")
    other = Talks(driver, scripted.url)
    other.open(ASKED)
    other.until(lambda: other.texts("user-message") == [f"{ASKED} one"], 30)
    other.tell(f"{ASKED} two")
    driver.switch_to.window(first)
    talks.until(lambda: talks.texts("user-message") == [f"{ASKED} one", f"{ASKED} two"], 30)
    talks.until(lambda: talks.phases() == ["done", "done"], 30)
    talks.tell(f"{ASKED} three")
    talks.reload()
    talks.until(lambda: talks.texts("user-message") == [f"{ASKED} {n}" for n in ("one", "two", "three")], 30)
    talks.new()
    talks.tell(f"{ASKED} elsewhere")
    talks.choose_action("elsewhere", "rename")
    talks.one("conversation-name").send_keys("Named here", Keys.ENTER)
    driver.switch_to.window(driver.window_handles[-1])
    other.until(lambda: other.titles() == ["Named here", f"{ASKED} one"], 30)


def test_when_the_server_has_forgotten_the_page_says_so_and_carries_on(talks: Talks, scripted) -> None:
    talks.tell(f"{ASKED} one")
    scripted.parts.clock.advance(31 * 60)
    talks.reload()
    talks.until(lambda: talks.shown("context-ended"), 30)
    talks.tell(f"{ASKED} two")
    assert [len(prompt) for prompt in scripted.parts.generator.prompts] == [2, 2]
    talks.tell(f"{ASKED} three")
    assert [len(prompt) for prompt in scripted.parts.generator.prompts] == [2, 2, 4]
    order = "return Array.from(document.querySelectorAll('.log > *'), (one) => one.className)"
    expected = ["turn", "context-ended", "turn", "turn"]
    talks.same(lambda: [name.split()[0] for name in talks.driver.execute_script(order)], expected)
    talks.reload()
    talks.until(lambda: len(talks.phases()) == 3, 30)
    talks.same(lambda: [name.split()[0] for name in talks.driver.execute_script(order)], expected)


def test_an_answer_made_again_takes_the_place_of_the_first_and_of_what_followed(talks: Talks, scripted) -> None:
    for number in ("one", "two", "three"):
        talks.tell(f"{ASKED} {number}")
    talks.driver.execute_script("document.querySelectorAll('[data-testid=\"regenerate-button\"]')[1].click()")
    talks.until(lambda: len(scripted.parts.generator.prompts) == 4 and talks.idle(), 30)
    talks.until(lambda: talks.phases() == ["done", "done"], 30)
    assert [len(prompt) for prompt in scripted.parts.generator.prompts] == [2, 4, 6, 4]
    talks.same(lambda: talks.texts("user-message"), [f"{ASKED} one", f"{ASKED} two"])
    with urlopen(f"{scripted.url}/sessions/{talks.session()}") as response:
        assert len(json.load(response)["turns"]) == 2
    talks.reload()
    talks.until(lambda: talks.texts("user-message") == [f"{ASKED} one", f"{ASKED} two"], 30)


def test_what_an_answer_that_fails_was_to_replace_can_be_brought_back(talks: Talks, scripted) -> None:
    talks.tell(f"{ASKED} one")
    talks.tell(f"{ASKED} two")
    scripted.parts.generator.error = RagError("GEN-999")
    talks.driver.execute_script("document.querySelector('[data-testid=\"regenerate-button\"]').click()")
    talks.until(lambda: talks.shown("earlier-answer"), 30)
    talks.same(talks.phases, ["failed"])
    scripted.parts.generator.error = None
    talks.reload()
    (kept,) = talks.until(lambda: talks.shown("earlier-answer"), 30)
    kept.find_element(By.TAG_NAME, "button").click()
    talks.same(talks.phases, ["done", "done"])
    talks.tell(f"{ASKED} three")
    assert len(scripted.parts.generator.prompts[-1]) == 6
    talks.reload()
    talks.until(lambda: talks.phases() == ["done"] * 3, 30)


def test_what_is_typed_and_not_sent_stays_with_its_conversation(talks: Talks) -> None:
    talks.tell(f"{ASKED} one")
    box = talks.one("chat-input")
    box.send_keys("draft of one")
    talks.new()
    talks.same(lambda: box.get_attribute("value"), "")
    box.send_keys("draft of two")
    talks.open(ASKED)
    talks.same(lambda: box.get_attribute("value"), "draft of one")
    talks.reload()
    box = talks.one("chat-input")
    talks.same(lambda: box.get_attribute("value"), "draft of one")
    box.send_keys(Keys.ENTER)
    talks.until(lambda: talks.texts("user-message") == [f"{ASKED} one", "draft of one"], 30)
    talks.same(lambda: box.get_attribute("value"), "")


def test_keys_begin_a_new_chat_and_lead_to_the_question(talks: Talks) -> None:
    talks.tell(f"{ASKED} one")
    ActionChains(talks.driver).key_down(Keys.CONTROL).key_down(Keys.SHIFT).send_keys("o").key_up(Keys.SHIFT).key_up(
        Keys.CONTROL
    ).perform()
    talks.same(lambda: talks.texts("user-message"), [])
    talks.click("conversation-open")
    talks.driver.execute_script("document.activeElement.blur()")
    ActionChains(talks.driver).send_keys("/").perform()
    talks.same(talks.focused, "chat-input")
    talks.same(lambda: talks.one("chat-input").get_attribute("value"), "")


def test_on_a_phone_the_list_is_a_drawer(talks: Talks) -> None:
    talks.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    talks.until(lambda: not talks.shown("sidebar"), 30)
    talks.tell(f"{ASKED} one")
    talks.click("sidebar-button")
    talks.until(lambda: talks.shown("sidebar"), 30)
    talks.same(talks.focused, "new-chat-button")
    talks.until(lambda: talks.driver.execute_script("return document.querySelector('.dock').inert"), 30)
    ActionChains(talks.driver).send_keys(Keys.ESCAPE).perform()
    talks.until(lambda: not talks.shown("sidebar"), 30)
    talks.same(talks.focused, "sidebar-button")
    talks.new()
    talks.click("sidebar-button")
    talks.open(ASKED)
    talks.until(lambda: not talks.shown("sidebar"), 30)
    talks.until(lambda: talks.texts("user-message") == [f"{ASKED} one"], 30)
    talks.until(lambda: talks.overflow() <= 0, 30)


def test_the_column_stays_folded(talks: Talks) -> None:
    talks.until(lambda: talks.shown("sidebar"), 30)
    talks.click("sidebar-close")
    talks.until(lambda: not talks.shown("sidebar"), 30)
    talks.same(talks.focused, "sidebar-button")
    talks.reload()
    talks.until(lambda: not talks.shown("sidebar"), 30)
    talks.click("sidebar-button")
    talks.until(lambda: talks.shown("sidebar"), 30)


def test_a_browser_that_keeps_nothing_is_told_of_and_can_still_be_used(talks: Talks, scripted) -> None:
    refuse = "Object.defineProperty(window, 'indexedDB', {get() { throw new Error('refused'); }})"
    talks.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": refuse})
    talks.reload()
    talks.until(lambda: "does not keep" in talks.one("sidebar").text, 30)
    talks.tell(f"{ASKED} one")
    talks.new()
    talks.open(ASKED)
    talks.until(lambda: talks.texts("user-message") == [f"{ASKED} one"], 30)


def test_500_messages_are_there_at_once(talks: Talks) -> None:
    seed = """const done = arguments[0];
    (async () => {
      const {openHistory} = await import('/static/history.js');
      const {newAnswer} = await import('/static/client.js');
      const source = {title: 'Title', content: 'a quote', score: 0.6, metadata: {source: 'a', chunk_id: 'c'}};
      const about = {talk: 'long', tab: '', sent: true, anew: false, replaces: '', instead: []};
      const text = '# Head\\n\\n' + 'A sentence that says something [1]. '.repeat(20) + '\\n\\n- one\\n- two\\n';
      const answer = (n) => ({...newAnswer(`m${n}`, `question ${n}`), phase: 'done', text, sources: [source]});
      const turns = Array.from({length: 250}, (_, n) => ({...about, id: `t${n}`, at: n + 1, answer: answer(n)}));
      const history = await openHistory();
      await history.change({id: 'long', head: {title: 'Long', created: 1, updated: Date.now()}, turns});
      done();
    })();"""
    talks.driver.execute_async_script(seed)
    talks.reload()
    measure = """const done = arguments[0];
    const begun = performance.now();
    let first = 0, longest = 0, last = begun;
    const look = () => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      const turns = document.querySelectorAll('.turn').length;
      if (turns && !first) first = now - begun;
      if (turns < 250) requestAnimationFrame(look);
      else done({first, all: now - begun, longest});
    };
    document.querySelector('[data-testid="conversation-open"]').click();
    look();"""
    talks.row("Long")
    took = talks.driver.execute_async_script(measure)
    print(took)
    assert took["first"] < 1000
    assert took["all"] < 10_000
    talks.same(lambda: talks.texts("user-message")[-1], "question 249")
    below = "const s = document.getElementById('scroller'); return s.scrollHeight - s.scrollTop - s.clientHeight"
    talks.until(lambda: talks.driver.execute_script(below) < 40, 30)
