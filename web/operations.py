"""Every address of the server, what it takes and what it answers: what `/openapi.json` and `/guides/api` tell."""

from __future__ import annotations

from rag.catalogue import CHAT, DOCUMENTS, HTTP, OPENAI, SEARCH, SESSIONS, SOCKET
from rag.protocol import SESSION_FORM, ChatRequest

from . import documents, openai_types, schemas, sessions
from .operation import (
    BINARY,
    FORM,
    HTML,
    JSON,
    STRING,
    URLENCODED,
    Answer,
    Body,
    Operation,
    Parameter,
    Schema,
    as_json,
    events_of,
    in_path,
    told,
)
from .search import Search

INVALID = "WS-002-VALIDATION_ERROR"
NOT_READY = ("WS-003-SERVICE_NOT_INITIALIZED", "GEN-002", "SEARCH-003", "SETUP-003", "SETUP-010")
NO_INDEX = (*NOT_READY, "SEARCH-004")
# Where something is held open.
HELD = ("WS-004-TOO_MANY_CONNECTIONS", "WS-005-TOO_MANY_OF_CLIENT")
ASKED = (
    *HELD,
    "WS-001-INVALID_JSON",
    INVALID,
    *NO_INDEX,
    "SEARCH-001",
    "GEN-001",
    "GEN-003",
    "GEN-004",
    "GEN-999",
    "RATE-001",
)
# A value in the path that the router does not take for one.
NO_PATH = "HTTP-404"

SESSION_ID = {"type": "string", "pattern": SESSION_FORM}
IN_LANG = Parameter(
    "lang",
    (
        "글의 언어: `ko` 또는 `en`. 없으면 Accept-Language와 서버의 설정을 따릅니다.",
        "Language of the texts: `ko` or `en`. Without it Accept-Language and the server's setting count.",
    ),
    example="en",
)
DOCUMENT = in_path("id", "문서의 id", "Id of the document")
JOB = in_path("id", "작업의 id", "Id of the job")
SESSION = in_path("id", "대화의 id", "Id of the conversation", SESSION_ID)
QUESTION = {"message": "What is the answer?", "session_id": "my-session"}
GONE = {204: Answer(("지웠습니다.", "It is deleted."))}
# Needs no key.
OPEN: Schema = {"security": []}
LED = {
    303: Answer(("다른 주소로 이어집니다.", "The way leads elsewhere."), headers={"Location": ("그 주소", "Where to")})
}
NEXT = ("로그인한 뒤에 열 주소", "What to open after the login")
PAGE = {200: Answer(("HTML 페이지.", "An HTML page."), {HTML: STRING})}

PAGES = (
    Operation("GET", "/", "page", HTTP, ("채팅 화면", "The chat page"), PAGE, parameters=(IN_LANG,)),
    Operation("GET", "/guides", "guides", HTTP, ("도움말 목록", "The list of the guides"), PAGE, parameters=(IN_LANG,)),
    Operation(
        "GET",
        "/guides/{slug}",
        "guide",
        HTTP,
        ("도움말 하나", "One guide"),
        PAGE,
        parameters=(in_path("slug", "도움말의 이름", "Name of the guide"), IN_LANG),
        codes=(NO_PATH,),
    ),
    Operation(
        "GET",
        "/static/{path}",
        "asset",
        HTTP,
        ("화면에 쓰이는 파일", "A file of the page"),
        {
            200: Answer(("파일", "The file."), {"*/*": BINARY}),
            304: Answer(("이미 가진 것과 같습니다.", "It is the one that is there already.")),
        },
        parameters=(
            in_path("path", "파일의 경로", "Path of the file"),
            Parameter("If-None-Match", ("이미 가진 파일의 ETag", "ETag of the file that is there"), place="header"),
        ),
        codes=(NO_PATH,),
        extra=OPEN,
    ),
    Operation(
        "GET",
        "/openapi.json",
        "openapi",
        HTTP,
        ("이 문서", "This document"),
        as_json({"type": "object"}, "OpenAPI 3.1 문서.", "The document, OpenAPI 3.1."),
        parameters=(IN_LANG,),
    ),
    Operation(
        "GET",
        "/login",
        "loginPage",
        HTTP,
        ("로그인 화면", "The login page"),
        PAGE | LED,
        ("키가 정해져 있지 않으면 채팅 화면으로 이어집니다.", "Where no key is set, the way leads to the chat page."),
        (Parameter("next", NEXT, example="./guides"), IN_LANG),
        extra=OPEN,
    ),
    Operation(
        "POST",
        "/login",
        "logIn",
        HTTP,
        ("브라우저에서 로그인", "Log in with a browser"),
        LED
        | {
            403: Answer(
                (
                    "키가 틀렸으면 로그인 화면이 그렇게 말합니다. 다른 주소에서 왔으면 AUTH-003입니다.",
                    "If the key is wrong, the login page says so. If it comes from another site: AUTH-003.",
                ),
                {HTML: STRING, JSON: schemas.Error},
            ),
            429: Answer(
                ("로그인 화면이 기다릴 시간을 말합니다.", "The login page says how long to wait."), {HTML: STRING}
            ),
        },
        (
            "맞는 키를 보내면 로그인 쿠키를 줍니다. 프로그램은 키를 헤더로 보내면 됩니다.",
            "With the right key, it sets the cookie of a login. Programs need none: they send the key in a header.",
        ),
        (IN_LANG,),
        body=Body(
            {
                URLENCODED: {
                    "type": "object",
                    "properties": {
                        "key": told(STRING, "키.", "The key."),
                        "next": told(STRING, NEXT[0], NEXT[1]),
                    },
                    "required": ["key"],
                }
            }
        ),
        extra=OPEN,
    ),
    Operation(
        "POST",
        "/logout",
        "logOut",
        HTTP,
        ("브라우저에서 로그아웃", "Log out with a browser"),
        LED,
    ),
)

SOCKETS = (
    Operation(
        "GET",
        "/chat-ws",
        "chatSocket",
        SOCKET,
        ("대화하는 WebSocket", "The WebSocket of the chat"),
        {101: Answer(("WebSocket이 열렸습니다.", "The WebSocket is open."))},
        (
            "연결 하나로 질문을 여러 번 보냅니다. 메시지의 순서와 규칙은 도움말 `/guides/05-protocol`에 있습니다. "
            "`x-websocket`은 클라이언트가 보내는 메시지와 서버가 보내는 이벤트의 스키마를 가리킵니다.",
            "One connection carries many questions. The guide `/guides/05-protocol` tells the order and the rules. "
            "`x-websocket` names the schemas of what a client sends and of the events that the server sends.",
        ),
        (
            Parameter("session_id", SESSION.said, SESSION_ID, required=True, example="my-session"),
            IN_LANG,
            Parameter("sources", ("`early`: 출처를 먼저 보냅니다.", "`early`: the sources are sent first.")),
            Parameter("answers", ("`quote` 또는 `free`: 답변의 방식", "`quote` or `free`: the kind of the answers.")),
            Parameter("thinking", ("`show`: 모델의 생각도 보냅니다.", "`show`: what the model thinks is sent, too.")),
        ),
        codes=("SESSION-001", "HTTP-400", *HELD),
        extra={
            "x-websocket": {
                "guide": "/guides/05-protocol",
                "client": [{"$ref": f"#/components/schemas/{name}"} for name in ("ClientMessage", "Cancel", "Resume")],
                "server": [
                    {"$ref": f"#/components/schemas/Stream{name}"}
                    for name in ("Start", "Token", "Thinking", "Sources", "End", "Error")
                ],
            }
        },
    ),
)

CHATS = (
    Operation(
        "POST",
        "/chat",
        "chat",
        CHAT,
        ("질문하고 답변을 한 번에 받기", "Ask, and get the whole answer"),
        as_json(schemas.Answered, "답변과 출처.", "The answer with its sources."),
        ("같은 `session_id`의 질문은 한 대화입니다.", "Questions of one `session_id` are one conversation."),
        (IN_LANG,),
        body=Body({JSON: ChatRequest}, QUESTION),
        codes=(*ASKED, "SESSION-001", "SETUP-010"),
    ),
    Operation(
        "POST",
        "/chat/stream",
        "chatStream",
        CHAT,
        ("질문하고 답변을 흘려 받기", "Ask, and get the answer as it comes"),
        {
            200: Answer(
                (
                    "서버 전송 이벤트: `metadata` 하나, `chunk` 여럿, `done` 하나. 도중에 실패하면 `error`로 끝납니다.",
                    "Server-sent events: one `metadata`, any number of `chunk`, one `done`, or an `error`.",
                ),
                events_of("ChatMetadata", "ChatChunk", "ChatDone", "ChatError"),
            )
        },
        ("연결을 끊으면 답변도 멈춥니다.", "A client that goes away stops the answer."),
        (IN_LANG,),
        body=Body({JSON: ChatRequest}, QUESTION),
        codes=(*ASKED, "SESSION-001", "SETUP-010"),
    ),
)

OPENAIS = (
    Operation(
        "GET",
        "/v1/models",
        "listModels",
        OPENAI,
        ("모델 목록", "List the models"),
        as_json(schemas.Models, "채팅 모델과 임베딩 모델.", "The chat model and the embedding model."),
        parameters=(IN_LANG,),
    ),
    Operation(
        "GET",
        "/v1/models/{id}",
        "getModel",
        OPENAI,
        ("모델 하나", "One model"),
        as_json(schemas.Model, "모델.", "The model."),
        parameters=(in_path("id", "모델의 이름", "Name of the model"), IN_LANG),
        codes=(NO_PATH,),
    ),
    Operation(
        "POST",
        "/v1/chat/completions",
        "createCompletion",
        OPENAI,
        ("대화에 이어 답변하기", "Answer a conversation"),
        {
            200: Answer(
                (
                    "답변. `stream`이면 서버 전송 이벤트로 오고 `[DONE]`으로 끝납니다.",
                    "The answer; with `stream` server-sent events that end with `[DONE]`.",
                ),
                {JSON: schemas.Completion, **events_of("CompletionChunk", "OpenAIError", last="[DONE]")},
            )
        },
        (
            "문서에서 찾아 답하고 출처를 `sources`에 담습니다. `retrieval`이 false이면 모델만 답합니다. "
            "모델 이름은 아무것이나 됩니다.",
            "It answers from the documents and gives its `sources`; with `retrieval` false the model answers alone. "
            "Any name of a model is taken.",
        ),
        (IN_LANG,),
        body=Body({JSON: openai_types.ChatRequest}, {"messages": [{"role": "user", "content": QUESTION["message"]}]}),
        codes=ASKED,
    ),
    Operation(
        "POST",
        "/v1/embeddings",
        "createEmbeddings",
        OPENAI,
        ("글을 벡터로", "Texts to vectors"),
        as_json(schemas.Embeddings, "글마다 단위 벡터 하나.", "One unit vector for each text."),
        parameters=(IN_LANG,),
        body=Body({JSON: openai_types.EmbeddingRequest}, {"input": ["warranty", "delivery"]}),
        codes=("WS-001-INVALID_JSON", INVALID, *NO_INDEX, "SEARCH-001", "EMBED-001"),
    ),
)

CONVERSATIONS = (
    Operation(
        "GET",
        "/sessions",
        "listSessions",
        SESSIONS,
        ("대화 목록", "List the conversations"),
        as_json(schemas.Sessions, "대화. 마지막에 쓴 것이 먼저입니다.", "The conversations, the latest used first."),
        parameters=(IN_LANG,),
        query=sessions.Listing,
        codes=(INVALID, *NOT_READY),
    ),
    Operation(
        "POST",
        "/sessions",
        "createSession",
        SESSIONS,
        ("대화 시작하기", "Begin a conversation"),
        as_json(schemas.NewSession, "이미 있던 대화입니다.", "It is known already.")
        | as_json(schemas.NewSession, "새 대화입니다.", "It is new.", 201),
        ("id가 없으면 서버가 UUID v4를 만듭니다.", "Without an id the server makes a UUID v4."),
        (IN_LANG,),
        body=Body({JSON: sessions.New}, {"session_id": "my-session"}, required=False),
        codes=("WS-001-INVALID_JSON", INVALID, "SESSION-001", *NOT_READY, "SETUP-010"),
    ),
    Operation(
        "GET",
        "/sessions/{id}",
        "getSession",
        SESSIONS,
        ("대화 보기", "What the server knows of a conversation"),
        as_json(schemas.Session, "질문과 답변, 그 출처.", "The questions and answers with their sources."),
        ("보는 것은 사용으로 치지 않습니다.", "Looking does not count as use."),
        (SESSION, IN_LANG),
        codes=(*NOT_READY, "SESSION-001", "SESSION-002", NO_PATH),
    ),
    Operation(
        "DELETE",
        "/sessions/{id}",
        "deleteSession",
        SESSIONS,
        ("대화 지우기", "Forget a conversation"),
        GONE,
        ("진행 중인 답변이 있으면 끝나기를 기다립니다.", "The end of an answer that runs is waited for."),
        (SESSION, IN_LANG),
        codes=(*NOT_READY, "SESSION-001", "SESSION-002", NO_PATH),
    ),
)

SEARCHES = (
    Operation(
        "POST",
        "/search",
        "search",
        SEARCH,
        ("문단 찾기", "Find passages"),
        as_json(schemas.Found, "찾은 문단. 점수가 높은 것이 먼저입니다.", "The passages, the best first."),
        ("답변은 만들지 않습니다.", "No answer is written."),
        (IN_LANG,),
        body=Body({JSON: Search}, {"query": "warranty", "k": 3}),
        codes=("WS-001-INVALID_JSON", INVALID, *NO_INDEX, "SEARCH-001"),
    ),
)

STORED = (
    Operation(
        "GET",
        "/documents",
        "listDocuments",
        DOCUMENTS,
        ("문서 목록", "List the documents"),
        as_json(schemas.Documents, "문서와 그 수.", "The documents, and how many there are."),
        (
            "아직 처리 중인 새 문서가 앞에 오며, `status`는 그 작업의 상태입니다.",
            "New documents that are being worked on stand first, with the state of their job as `status`.",
        ),
        (IN_LANG,),
        documents.Listing,
        codes=(INVALID, *NO_INDEX),
    ),
    Operation(
        "GET",
        "/documents/stats",
        "documentStats",
        DOCUMENTS,
        ("문서의 수와 크기", "How many documents, and their size"),
        as_json(schemas.DocumentStats, "수와 크기.", "Numbers and sizes."),
        parameters=(IN_LANG,),
        codes=NO_INDEX,
    ),
    Operation(
        "GET",
        "/documents/{id}",
        "getDocument",
        DOCUMENTS,
        ("문서 하나", "One document"),
        as_json(schemas.DocumentDetails, "문서.", "The document."),
        parameters=(DOCUMENT, IN_LANG),
        codes=(*NO_INDEX, "DOC-007", NO_PATH),
    ),
    Operation(
        "DELETE",
        "/documents/{id}",
        "deleteDocument",
        DOCUMENTS,
        ("문서 지우기", "Delete a document"),
        GONE,
        ("색인과 원본을 모두 지웁니다.", "Nothing is left of it, neither in the index nor its original."),
        (DOCUMENT, IN_LANG),
        codes=(*NO_INDEX, "DOC-007", NO_PATH),
    ),
    Operation(
        "GET",
        "/documents/{id}/text",
        "documentText",
        DOCUMENTS,
        ("문서의 글", "The text of a document"),
        as_json(schemas.DocumentText, "글의 한 부분.", "A part of the text."),
        (
            "자리는 문자 수로 셉니다. `page`를 주면 그 쪽의 처음부터 셉니다.",
            "Places are counted in characters; with a `page`, from where it begins.",
        ),
        (DOCUMENT, IN_LANG),
        documents.Span,
        codes=(INVALID, *NO_INDEX, "DOC-007", NO_PATH),
    ),
    Operation(
        "GET",
        "/documents/{id}/find",
        "findInDocument",
        DOCUMENTS,
        ("문서 안에서 말 찾기", "Find words in a document"),
        as_json(schemas.Places, "찾은 자리.", "Where they stand."),
        parameters=(DOCUMENT, IN_LANG),
        query=documents.Words,
        codes=(INVALID, *NO_INDEX, "DOC-007", NO_PATH),
    ),
    Operation(
        "GET",
        "/documents/{id}/original",
        "originalDocument",
        DOCUMENTS,
        ("원본 파일", "The original file"),
        {
            200: Answer(
                ("추가한 그대로의 파일.", "The file as it was added."),
                {"application/octet-stream": BINARY, "application/pdf": BINARY},
                {"Content-Disposition": ("파일의 이름", "Name of the file")},
            ),
            206: Answer(
                ("Range로 물은 부분.", "The part that Range asks for."),
                {"application/octet-stream": BINARY, "application/pdf": BINARY},
            ),
            304: Answer(("이미 가진 것과 같습니다.", "It is the one that is there already.")),
            416: Answer(("파일에 그런 부분이 없습니다.", "The file has no such part.")),
        },
        parameters=(
            DOCUMENT,
            Parameter("inline", ("`1`: PDF를 화면에 보입니다.", "`1`: a PDF is to be shown, not saved."), example="1"),
            IN_LANG,
        ),
        codes=(*NO_INDEX, "DOC-007", "DOC-008", NO_PATH),
    ),
)

INCOMING = (
    Operation(
        "POST",
        "/documents",
        "uploadDocuments",
        DOCUMENTS,
        ("문서 추가", "Add documents"),
        as_json(schemas.Uploaded, "파일마다 작업이 하나 생겼습니다.", "Each file has become a job.", 202),
        (
            "받은 것은 디스크에 있습니다. 파일 하나라도 거부되면 그 요청의 파일은 하나도 남지 않습니다.",
            "What is accepted is on disk. If one file is refused, none of the request is kept.",
        ),
        (IN_LANG,),
        body=Body(
            {
                FORM: {
                    "type": "object",
                    "properties": {
                        "origin": told(
                            STRING,
                            "뒤따르는 파일이 온 곳. 같은 곳에서 온 파일은 그 문서를 대신합니다.",
                            "Where the file after it comes from: the same origin replaces its document.",
                        ),
                        "files": told({"type": "array", "items": BINARY, "minItems": 1}, "파일들.", "The files."),
                    },
                    "required": ["files"],
                }
            }
        ),
        codes=(INVALID, *NO_INDEX, "DOC-001", "DOC-002", "SETUP-010"),
    ),
    Operation(
        "GET",
        "/documents/jobs",
        "listJobs",
        DOCUMENTS,
        ("작업 목록", "List the jobs"),
        as_json(schemas.Jobs, "처리 중, 대기 중, 끝난 작업의 차례.", "Working, waiting, ended."),
        parameters=(IN_LANG,),
        codes=NO_INDEX,
    ),
    Operation(
        "GET",
        "/documents/jobs/events",
        "followJobs",
        DOCUMENTS,
        ("모든 작업의 진행", "The progress of all jobs"),
        {
            200: Answer(
                (
                    "끝나지 않는 서버 전송 이벤트 `jobs`. 데이터는 스키마 `JobNews`입니다.",
                    "Server-sent events `jobs` without end; their data have the schema `JobNews`.",
                ),
                events_of("JobNews"),
            )
        },
        parameters=(IN_LANG,),
        codes=(*HELD, *NO_INDEX),
    ),
    Operation(
        "DELETE",
        "/documents/jobs/{id}",
        "cancelJob",
        DOCUMENTS,
        ("작업 취소", "Cancel a job"),
        as_json(schemas.Job, "끝난 작업.", "The job as it has ended."),
        (
            "이미 저장된 것이 아니면 아무것도 남지 않습니다.",
            "Nothing is left of it, unless it was stored before.",
        ),
        (JOB, IN_LANG),
        codes=(*NO_INDEX, "DOC-007", NO_PATH),
    ),
    Operation(
        "GET",
        "/documents/jobs/{id}/events",
        "followJob",
        DOCUMENTS,
        ("작업 하나의 진행", "The progress of a job"),
        {
            200: Answer(
                (
                    "작업이 끝날 때까지의 서버 전송 이벤트 `job`. 데이터는 스키마 `Job`입니다.",
                    "Server-sent events `job` until it has ended; their data have the schema `Job`.",
                ),
                events_of("Job"),
            )
        },
        parameters=(JOB, IN_LANG),
        codes=(*HELD, *NO_INDEX, "DOC-007", NO_PATH),
    ),
)

RUNNING = (
    Operation(
        "GET",
        "/health",
        "health",
        HTTP,
        ("준비되었는지", "Whether it is ready"),
        as_json(schemas.Health, "준비되었거나 모델을 불러오는 중입니다.", "It is ready, or loads its models.")
        | as_json(schemas.Health, "쓸 수 없습니다. `error`가 까닭을 말합니다.", "Not usable; `error` says why.", 503),
        (
            "키가 정해져 있으면, 키 없이는 `status`, `version`, `key_required`만 알려 줍니다.",
            "Where a key is set, it tells `status`, `version` and `key_required` alone to those who have none.",
        ),
        (IN_LANG,),
        extra=OPEN,
    ),
    Operation(
        "GET",
        "/stats",
        "stats",
        HTTP,
        ("모델, 컴퓨터, 지난 한 시간의 수치", "Models, machine, and the figures of the last hour"),
        as_json(schemas.Stats, "수치. 아직 없는 것은 null입니다.", "The figures; what is not there yet is null."),
        parameters=(IN_LANG,),
    ),
    Operation(
        "GET",
        "/metrics",
        "metrics",
        HTTP,
        ("모니터링을 위한 지표", "Metrics for monitoring"),
        {200: Answer(("Prometheus 텍스트 형식.", "The text format of Prometheus."), {"text/plain": STRING})},
        (
            "지표의 이름과 뜻은 도움말 `/guides/12-monitoring`에 있습니다.",
            "The guide `/guides/12-monitoring` names them.",
        ),
    ),
)

OPERATIONS: tuple[Operation, ...] = (
    *SOCKETS,
    *CHATS,
    *OPENAIS,
    *CONVERSATIONS,
    *SEARCHES,
    *INCOMING,
    *STORED,
    *RUNNING,
    *PAGES,
)
