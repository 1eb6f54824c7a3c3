"""`/metrics`: what is documented is there, and each figure moves when it should."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from rag.errors import RagError
from rag.protocol import End
from rag.types import Usage
from web import metrics
from web.keys import SOCKETS
from web.state import State

from .app_client import Client, MakeClient, Parts, converse
from .conftest import Server
from .fakes import until
from .guides import LANGS, Lang, block, path_of
from .logged import Logged
from .socket_client import ask, message

GUIDE = "12-monitoring"
Samples = Mapping[str, float]


async def scrape(client: Client) -> str:
    response = await client.get("/metrics")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    return await response.text()


def samples(text: str) -> Samples:
    """Values by `name{label="value",…}`, as they are written."""
    return {
        sample.name + "".join(f' {name}="{value}"' for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def types_of(text: str) -> dict[str, str]:
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))


def table_of(lang: Lang) -> dict[str, str]:
    guide = path_of(GUIDE, lang).read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", guide, re.MULTILINE))


@pytest.mark.parametrize("lang", LANGS)
async def test_the_guide_names_every_metric_and_no_other(client: Client, lang: Lang) -> None:
    told, documented = types_of(await scrape(client)), table_of(lang)
    if sys.platform != "linux":
        documented = {name: kind for name, kind in documented.items() if not name.startswith("process_")}
    assert documented == told


async def test_every_metric_says_what_it_is_and_follows_the_rules_of_names(client: Client) -> None:
    text = await scrape(client)
    for family in text_string_to_metric_families(text):
        assert family.documentation.endswith(".")
        assert re.fullmatch(r"(rag|process)_[a-z_]+", family.name)
    for name, kind in types_of(text).items():
        assert name.endswith("_total") == (kind == "counter")
    if promtool := shutil.which("promtool"):
        check = [promtool, "check", "metrics"]
        done = await asyncio.to_thread(subprocess.run, check, input=text, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


async def upload(client: Client, name: str, content: bytes) -> None:
    data = aiohttp.FormData()
    data.add_field("files", content, filename=name)
    assert (await client.post("/documents", data=data)).status in (202, 415)


async def test_each_figure_moves_when_it_should(parts: Parts, client: Client) -> None:
    before = samples(await scrape(client))

    async def moved() -> dict[str, float]:
        now = samples(await scrape(client))
        return {name: value - before.get(name, 0) for name, value in now.items() if value != before.get(name, 0)}

    words = len(parts.generator.reply.split())
    await converse(client, "what is the answer")
    found = await moved()
    assert found['rag_answers_total finish_reason="stop"'] == 1
    assert found["rag_completion_tokens_total"] == words
    assert found["rag_prompt_tokens_total"] > 10
    assert found['rag_http_requests_total method="GET" route="/chat-ws" status="101"'] == 1
    assert found['rag_websocket_messages_total type="message"'] == 1
    for name in ("time_to_first_token_seconds", "answer_duration_seconds", "decode_tokens_per_second"):
        assert found[f"rag_{name}_count"] == found[f'rag_{name}_bucket le="+Inf"'] == 1
    assert found["rag_decode_tokens_per_second_sum"] > 0

    await upload(client, "pump.md", b"# Pump\n\nThe pump weighs 37 kilograms.\n")
    await upload(client, "empty.md", b"")
    await upload(client, "picture.png", b"\x89PNG")
    await parts.ingester.join()
    found = await moved()
    assert found['rag_ingest_jobs_ended_total state="stored"'] == found["rag_ingest_passages_total"] == 1
    assert found['rag_ingest_jobs_ended_total state="failed"'] == 1
    assert found["rag_documents"] == found["rag_passages"] == 1
    assert found['rag_errors_total code="DOC-001" door="http"'] == 1
    assert found['rag_http_requests_total method="POST" route="/documents" status="202"'] == 2
    assert found['rag_http_requests_total method="POST" route="/documents" status="415"'] == 1

    parts.generator.error = RagError("GEN-999")
    async with client.ws_connect("/chat-ws?session_id=s") as socket:
        await socket.send_str("{")
        await socket.send_json({"type": "cancel", "message_id": "none"})
        await socket.send_json({"type": "resume", "message_id": "none", "next_index": 0})
        await socket.send_str(message("s", "what is the answer", "m"))
        while (await asyncio.wait_for(socket.receive_json(), 10)).get("error_code") != "GEN-999":
            pass
        await until(lambda: client.app[metrics.METRICS].errors["GEN-999", "websocket"])
        await until(lambda: len(client.app[SOCKETS]) == 1)
        found = await moved()
        assert found["rag_websocket_connections"] == 1
    for kind, count in {"invalid": 1, "cancel": 1, "resume": 1, "message": 2}.items():
        assert found[f'rag_websocket_messages_total type="{kind}"'] == count
    for code in ("WS-001-INVALID_JSON", "SESSION-003", "GEN-999"):
        assert found[f'rag_errors_total code="{code}" door="websocket"'] == 1
    assert found['rag_answers_total finish_reason="error"'] == 1


async def test_an_error_is_counted_once_whether_before_a_stream_or_in_it(parts: Parts, client: Client) -> None:
    for path in ("/chat", "/chat/stream"):
        await client.post(path, json={"message": ""})
    parts.generator.error = RagError("GEN-999")
    for path in ("/chat", "/chat/stream", "/chat/stream"):
        await (await client.post(path, json={"message": "what is the answer"})).read()
    await until(lambda: client.app[metrics.METRICS].errors["GEN-999", "sse"] == 2)
    found = samples(await scrape(client))
    assert found['rag_errors_total code="WS-002-VALIDATION_ERROR" door="http"'] == 1
    assert found['rag_errors_total code="WS-002-VALIDATION_ERROR" door="sse"'] == 1
    assert found['rag_errors_total code="GEN-999" door="http"'] == 1
    assert found['rag_answers_total finish_reason="error"'] == 3


async def test_questions_are_running_or_waiting_and_cancelled_ones_are_told_apart(parts: Parts, client: Client) -> None:
    hold = asyncio.Event()
    parts.generator.wait = lambda: hold
    async with client.ws_connect("/chat-ws?session_id=s") as socket:
        for name in ("m1", "m2"):
            await socket.send_str(message("s", "what is the answer", name))
        await until(lambda: parts.generator.prompts)
        found = samples(await scrape(client))
        assert found['rag_questions state="running"'] == found['rag_questions state="waiting"'] == 1
        for name in ("m2", "m1"):
            await socket.send_json({"type": "cancel", "message_id": name})
        await until(lambda: client.app[metrics.METRICS].frames["cancel"] == 2)
        hold.set()
        ends = 0
        while ends < 2:
            ends += (await asyncio.wait_for(socket.receive_json(), 10))["type"] == "stream_end"
    found = samples(await scrape(client))
    assert found['rag_answers_total finish_reason="cancelled"'] == 2
    assert found['rag_questions state="running"'] == found['rag_questions state="waiting"'] == 0


async def test_jobs_show_while_they_run_and_wait(parts: Parts, client: Client) -> None:
    hold = parts.embedder.wait = asyncio.Event()
    for number in range(8):
        await upload(client, f"{number}.md", f"text {number}".encode())
    await until(lambda: len(parts.ingester.working()) == 4)
    found = samples(await scrape(client))
    assert found['rag_ingest_jobs state="running"'] == found['rag_ingest_jobs state="queued"'] == 4
    hold.set()
    await parts.ingester.join()
    found = samples(await scrape(client))
    assert found['rag_ingest_jobs state="running"'] == found['rag_ingest_jobs state="queued"'] == 0


async def test_what_was_known_before_and_what_drafts_were_worth(parts: Parts, aiohttp_client: MakeClient) -> None:
    chat = parts.chat()
    chat.figures.drafts = lambda: (30, 20)
    chat.figures.answered(End("m", 5, 2400, "length", 300, Usage(100, 60, 41)), 2.0)
    client = await aiohttp_client(parts.app(State("ok", "m", "e", chat, parts.index(), figures=chat.figures)))
    found = samples(await scrape(client))
    assert (found["rag_draft_proposed_tokens_total"], found["rag_draft_accepted_tokens_total"]) == (30, 20)
    assert (found["rag_prompt_tokens_total"], found["rag_prompt_cached_tokens_total"]) == (100, 60)
    assert found['rag_answers_total finish_reason="length"'] == 1
    assert found['rag_time_to_first_token_seconds_bucket le="0.25"'] == 0
    assert found['rag_time_to_first_token_seconds_bucket le="0.5"'] == 1


async def test_no_client_can_make_up_series(client: Client) -> None:
    for path in ("/documents/SECRET", "/nowhere/SECRET", "/static/SECRET.js", "/guides/SECRET?SECRET=1"):
        await client.get(path)
    await client.request("PROPFIND", "/health")
    text = await scrape(client)
    assert "SECRET" not in text
    assert "PROPFIND" not in text
    found = samples(text)
    assert found['rag_http_requests_total method="GET" route="/documents/{id}" status="404"'] == 1
    assert found['rag_http_requests_total method="GET" route="unknown" status="404"'] == 1
    assert found['rag_http_requests_total method="other" route="unknown" status="405"'] == 1


async def test_two_applications_in_one_process_count_for_themselves(parts: Parts, aiohttp_client: MakeClient) -> None:
    one, other = [await aiohttp_client(parts.app(State())) for _ in range(2)]
    await one.get("/nowhere")
    assert 'route="unknown"' in await scrape(one)
    assert 'route="unknown"' not in await scrape(other)


async def test_while_the_models_load_it_says_so_and_leaves_out_what_is_not_known(
    parts: Parts, aiohttp_client: MakeClient
) -> None:
    state = State(model='m"1\\', embed_model="e")
    client = await aiohttp_client(parts.app(state))
    found = samples(await scrape(client))
    assert found["rag_ready"] == 0
    assert "rag_documents" not in found
    assert found['rag_build_info embed_model="e" model="m"1\\" version="test"'] == 1
    state.index, state.status = parts.index(), "ok"
    found = samples(await scrape(client))
    assert (found["rag_ready"], found["rag_documents"]) == (1, 1)


async def test_a_store_that_cannot_be_read_leaves_the_other_figures(parts: Parts, client: Client) -> None:
    assert "rag_documents" in samples(await scrape(client))
    parts.store.error = RagError("SEARCH-003", reason="disk", directory="data")
    found = samples(await scrape(client))
    assert "rag_documents" not in found
    assert found["rag_index_bytes"] >= 0


async def test_files_are_counted_on_disk_now_and_then(
    parts: Parts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = parts.directory / "index"
    folder.mkdir()
    before = samples(await scrape(client))
    (folder / "data").write_bytes(bytes(5000))
    assert samples(await scrape(client))["rag_index_bytes"] == before["rag_index_bytes"]
    monkeypatch.setattr(metrics, "SIZES_FOR", 0.0)
    assert samples(await scrape(client))["rag_index_bytes"] == before["rag_index_bytes"] + 5000


@pytest.mark.model
def test_the_real_server_tells_of_its_process_its_index_and_its_answers(server: Server) -> None:
    ask(server.ws_url, "What is RAG Standard?")
    with urllib.request.urlopen(server.url + "/metrics", timeout=30) as response:
        found = samples(response.read().decode())
    health = server.health()
    assert found["rag_ready"] == 1
    assert (found["rag_documents"], found["rag_passages"]) == (health["documents"], health["passages"])
    assert found["rag_index_bytes"] > 1000
    assert found['rag_answers_total finish_reason="stop"'] >= 1
    assert found["rag_event_loop_lag_seconds_count"] > 0
    if sys.platform == "linux":
        assert found["process_resident_memory_bytes"] > 50 << 20
        assert found["process_open_fds"] > 3


# The guide.

SCRAPE = "How to get the metrics of RAG Standard into Prometheus"
QUERIES = "What to look at first"
ALERTS = "When Prometheus should alert"
LINE = "How to get the log of RAG Standard as JSON"
HEALTH = "How to check that RAG Standard is alive and ready"
SEARCH = "How to find a request in the log"


@pytest.mark.guide("12-monitoring", "How to get the metrics of RAG Standard into Prometheus")
@pytest.mark.parametrize("lang", LANGS)
async def test_what_prometheus_is_told_to_scrape_is_there(client: Client, lang: Lang) -> None:
    plain, with_key = (yaml.safe_load(block(GUIDE, SCRAPE, lang, nth).text) for nth in range(2))
    for config in (plain, with_key):
        (job,) = config["scrape_configs"]
        assert job["static_configs"] == [{"targets": ["127.0.0.1:8000"]}]
        assert (await client.get(job["metrics_path"])).status == 200
    assert with_key["scrape_configs"][0]["authorization"]["type"] == "Bearer"


@pytest.mark.guide("12-monitoring", "What to look at first")
@pytest.mark.guide("12-monitoring", "When Prometheus should alert")
@pytest.mark.parametrize("lang", LANGS)
async def test_queries_and_rules_name_what_is_there(client: Client, lang: Lang) -> None:
    await converse(client, "what is the answer")
    await client.get("/nowhere")
    found = {name.split()[0] for name in samples(await scrape(client))}
    queries, alerts = (block(GUIDE, heading, lang).text for heading in (QUERIES, ALERTS))
    for text in (queries, *(rule["expr"] for rule in yaml.safe_load(alerts)["groups"][0]["rules"])):
        named = set(re.findall(r"\brag_\w+", text))
        assert named
        assert named <= found


@pytest.mark.parametrize("lang", LANGS)
def test_prometheus_itself_accepts_configuration_and_rules(tmp_path: Path, lang: Lang) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool of Prometheus is not there")
    texts = {"config": block(GUIDE, SCRAPE, lang, 1).text, "rules": block(GUIDE, ALERTS, lang).text}
    for kind, text in texts.items():
        file = tmp_path / kind
        file.write_text(text.replace("/etc/prometheus/rag-standard.key", str(file)), encoding="utf-8")
        subprocess.run([promtool, "check", kind, str(file)], check=True, capture_output=True)


@pytest.mark.guide("12-monitoring", "How to check that RAG Standard is alive and ready")
@pytest.mark.guide("12-monitoring", "How to find a request in the log")
@pytest.mark.parametrize("lang", LANGS)
async def test_the_requests_of_the_guide_answer_as_it_says(client: Client, lang: Lang) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not there")

    async def run(heading: str) -> str:
        command = block(GUIDE, heading, lang).text.replace("127.0.0.1:8000", f"127.0.0.1:{client.port}")
        shell = await asyncio.create_subprocess_exec("bash", "-euc", command, stdout=asyncio.subprocess.PIPE)
        out, _ = await asyncio.wait_for(shell.communicate(), 30)
        assert shell.returncode == 0
        return out.decode()

    assert json.loads(await run(HEALTH))["status"] == "ok"
    head, body = (await run(SEARCH)).split("\r\n\r\n")
    assert "X-Request-ID: order-4711" in head
    assert json.loads(body)["request_id"] == "order-4711"


@pytest.mark.guide("12-monitoring", "How to get the log of RAG Standard as JSON")
@pytest.mark.parametrize("lang", LANGS)
async def test_the_line_of_the_log_in_the_guide_is_like_a_real_one(
    parts: Parts, aiohttp_client: MakeClient, logged: Logged, lang: Lang
) -> None:
    shown = json.loads(block(GUIDE, LINE, lang).text)
    client = await aiohttp_client(parts.app(log_format="json"))
    await client.get("/documents/doc", headers={"X-Request-ID": "order-4711"})
    (line,) = [line for line in logged.lines() if line["logger"] == "web.access"]
    assert list(line) == list(shown)
    assert line | {"timestamp": "", "ms": 0} == shown | {"timestamp": "", "ms": 0}
