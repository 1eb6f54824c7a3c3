"""`server.py` with the arguments given, but over scripted parts: everything around the models is the real thing."""

from __future__ import annotations

import sys
from typing import Any

import server
import web.app
from rag.service import Models
from rag.settings import Settings
from tests.app_client import Parts

if __name__ == "__main__":
    server._models = lambda settings, lang: Models(None, None)  # type: ignore[assignment]

    def app(settings: Settings, version: str, **_: Any) -> Any:
        return Parts(settings.data_dir).app()

    web.app.create_app = app  # type: ignore[assignment]
    sys.exit(server.main())
