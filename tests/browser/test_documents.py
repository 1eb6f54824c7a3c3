"""Adding, finding, choosing and deleting documents on the page."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import Scripted
from tests.browser.page import Page, in_english, stretch
from tests.fakes import make_document, make_passage

pytestmark = pytest.mark.browser

# Milliseconds in which a deletion can be taken back.
UNDO = 10_000


@pytest.fixture
def panel(driver, scripted: Scripted) -> Page:
    """The panel over scripted parts, with one document and no guides."""
    page = Page(driver, scripted.url)
    opened(page)
    return page


def opened(page: Page) -> None:
    page.click("documents-button")
    page.until(lambda: page.shown("document") or page.shown("list-message"), 30)


def states(page: Page) -> list[str]:
    return [job.get_attribute("data-state") for job in page.shown("job")]


def names(page: Page) -> list[str]:
    return page.texts("document-name")


def fill(scripted: Scripted, count: int) -> None:
    for n in range(count):
        document = make_document(
            f"text {n}", f"{n:04x}", source=f"folder/{n}.md", added=f"2026-01-01T00:00:{n % 60:02d}Z"
        )
        scripted.parts.store.documents[document.id] = document


def folder_of(path: Path, count: int) -> Path:
    (path / "sub" / ".git").mkdir(parents=True)
    for n in range(count):
        (path / "sub" / f"회의 {n}.md").write_text(f"회의 내용 {n}", encoding="utf-8")
    (path / "sub" / ".git" / "config.md").write_text("hidden")
    (path / "photo.png").write_bytes(b"png")
    return path


# In.


def test_uploaded_file_is_followed_to_its_end(page: Page, tmp_path: Path) -> None:
    document = tmp_path / "메모.md"
    document.write_text("# 메모\n\n회의는 수요일 오전 열 시에 본관 3층에서 합니다.\n", encoding="utf-8")
    page.until(lambda: page.one("figures").text, 30)
    opened(page)
    page.one("file-input").send_keys(str(document))
    # Beside what earlier pages have left there.
    job = page.until(lambda: [job for job in page.shown("job") if "메모.md" in job.text], 30)[0]
    page.until(lambda: job.get_attribute("data-state") in ("stored", "failed", "cancelled"))
    page.same(lambda: job.get_attribute("data-state"), "stored")
    page.until(lambda: "메모.md" in names(page), 30)


@in_english
def test_refused_file_says_why(page: Page, tmp_path: Path) -> None:
    program = tmp_path / "tool.exe"
    program.write_bytes(b"MZ\x90\x00" + bytes(60))
    opened(page)
    page.one("file-input").send_keys(str(program))
    job = page.until(lambda: [job for job in page.shown("job") if "tool.exe" in job.text], 30)[0]
    page.until(lambda: job.get_attribute("data-state") == "failed", 60)
    page.until(lambda: job.find_element(By.CLASS_NAME, "error-message").text, 30)


def test_a_folder_comes_with_its_paths_and_says_what_it_left_out(panel: Page, tmp_path: Path) -> None:
    panel.one("folder-input").send_keys(str(folder_of(tmp_path / "회의록", 3)))
    panel.until(lambda: "회의록/sub/회의 2.md" in names(panel), 30)
    left_out = panel.one("skipped").text
    assert ("숨은 파일 1개" in left_out, ".png" in left_out) == (True, True), left_out


@in_english
def test_many_files_make_few_rows_and_what_failed_stays(panel: Page, scripted: Scripted, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "many", 150)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 broken")
    scripted.parts.embedder.wait = asyncio.Event()
    panel.one("folder-input").send_keys(str(folder))
    panel.until(lambda: "failed" in states(panel), 30)
    panel.until(lambda: "of 151 files · 1 failed" in panel.one("progress-text").text, 30)
    panel.until(lambda: len(panel.shown("job")) <= 15, 30)
    scripted.set(scripted.parts.embedder.wait)
    scripted.parts.embedder.wait = None
    panel.until(lambda: panel.one("progress-text").text == "Done · 150 added · 1 failed", 60)
    panel.same(lambda: sorted(states(panel)), ["failed", "stored", "stored", "stored"])
    (failed,) = [job for job in panel.shown("job") if job.get_attribute("data-state") == "failed"]
    panel.until(lambda: "damaged" in failed.text, 30)
    finished = panel.one("finished")
    finished.find_element(By.TAG_NAME, "summary").click()
    panel.until(lambda: len(finished.find_elements(By.TAG_NAME, "li")) == 150, 30)
    (folder / "broken.pdf").unlink()
    panel.click("clear-progress")
    panel.until(lambda: not panel.shown("progress"), 30)


def test_a_file_that_failed_is_tried_again(panel: Page, scripted: Scripted, tmp_path: Path) -> None:
    scripted.parts.embedder.error = RuntimeError("out of memory")
    (tmp_path / "a.md").write_text("alpha")
    panel.one("file-input").send_keys(str(tmp_path / "a.md"))
    panel.until(lambda: states(panel) == ["failed"], 30)
    scripted.parts.embedder.error = None
    panel.click("job-retry")
    panel.until(lambda: states(panel) == ["stored"], 30)


def test_an_upload_is_cancelled_while_it_is_sent(panel: Page, scripted: Scripted, tmp_path: Path) -> None:
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 50_000}
    panel.driver.execute_cdp_cmd("Network.enable", {})
    panel.driver.execute_cdp_cmd("Network.emulateNetworkConditions", slow)
    (tmp_path / "long.md").write_text("word " * 150_000)
    panel.one("file-input").send_keys(str(tmp_path / "long.md"))
    panel.until(lambda: states(panel) == ["uploading"] and "%" in panel.one("job-state").text, 30)
    panel.click("job-cancel")
    panel.until(lambda: states(panel) == ["cancelled"], 30)
    incoming = scripted.parts.directory / "incoming"
    panel.until(lambda: not incoming.exists() or not list(incoming.iterdir()), 30)


def test_a_job_is_cancelled_while_the_server_works_on_it(panel: Page, scripted: Scripted, tmp_path: Path) -> None:
    scripted.parts.embedder.wait = asyncio.Event()
    for name in ("a", "b"):
        (tmp_path / f"{name}.md").write_text(f"text {name}")
    panel.one("file-input").send_keys(f"{tmp_path / 'a.md'}\n{tmp_path / 'b.md'}")
    panel.until(lambda: states(panel) == ["embedding"] * 2, 30)
    panel.click("job-cancel")
    panel.until(lambda: sorted(states(panel)) == ["cancelled", "embedding"], 30)
    panel.click("cancel-all")
    panel.until(lambda: states(panel) == ["cancelled"] * 2, 30)


def test_what_was_running_before_a_reload_is_shown_again(panel: Page, scripted: Scripted, tmp_path: Path) -> None:
    scripted.parts.embedder.wait = asyncio.Event()
    (tmp_path / "보고서.md").write_text("text")
    panel.one("file-input").send_keys(str(tmp_path / "보고서.md"))
    panel.until(lambda: states(panel) == ["embedding"], 30)
    panel.driver.refresh()
    opened(panel)
    panel.until(lambda: states(panel) == ["embedding"], 30)
    panel.until(lambda: "보고서.md" in panel.shown("job")[0].text, 30)
    scripted.set(scripted.parts.embedder.wait)
    panel.until(lambda: "보고서.md" in names(panel), 30)


def test_files_are_taken_wherever_they_are_dropped(driver, scripted: Scripted) -> None:
    page = Page(driver, scripted.url)
    driver.execute_script(
        """const data = new DataTransfer();
        data.items.add(new File(['alpha'], '<img src=x onerror=alert(1)>.md'));
        dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));"""
    )
    page.until(lambda: "<img src=x onerror=alert(1)>.md" in names(page), 30)
    page.until(lambda: not driver.find_elements(By.CSS_SELECTOR, "img[onerror]"), 30)


# The list.


def test_the_list_is_read_on_as_it_is_scrolled(panel: Page, scripted: Scripted) -> None:
    fill(scripted, 130)
    panel.driver.refresh()
    opened(panel)
    panel.until(lambda: len(panel.all("document")) >= 50, 30)
    bottom = "const list = document.querySelector('.list-scroll'); list.scrollTop = list.scrollHeight"
    panel.until(lambda: panel.driver.execute_script(bottom) or len(panel.all("document")) == 131, 30)


def test_documents_are_found_by_name_and_sorted(panel: Page, scripted: Scripted) -> None:
    fill(scripted, 30)
    panel.one("document-search").send_keys("folder/1")
    panel.until(lambda: len(names(panel)) == 11, 30)
    panel.one("document-sort").find_element(By.CSS_SELECTOR, '[value="name-asc"]').click()
    panel.until(lambda: names(panel) == ["folder/1.md", *(f"folder/{n}.md" for n in range(10, 20))], 30)
    panel.one("document-search").send_keys("nothing")
    panel.until(lambda: "nothing" in panel.one("list-message").text, 30)


def test_a_document_is_opened_from_the_list(panel: Page) -> None:
    panel.click("document-name")
    panel.until(lambda: panel.shown("viewer") and "the answer to all questions" in panel.one("viewer-body").text, 30)
    panel.click("viewer-close")
    panel.until(lambda: panel.shown("documents-panel"), 30)


def test_the_original_is_saved(panel: Page, scripted: Scripted, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    behaviour = {"behavior": "allow", "downloadPath": str(saved)}
    panel.driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
    (tmp_path / "메모.md").write_text("내용", encoding="utf-8")
    panel.one("file-input").send_keys(str(tmp_path / "메모.md"))
    panel.until(lambda: "메모.md" in names(panel), 30)
    panel.all("document-download")[names(panel).index("메모.md")].click()
    panel.until(lambda: (saved / "메모.md").is_file(), 30)
    assert (saved / "메모.md").read_text(encoding="utf-8") == "내용"


# Out.


def test_a_deleted_document_comes_back_on_undo(panel: Page, scripted: Scripted) -> None:
    stretch(panel.driver, {UNDO: 300_000})
    fill(scripted, 3)
    panel.driver.refresh()
    opened(panel)
    panel.until(lambda: len(names(panel)) == 4, 30)
    before = names(panel)
    panel.click("document-choose", 1)
    panel.click("document-delete", 1)
    panel.click("document-delete", 1)
    panel.until(lambda: names(panel) == [before[0], before[3]], 30)
    focused = panel.driver.switch_to.active_element
    panel.same(lambda: focused.get_attribute("data-testid"), "document-delete")
    panel.all("undo-one")[1].send_keys(Keys.ENTER)
    panel.until(lambda: names(panel) == [before[0], before[1], before[3]], 30)
    panel.until(lambda: panel.all("document-choose")[1].is_selected(), 30)
    panel.click("undo-one")
    panel.until(lambda: names(panel) == before, 30)
    assert len(scripted.parts.store.documents) == 4


def test_a_document_is_deleted_when_the_page_is_left(panel: Page, scripted: Scripted) -> None:
    panel.click("document-delete")
    panel.until(lambda: panel.shown("undo"), 30)
    assert "doc" in scripted.parts.store.documents
    panel.driver.get("about:blank")
    panel.until(lambda: "doc" not in scripted.parts.store.documents, 30)


@in_english
def test_a_deletion_that_fails_brings_the_row_back(panel: Page, scripted: Scripted) -> None:
    panel.click("document-delete")
    panel.until(lambda: names(panel) == [], 30)
    scripted.parts.store.error = OSError("disk")
    panel.until(lambda: names(panel) == ["doc.md"], 30)
    panel.until(lambda: panel.one("document-error").text, 30)


# The choice.


@in_english
def test_a_conversation_asks_only_the_documents_chosen(panel: Page, scripted: Scripted) -> None:
    fill(scripted, 2)
    panel.driver.refresh()
    opened(panel)
    panel.until(lambda: len(names(panel)) == 3, 30)
    boxes = panel.all("document-choose")
    boxes[0].click()
    panel.driver.find_element(By.CSS_SELECTOR, "#documents-panel .close").click()
    panel.same(lambda: panel.one("chosen").text, f"Asking only {names_of(scripted)[0]}")
    opened(panel)
    panel.all("document-choose")[1].send_keys(Keys.SPACE)
    panel.driver.find_element(By.CSS_SELECTOR, "#documents-panel .close").click()
    panel.same(lambda: panel.one("chosen").text, "Asking 2 documents")
    panel.driver.refresh()
    panel.until(lambda: panel.one("chosen").text == "Asking 2 documents", 30)
    panel.ask("alpha")
    panel.until(lambda: "done" in panel.phases(), 30)
    panel.click("new-chat-button")
    panel.until(lambda: not panel.shown("chosen"), 30)
    panel.driver.refresh()
    opened(panel)
    panel.click("document-choose")
    panel.driver.find_element(By.CSS_SELECTOR, "#documents-panel .close").click()
    panel.click("chosen-clear")
    panel.until(lambda: not panel.shown("chosen"), 30)


@in_english
def test_a_question_finds_only_what_the_chosen_documents_hold(panel: Page, scripted: Scripted) -> None:
    other = make_document("the answer to all questions is 43", "other", source="other.md", title="Other")
    scripted.parts.store.documents["other"] = other
    scripted.parts.store.passages["other"] = [make_passage(other.text, document_id="other", title="Other")]
    panel.driver.refresh()
    opened(panel)
    panel.until(lambda: names(panel) == ["other.md", "doc.md"], 30)
    panel.click("document-choose")
    panel.driver.find_element(By.CSS_SELECTOR, "#documents-panel .close").click()
    panel.ask("What is the answer to all questions?")
    panel.until(panel.idle, 30)
    panel.until(lambda: "done" in panel.phases(), 30)
    found = panel.driver.execute_script("return document.getElementById('conversation').textContent")
    assert "[1] Other" in found
    assert "Title" not in found


def names_of(scripted: Scripted) -> list[str]:
    return [document.source.rpartition("/")[2] for document in reversed(scripted.parts.store.documents.values())]


# Nothing yet.


def test_who_has_added_nothing_is_told_how(driver, scripted: Scripted) -> None:
    scripted.parts.store.documents = {"g": make_document("guide", "g", source="guides/ko/01.md")}
    page = Page(driver, scripted.url)
    page.until(lambda: page.shown("first-steps"), 30)
    page.until(lambda: "server.py ingest" in page.one("first-steps").text, 30)
    opened(page)
    page.until(lambda: page.shown("bare"), 30)
    driver.execute_script(
        """const data = new DataTransfer();
        data.items.add(new File(['alpha'], 'mine.md'));
        dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));"""
    )
    page.until(lambda: not page.shown("bare") and not page.shown("first-steps"), 30)
