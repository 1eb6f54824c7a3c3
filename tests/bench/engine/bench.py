"""What all measurements share: where things are, and how either server is started for one of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import load, ours, peers
from .load import Prompt, Timings, Wanted
from .ours import Ours
from .peers import Flags
from .workloads import TINY, WARM_UP, Workload


@dataclass(frozen=True, slots=True)
class Bench:
    """`work` holds data and logs of this run; `limit` is the longest a measurement may take, in seconds."""

    peers: Path
    models_dir: Path
    model: Path
    work: Path
    cores: int
    rounds: int = 3
    tokens: int = 128
    limit: float = 600.0
    levels: tuple[int, ...] = (1, 8, 16)
    requests: int = 2
    product_chats: int = 8
    data: Path | None = None
    settings: dict[str, str] = field(default_factory=dict)
    draft_on: dict[str, str] = field(default_factory=dict)
    draft_off: dict[str, str] = field(default_factory=dict)
    bare_flags: tuple[str, ...] = ()
    calibrated: dict[str, Flags] = field(default_factory=dict)

    @contextlib.contextmanager
    def ours(
        self,
        workload: Workload | None = None,
        *,
        chats: int = 1,
        tokens: int = 0,
        never_end: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> Iterator[Ours]:
        """Our server, warmed up for so many chats. `settings` come on top of those of the command line."""
        passages = (workload or Workload([], TINY)).write(self.work / "passages.json")
        with ours.start(
            self.models_dir,
            self.work / "data",
            self.work / "ours.log",
            max_tokens=tokens or self.tokens,
            never_end=never_end,
            passages=passages,
            settings=self.settings | dict(settings or {}),
        ) as server:
            load.run(load.warm_up(server.url, WARM_UP, chats), self.limit)
            yield server

    def ask(self, server: Ours, chats: Sequence[Sequence[str]], fresh: bool = False) -> Timings:
        return load.run(load.ask_ours(server.url, chats, fresh=fresh), self.limit)

    def ask_peer(
        self, how: Flags, chats: Sequence[Sequence[Prompt]], wanted: Wanted, warm_up: Prompt | None = None
    ) -> Timings:
        """A llama-server for this one measurement, warmed up for as many chats by the prompt that ours was."""
        first = [[warm_up or chats[0][0][:16]] for _ in chats]
        with peers.llama_server(self.peers, self.model, how, self.work / "llama-server.log") as url:
            load.run(load.ask_peer(url, first, Wanted(2)), self.limit)
            return load.run(load.ask_peer(url, chats, wanted), self.limit)

    def bare(self, server: Ours, *, prompt: int = 0, generate: int = 0, depth: int = 0) -> float:
        """Seconds that llama-bench takes with the flags that our server, stopped by now, has reported."""
        about = server.about
        flags = self.bare_flags or (
            *("-t", str(about["batch_threads" if prompt else "threads"])),
            *("-fa", "on" if about["flash_attention"] else "off"),
            *("-ctk", "f16" if about["kv_type"] == "f16" else "q8_0"),
            *("-ctv", "q8_0" if about["kv_type"] == "q8_0" else "f16"),
        )
        # With OpenMP's own spinning and with that of our server: the faster one is the measure.
        return min(
            peers.llama_bench(
                self.peers, self.model, prompt=prompt, generate=generate, depth=depth, flags=flags, spin=spin
            )
            for spin in ("", "1000")
        )
