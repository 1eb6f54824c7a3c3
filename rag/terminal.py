"""What the terminal shows: messages in two languages, progress, answers."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import AsyncIterable, Mapping
from typing import Any

from tqdm import tqdm

from .damage import Damage
from .errors import Lang, Refused
from .logs import printable

MESSAGES: dict[str, tuple[str, str]] = {
    "ready": ("{url} 에서 실행 중입니다. 끝내려면 Ctrl+C를 누르세요.", "Running at {url}. Press Ctrl+C to stop."),
    "fetching": ("시작용 모델을 받습니다: {files}", "Fetching the starter models: {files}"),
    "trying": ("이 컴퓨터에서 모델을 시험하는 중: {file}", "Trying the model on this machine: {file}"),
    "handed": ("실행 중인 서버({url})에 넘깁니다.", "Handing the work to the server at {url}."),
    "stored": ("문서 {done}개를 저장했고 {failed}개는 실패했습니다.", "{done} documents stored, {failed} failed."),
    "deleted": ("문서 {count}개를 삭제했습니다.", "{count} documents deleted."),
    "nothing": ("지원하는 형식의 파일이 없습니다.", "There are no files of a supported type."),
    "have": ("모델이 준비되었습니다: {chat}, {embed}", "The models are in place: {chat}, {embed}"),
    "sources": ("출처:", "Sources:"),
    "exposed": (
        "주의: 다른 사용자도 키 파일을 읽을 수 있습니다: {file}. 'chmod 600'으로 막으세요.",
        "Warning: other users of this machine can read the file of keys: {file}. Forbid it with 'chmod 600'.",
    ),
    "damaged-index": (
        "주의: 색인의 최신 내용이 손상되어 이전 상태를 사용합니다.{aside}",
        "Warning: the newest state of the index was damaged; the one before it is used.{aside}",
    ),
    "damaged-documents": (
        "색인에서 사라진 문서 {count}개를 보관된 원본으로 다시 추가합니다.",
        "{count} documents that the index had lost are added again from their originals.",
    ),
    "damaged-places": (
        "주의: 문서의 출처 기록이 손상되어 새로 만들었습니다.{aside}",
        "Warning: the record of where documents come from was damaged; a new one was begun.{aside}",
    ),
    "damaged-watched": (
        "주의: 감시 폴더의 기록이 손상되어 모든 파일을 다시 확인합니다.{aside}",
        "Warning: the record of the watched folders was damaged; all their files are looked at again.{aside}",
    ),
    "damaged-conversations": (
        "주의: 대화 기록이 손상되어 새로 시작했습니다.{aside}",
        "Warning: the file of conversations was damaged; a new one was begun.{aside}",
    ),
    "reported": ("보고서: {files}", "Report: {files}"),
    "bundled": (
        "묶음을 만들었습니다: {place}\nSHA256SUMS 파일의 SHA-256: {digest}\n"
        "옮긴 컴퓨터에서 이 값을 비교한 뒤 'sh install.sh'를 실행하세요.",
        "The bundle: {place}\nSHA-256 of its file SHA256SUMS: {digest}\n"
        "Compare that on the other machine, then run 'sh install.sh' there.",
    ),
}


def say(lang: Lang, key: str, **data: object) -> None:
    print(MESSAGES[key][0 if lang == "ko" else 1].format(**data), flush=True)


def say_damaged(lang: Lang, damage: Damage) -> None:
    """Tell what was found damaged, and where it lies now."""
    aside = f" ({damage.aside})" if damage.aside else ""
    say(lang, f"damaged-{damage.part}", aside=aside, count=damage.count)


def harmless(text: str) -> str:
    """The text without the characters that a terminal takes for orders, but with its lines."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")


class Bars:
    """One progress bar at a time, named after what it shows."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._label = ""

    def show(self, label: str, done: int, total: int) -> None:
        if label != self._label:
            self.close()
            self._label = label
            self._bar = tqdm(total=total, desc=label, unit="B", unit_scale=True, mininterval=0.2)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Total:
    """One bar over the passages of all files, as far as they are known, with how many files are done."""

    def __init__(self, files: int) -> None:
        self._files = files
        self._ended = 0
        self._bar = tqdm(desc=f"0/{files}", unit="passage")
        self._done: dict[str, int] = {}
        self._known: dict[str, int] = {}

    async def follow(self, source: str, states: AsyncIterable[Mapping[str, Any]]) -> str:
        """Show the progress of one file to its end. "" or its error."""
        error = None
        async for state in states:
            self._done[source], self._known[source] = state["done"], state["total"]
            error = state["error"]
            self._show()
        return self.end(source, error)

    def end(self, source: str, error: Mapping[str, Any] | None) -> str:
        """One file more has ended. "" or its error, which is shown."""
        self._ended += 1
        self._bar.set_description_str(f"{self._ended}/{self._files}", refresh=False)
        self._show()
        if error is None:
            return ""
        text = f"{error['error_code']}: {error['message']}"
        tqdm.write(printable(f"{source}: {text}"), file=sys.stderr)
        return text

    def _show(self) -> None:
        self._bar.total = sum(self._known.values()) or None
        self._bar.update(sum(self._done.values()) - self._bar.n)

    def close(self) -> None:
        self._bar.refresh()
        self._bar.close()


async def show(events: AsyncIterable[Mapping[str, Any]], lang: Lang) -> None:
    """Print an answer as it comes. Raises `Refused` for its error."""
    async for event in events:
        if event["type"] == "stream_token":
            print(harmless(event["token"]), end="", flush=True)
        elif event["type"] == "stream_sources":
            print()
            if event["sources"]:
                say(lang, "sources")
            for number, source in enumerate(event["sources"], 1):
                told = f"[{number}] {source['title']} · {source['metadata']['source']} · {source['score']:.2f}"
                print(printable(told))
        elif event["type"] == "stream_error":
            raise Refused(event)
