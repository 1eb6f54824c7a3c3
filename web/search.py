"""Passages over HTTP, without an answer."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field, StrictInt, StrictStr, TypeAdapter

from rag.protocol import Content, source_of, validate
from rag.types import Filter

from .keys import STATE
from .replies import json_body, reply

Names = Annotated[list[Annotated[StrictStr, Field(min_length=1, max_length=1000)]], Field(max_length=1000)]


class Search(BaseModel):
    query: Content
    k: Annotated[StrictInt, Field(ge=1, le=100)] = 5
    documents: Names = []
    folders: Names = []
    types: Names = []

    def where(self) -> Filter:
        types = [name.lower().removeprefix(".") for name in self.types]
        return Filter(tuple(self.documents), tuple(self.folders), tuple(types))


_SEARCH = TypeAdapter(Search)


async def search(request: web.Request) -> web.Response:
    """`POST /search` {"query", "k", "documents", "folders", "types"} → {"sources": […]} as in `stream_sources`.

    Only the query is needed. `documents` are ids; a folder holds all that lies below it; types are such as `pdf`.
    """
    asked = validate(_SEARCH, await json_body(request))
    index = request.app[STATE].ready_index()
    passages = await index.retriever.search(asked.query, asked.k, asked.where())
    return reply({"sources": [source_of(passage) for passage in passages]})
