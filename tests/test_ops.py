"""What the server says of itself."""

from __future__ import annotations

from rag.errors import RagError
from rag.incoming import Job
from web.state import State

from .app_client import Client, MakeClient, Parts, converse

FIGURES = {"tokens_per_second", "first_token_ms", "queue", "memory_bytes", "loop_lag_ms", "passages"}


async def test_stats_name_the_model_the_machine_and_what_was_measured(parts: Parts, client: Client) -> None:
    await converse(client, "what is the answer")
    response = await client.get("/stats")
    assert response.headers["Cache-Control"] == "no-store"
    body = await response.json()
    assert body["model"] == {"name": "scripted", "parameters": 7_000_000_000, "context": 4096}
    assert body["embed_model"]["dimension"] == 64
    assert body["hardware"]["cpu"]
    assert body["hardware"]["cores"] >= 1
    assert body["memory"]["process_bytes"] > 0
    assert body["defaults"] == {"answers": "free", "temperature": 0, "sources": 5}
    assert body["queue"] == {"running": 0, "waiting": 0}
    assert (body["documents"], body["passages"]) == (1, 1)
    assert body["totals"] == {"answers": 1, "errors": 0, "tokens": 5}
    assert body["series"].keys() == FIGURES
    assert len(body["series"]["tokens_per_second"]["points"]) == 1


async def test_stats_are_there_before_the_models_are(parts: Parts, aiohttp_client: MakeClient) -> None:
    client = await aiohttp_client(parts.app(State(model="m")))
    body = await (await client.get("/stats")).json()
    assert (body["status"], body["model"]["context"], body["defaults"]["answers"]) == ("loading", None, None)


async def test_health_says_how_far_loading_is(parts: Parts, aiohttp_client: MakeClient) -> None:
    state = State()
    client = await aiohttp_client(parts.app(state))

    async def loading() -> object:
        return (await (await client.get("/health")).json())["loading"]

    assert await loading() == {"phase": "index", "done": 0, "total": 0}
    state.phase = "model"
    state.record(0.423)
    assert await loading() == {"phase": "model", "done": 42, "total": 100}
    read, waiting = (Job(name, f"{name}.md", f"{name}.md", parts.directory) for name in ("read", "waiting"))
    read.move("stored")
    state.phase, state.guides = "guides", [read, waiting]
    assert await loading() == {"phase": "guides", "done": 1, "total": 2}
    state.status = "ok"
    assert "loading" not in await (await client.get("/health")).json()


async def test_a_store_that_cannot_be_read_is_an_error_of_health_but_not_of_stats(parts: Parts, client: Client) -> None:
    parts.store.error = RagError("SEARCH-003", reason="disk", directory="data")
    assert (await client.get("/health")).status == 503
    assert (await client.get("/stats")).status == 200


async def test_options_of_a_message_reach_the_answer_and_bad_ones_are_refused(parts: Parts, client: Client) -> None:
    async def ask(options: object) -> list[str]:
        async with client.ws_connect("/chat-ws?session_id=s&lang=en") as socket:
            message = {"type": "message", "message_id": f"m{options}", "content": "the answer", "session_id": "s"}
            await socket.send_json(message | {"options": options})
            told = []
            while not told or told[-1]["type"] not in ("stream_end", "stream_error"):
                told.append(await socket.receive_json(timeout=10))
            return [str(event.get("message") or event["type"]) for event in told]

    assert (await ask({"documents": ["gone"], "temperature": 0.5}))[-1] == "stream_end"
    assert parts.generator.prompts == []
    assert (await ask({"temperature": 0.5}))[-1] == "stream_end"
    assert parts.generator.samplings[-1].temperature == 0.5
    refusal = "The field 'options.temperature' is not valid: it must be a number from 0 to 2."
    assert await ask({"temperature": 3}) == [refusal]
