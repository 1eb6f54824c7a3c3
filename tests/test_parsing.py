"""No file stalls or kills the server: the child that reads it is stopped, and the next file is read as ever."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rag import parsing
from rag.errors import RagError
from rag.loaders import Loaded, load
from rag.parsing import LEAST_SECONDS, Parser
from rag.types import Page

from .bench.soak.files import FORMATS, make
from .bench.soak.samples import memory
from .parser_loader import HALF

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 3.0
CONTENT = "가나다 abc 🎉\n"
MEMORY = 256 << 20
posix = pytest.mark.skipif(sys.platform == "win32", reason="no such limits on Windows")


@pytest.fixture
async def parser() -> AsyncIterator[Parser]:
    made = Parser(SECONDS, MEMORY, loader="tests.parser_loader")
    yield made
    await made.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "이름 with space"
    path.write_text(CONTENT)
    return path


async def refusal(parser: Parser, name: str, path: Path) -> str:
    with pytest.raises(RagError) as caught:
        await parser.parse(name, path)
    for lang in ("ko", "en"):
        assert name in caught.value.body(lang)["message"]  # type: ignore[arg-type]
    return caught.value.code


def alive(pid: int) -> bool:
    try:
        if sys.platform == "linux":
            return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
        os.kill(pid, 0)
    except OSError:
        return False
    return True


async def child_pid(parser: Parser, file: Path) -> int:
    return int((await parser.parse("pid", file)).text)


async def test_text_title_and_pages_come_back_exactly(parser: Parser, file: Path) -> None:
    assert await parser.parse("a.x", file) == Loaded(CONTENT, "title of a.x", (Page(1, 0, 2), Page(3, 2, len(CONTENT))))


async def test_a_large_text_comes_back_whole(parser: Parser, file: Path) -> None:
    assert (await parser.parse("large", file)).text == "가" * (16 << 20)


async def test_half_a_surrogate_pair_does_not_break_the_reply(parser: Parser, file: Path) -> None:
    assert (await parser.parse("half", file)).text == HALF.replace("\ud83d", "?")


async def test_the_same_child_reads_one_file_after_another(parser: Parser, file: Path) -> None:
    first = await child_pid(parser, file)
    assert first != os.getpid()
    assert await child_pid(parser, file) == first


async def test_an_error_of_a_loader_arrives_with_its_data(parser: Parser, file: Path) -> None:
    with pytest.raises(RagError) as caught:
        await parser.parse("refused", file)
    assert (caught.value.code, caught.value.data["file"]) == ("DOC-001", "refused")
    assert caught.value.body("en")["solutions"] == ["Supported types: .a, .b."]


async def test_a_file_that_is_not_there_is_doc_008(parser: Parser, tmp_path: Path) -> None:
    assert await refusal(parser, "a.x", tmp_path / "nothing") == "DOC-008"


@pytest.mark.parametrize("name", ["loops", "backtracks", "sleeps"])
async def test_a_file_that_takes_too_long_is_doc_009_and_the_next_one_is_read(
    parser: Parser, file: Path, name: str
) -> None:
    pid = await child_pid(parser, file)
    begun = time.monotonic()
    assert await refusal(parser, name, file) == "DOC-009"
    assert time.monotonic() - begun < SECONDS + 2
    assert (await parser.parse("a", file)).text == CONTENT
    assert not alive(pid)


@posix
async def test_a_file_that_needs_too_much_memory_is_doc_010_and_the_next_one_is_read(
    parser: Parser, file: Path
) -> None:
    pid = await child_pid(parser, file)
    assert await refusal(parser, "eats", file) == "DOC-010"
    assert (await parser.parse("a", file)).text == CONTENT
    # What memory was left may be in pieces: the next file is read by another child.
    assert await child_pid(parser, file) != pid


@pytest.mark.parametrize("name", ["dies", "exits"])
async def test_a_file_that_ends_the_child_is_doc_010_and_the_next_one_is_read(
    parser: Parser, file: Path, name: str
) -> None:
    assert await refusal(parser, name, file) == "DOC-010"
    assert (await parser.parse("a", file)).text == CONTENT


async def test_a_reply_that_makes_no_sense_is_doc_010_and_the_next_file_is_read(parser: Parser, file: Path) -> None:
    assert await refusal(parser, "lies", file) == "DOC-010"
    assert (await parser.parse("a", file)).text == CONTENT


async def test_what_a_library_prints_does_not_come_between(parser: Parser, file: Path) -> None:
    assert (await parser.parse("prints", file)).title == "title of prints"
    assert (await parser.parse("a", file)).title == "title of a"


async def test_a_child_that_was_killed_between_two_files_is_replaced(parser: Parser, file: Path) -> None:
    os.kill(await child_pid(parser, file), signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
    await asyncio.sleep(0.2)
    assert (await parser.parse("a", file)).text == CONTENT


@posix
async def test_a_signal_to_the_whole_group_does_not_end_the_child(parser: Parser, file: Path) -> None:
    pid = await child_pid(parser, file)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    assert await child_pid(parser, file) == pid


async def test_cancelling_ends_the_work_and_the_next_file_is_read(parser: Parser, file: Path) -> None:
    pid = await child_pid(parser, file)
    work = asyncio.create_task(parser.parse("loops", file))
    await asyncio.sleep(0.3)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert (await parser.parse("a", file)).text == CONTENT
    assert not alive(pid)


async def test_files_given_at_once_are_read_one_after_another(parser: Parser, file: Path) -> None:
    names = [f"{number}.x" for number in range(20)]
    loaded = await asyncio.gather(*(parser.parse(name, file) for name in names))
    assert [found.title for found in loaded] == [f"title of {name}" for name in names]


async def test_waiting_for_a_turn_does_not_count_as_time(parser: Parser, file: Path) -> None:
    slow = asyncio.create_task(refusal(parser, "sleeps", file))
    await asyncio.sleep(0.1)
    assert (await parser.parse("a", file)).title == "title of a"
    assert await slow == "DOC-009"


async def test_the_event_loop_goes_on_while_a_file_is_read(parser: Parser, file: Path) -> None:
    await parser.parse("a", file)
    work = asyncio.create_task(refusal(parser, "loops", file))
    longest = 0.0
    while not work.done():
        begun = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - begun)
    assert longest < SECONDS / 4
    assert await work == "DOC-009"


async def test_an_idle_child_ends_and_a_new_one_comes_when_needed(file: Path) -> None:
    parser = Parser(SECONDS, MEMORY, idle=0.2, loader="tests.parser_loader")
    pid = await child_pid(parser, file)
    await asyncio.sleep(0.6)
    assert not alive(pid)
    assert (await parser.parse("a", file)).text == CONTENT
    await parser.close()


async def test_closing_ends_the_child_even_in_the_middle(parser: Parser, file: Path) -> None:
    pid = await child_pid(parser, file)
    work = asyncio.create_task(parser.parse("loops", file))
    await asyncio.sleep(0.2)
    await parser.close()
    assert not alive(pid)
    with contextlib.suppress(RagError):
        await work


@pytest.mark.parametrize("name", ["writes", "removes", "starts", "connects"])
async def test_the_child_only_reads(parser: Parser, tmp_path: Path, name: str) -> None:
    asked, other = tmp_path / "asked", tmp_path / "other"
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked.write_text(str(server.getsockname()[1] if name == "connects" else other))
        if name == "removes":
            other.write_text("kept")
        # A real loader would say that the file is damaged.
        assert await refusal(parser, name, asked) == "DOC-010"
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert other.exists() == (name == "removes")


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
async def test_a_crash_leaves_nothing_behind_and_no_file_takes_the_machine_with_it(parser: Parser, file: Path) -> None:
    place = Path(f"/proc/{await child_pid(parser, file)}")
    assert place.joinpath("oom_score_adj").read_text() == "1000\n"
    limits = place.joinpath("limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)
    assert re.search(r"Max open files +64 +64 ", limits)


async def test_a_small_file_is_given_less_time_than_a_large_one(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        assert (LEAST_SECONDS, parsing._patience(path)) == (25.0, 25.0)
        file.truncate(10 << 20)
    assert parsing._patience(path) == 75.0


@posix
async def test_the_child_gives_way_to_chats(parser: Parser, file: Path) -> None:
    assert int((await parser.parse("nice", file)).text) >= min(19, os.nice(0) + 10)


async def test_the_child_loads_neither_the_model_nor_the_store(parser: Parser, file: Path) -> None:
    modules = (await parser.parse("modules", file)).text.split()
    assert not {"llama_cpp", "lancedb", "pyarrow", "aiohttp", "pypdfium2", "bs4"} & set(modules)


@posix
def test_a_child_whose_server_has_died_ends_by_itself(file: Path) -> None:
    script = (
        "import asyncio, os, sys; from pathlib import Path; from rag.parsing import Parser\n"
        "async def main():\n"
        "    parser = Parser(60.0, loader='tests.parser_loader')\n"
        "    print((await parser.parse('pid', Path(sys.argv[1]))).text, flush=True)\n"
        "    work = asyncio.create_task(parser.parse('sleeps', Path(sys.argv[1])))\n"
        "    await asyncio.sleep(0.2)\n"
        "    os._exit(0)\n"
        "asyncio.run(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(file)], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    deadline = time.monotonic() + 5
    while alive(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(int(done.stdout))


async def test_real_loaders_give_the_same_text_through_the_child(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_bytes("<title>제목</title><h1>머리</h1><p>본문</p>".encode("cp949"))
    parser = Parser()
    assert await parser.parse("a.html", path) == load("a.html", path.read_bytes())
    await parser.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux' /proc")
async def test_a_child_that_reads_file_after_file_keeps_nothing_of_them(tmp_path: Path) -> None:
    parser, chance = Parser(), random.Random(8)
    files = []
    for place in range(3 * len(FORMATS)):
        _, suffix, content = make(place, chance)
        files.append(tmp_path / f"{place}.{suffix}")
        files[-1].write_bytes(content)

    async def read(times: int) -> float:
        for path in files * times:
            await parser.parse(path.name, path)
        assert parser._child is not None
        return memory(parser._child.pid)["anonymous"]

    before = await read(3)
    assert await read(8) < before + 2
    await parser.close()
