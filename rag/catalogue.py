"""The rows of the error catalogue: one table, two languages. It is shown at `/guides/errors` as it stands here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Door = Literal["socket", "chat", "openai", "search", "documents", "sessions", "http", "command"]

SOCKET: Door = "socket"
CHAT: Door = "chat"
OPENAI: Door = "openai"
SEARCH: Door = "search"
DOCUMENTS: Door = "documents"
SESSIONS: Door = "sessions"
# Any address, whatever it is for.
HTTP: Door = "http"
COMMAND: Door = "command"


@dataclass(frozen=True, slots=True)
class Text:
    """What went wrong, and what to do about it, in one language. `{names}` are filled from the error's data.

    `when` says for readers of the catalogue what brings it about.
    """

    message: str
    solutions: tuple[str, ...]
    when: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the catalogue: the HTTP status, the texts, and the doors at which it can be met."""

    status: int
    ko: Text
    en: Text
    doors: tuple[Door, ...]


def _row(
    status: int,
    ko: str,
    ko_do: tuple[str, ...],
    en: str,
    en_do: tuple[str, ...],
    when: tuple[str, str] = ("", ""),
    doors: tuple[Door, ...] = (),
) -> Row:
    return Row(status, Text(ko, ko_do, when[0]), Text(en, en_do, when[1]), doors)


CATALOGUE: dict[str, Row] = {
    "WS-001-INVALID_JSON": _row(
        400,
        "잘못된 JSON 형식입니다.",
        ("메시지가 JSON 객체 하나인지 확인하세요.", "형식을 고친 뒤 다시 보내세요."),
        "The message is not valid JSON.",
        ("Check that it is one JSON object, sent as text.", "Correct it and send it again."),
        when=(
            "본문이나 프레임이 JSON이 아니거나, 바이너리이거나, 객체가 아닐 때",
            "A frame or a body is not JSON, is binary, or is not an object.",
        ),
        doors=(SOCKET, CHAT, OPENAI, SEARCH, SESSIONS),
    ),
    "WS-002-VALIDATION_ERROR": _row(
        400,
        "'{field}' 값이 올바르지 않습니다: {rule}.",
        ("'{field}' 값을 고친 뒤 다시 보내세요.",),
        "The field '{field}' is not valid: {rule}.",
        ("Correct '{field}' and send the message again.",),
        when=(
            "필드가 없거나, 형식이 다르거나, 비었거나, 너무 길거나, session_id가 다를 때",
            "A field is missing, of the wrong type, empty or too long, or the session differs.",
        ),
        doors=(SOCKET, CHAT, OPENAI, SEARCH, DOCUMENTS, SESSIONS),
    ),
    "WS-003-SERVICE_NOT_INITIALIZED": _row(
        503,
        "채팅 서비스가 아직 준비되지 않았습니다.",
        ("모델을 불러오는 중이면 잠시 기다렸다가 다시 시도하세요.", "계속되면 관리자에게 문의하세요."),
        "The chat service is not ready yet.",
        ("If the model is loading, wait a moment and try again.", "If it goes on, ask the administrator."),
        when=("모델을 아직 불러오는 중일 때", "The models are still being loaded."),
        doors=(SOCKET, CHAT, OPENAI, SEARCH, DOCUMENTS, SESSIONS),
    ),
    "WS-004-TOO_MANY_CONNECTIONS": _row(
        503,
        "연결이 너무 많습니다(최대 {limit}개).",
        ("쓰지 않는 창을 닫고 잠시 후 다시 시도하세요.", "계속되면 관리자에게 --max-connections를 늘려 달라고 하세요."),
        "There are too many connections (at most {limit}).",
        (
            "Close windows that you do not use and try again shortly.",
            "If it goes on, ask the administrator to raise --max-connections.",
        ),
        when=(
            "열려 있는 소켓이나 HTTP 스트림이 --max-connections만큼 있을 때",
            "As many sockets are open, or streams over HTTP, as --max-connections allows.",
        ),
        doors=(SOCKET, CHAT, OPENAI, DOCUMENTS),
    ),
    "WS-005-TOO_MANY_OF_CLIENT": _row(
        429,
        "이 주소에서 온 연결이 너무 많습니다(최대 {limit}개).",
        (
            "쓰지 않는 창을 닫고 잠시 후 다시 시도하세요.",
            "여러 사람이 프록시 하나로 접속한다면 관리자에게 --trusted-proxies에 그 프록시를 적어 달라고 하세요.",
            "그 밖의 경우에는 관리자에게 --max-client-connections를 늘려 달라고 하세요.",
        ),
        "There are too many connections from this address (at most {limit}).",
        (
            "Close windows that you do not use and try again shortly.",
            "If many people come through one proxy, ask the administrator to name it in --trusted-proxies.",
            "Otherwise ask the administrator to raise --max-client-connections.",
        ),
        when=(
            "다른 컴퓨터의 클라이언트 하나가 소켓이나 HTTP 스트림을 --max-client-connections만큼 열었을 때",
            "A client on another machine has as many sockets or streams open as --max-client-connections allows.",
        ),
        doors=(SOCKET, CHAT, OPENAI, DOCUMENTS),
    ),
    "WS-006-SERVER_STOPPING": _row(
        503,
        "서버가 종료되거나 다시 시작되는 중입니다. 약 {seconds}초 후에 다시 시도하세요.",
        (
            "서버가 돌아오면 다시 보내세요. 문서와 대화는 그대로 있습니다.",
            "서버가 돌아오지 않으면 관리자에게 문의하세요.",
        ),
        "The server is stopping or starting again. Try again in about {seconds} s.",
        (
            "Send it again when the server is back. Documents and conversations are kept.",
            "If it does not come back, ask the administrator.",
        ),
        when=(
            "서버가 종료되는 동안 새 요청이 왔을 때, 또는 그때까지 끝나지 않은 답변",
            "Something new is asked of a server that is being stopped, or an answer has not ended by then.",
        ),
        doors=(SOCKET, CHAT, OPENAI, SEARCH, DOCUMENTS, SESSIONS),
    ),
    "WS-999-INTERNAL_ERROR": _row(
        500,
        "내부 오류가 발생했습니다.",
        ("잠시 후 다시 시도하세요.", "계속되면 서버 로그를 관리자에게 전달하세요."),
        "An internal error occurred.",
        ("Try again shortly.", "If it goes on, give the server's log to the administrator."),
        when=("예상하지 못한 오류가 생겼을 때", "Anything unforeseen."),
        doors=(SOCKET, CHAT, OPENAI, SEARCH, DOCUMENTS, SESSIONS, HTTP),
    ),
    "GEN-001": _row(
        504,
        "모델의 답변이 늦어지고 있습니다({seconds}초 동안 응답 없음).",
        ("잠시 후 다시 시도하세요.", "계속되면 관리자에게 알려 주세요."),
        "The model's answer is delayed: nothing came for {seconds} s.",
        ("Try again shortly.", "If it goes on, tell the administrator."),
        when=("제한 시간 안에 토큰이 하나도 나오지 않았을 때", "No token came within the time limit."),
        doors=(SOCKET, CHAT, OPENAI, COMMAND),
    ),
    "GEN-002": _row(
        503,
        "모델 파일을 사용할 수 없습니다: {file} ({reason}).",
        ("GGUF 파일을 {directory} 폴더에 넣으세요.", "'server.py doctor'로 상태를 확인하세요."),
        "The model file cannot be used: {file} ({reason}).",
        ("Put a GGUF file into {directory}.", "Run 'server.py doctor' to see what it finds."),
        when=(
            "모델 파일이 없거나, 읽을 수 없거나, 채팅 모델이 아닐 때",
            "The model file is missing, unreadable or not a chat model.",
        ),
        doors=(SOCKET, CHAT, OPENAI, SEARCH, DOCUMENTS, SESSIONS, COMMAND),
    ),
    "GEN-003": _row(
        413,
        "질문이 모델의 문맥보다 깁니다: {tokens}토큰이며 최대 {limit}토큰(약 {characters}자)까지 가능합니다.",
        ("질문을 줄여서 다시 보내세요.", "더 긴 문맥을 가진 모델이나 더 큰 --ctx 값을 사용하세요."),
        "The question is longer than the model's context: {tokens} tokens, at most {limit} fit "
        "(about {characters} characters).",
        ("Shorten the question and send it again.", "Use a model with a longer context, or a larger --ctx."),
        when=("질문만으로 모델의 문맥을 넘을 때", "The question alone does not fit the model's context."),
        doors=(SOCKET, CHAT, OPENAI, COMMAND),
    ),
    "GEN-004": _row(
        503,
        "대기열이 가득 찼습니다. 약 {seconds}초 후에 다시 시도하세요.",
        ("앞선 답변이 끝난 뒤 다시 보내세요.",),
        "The queue is full. Try again in about {seconds} s.",
        ("Send the message again when the earlier answers are done.",),
        when=("기다리는 질문이 너무 많을 때", "Too many questions wait already."),
        doors=(SOCKET, CHAT, OPENAI, COMMAND),
    ),
    "GEN-999": _row(
        500,
        "답변을 생성하지 못했습니다.",
        ("다시 시도하세요.", "계속되면 'server.py doctor'를 실행해 보세요."),
        "The answer could not be generated.",
        ("Try again.", "If it goes on, run 'server.py doctor'."),
        when=("모델이 답변을 만들다가 실패했을 때", "The model failed while it made the answer."),
        doors=(SOCKET, CHAT, OPENAI, COMMAND),
    ),
    "EMBED-001": _row(
        413,
        "{number}번째 텍스트가 임베딩 모델이 읽을 수 있는 것보다 깁니다: {tokens}토큰이며 최대 {limit}토큰입니다.",
        ("텍스트를 나누어 보내세요.",),
        "Text number {number} is longer than the embedding model reads at once: {tokens} tokens, at most {limit} fit.",
        ("Split the text and send its parts.",),
        when=(
            "임베딩할 글이 모델이 읽을 수 있는 것보다 길 때",
            "A text to be embedded is too long for the model.",
        ),
        doors=(OPENAI,),
    ),
    "SEARCH-001": _row(
        500,
        "검색하지 못했습니다.",
        ("다시 시도하세요.",),
        "The search failed.",
        ("Try again.",),
        when=("검색을 실행할 수 없을 때", "The query could not be run."),
        doors=(SOCKET, CHAT, OPENAI, SEARCH, COMMAND),
    ),
    "SEARCH-003": _row(
        503,
        "문서 저장소를 읽을 수 없어 검색할 수 없습니다: {reason}.",
        ("데이터 폴더({directory})의 권한과 남은 디스크 공간을 확인하세요.", "서버를 다시 시작하세요."),
        "Search is unavailable, the document store cannot be read: {reason}.",
        ("Check the permissions and the free space of the data directory ({directory}).", "Restart the server."),
        when=("문서 저장소를 읽을 수 없을 때", "The document store cannot be read."),
        doors=(SOCKET, CHAT, OPENAI, SEARCH, DOCUMENTS, SESSIONS, COMMAND),
    ),
    "SEARCH-004": _row(
        503,
        "새 임베딩 모델에 맞춰 색인을 다시 만드는 중입니다({percent}%).",
        ("잠시 후 다시 시도하세요.",),
        "The index is being rebuilt for another embedding model ({percent}%).",
        ("Try again in a moment.",),
        when=(
            "임베딩 모델이 바뀌어 색인을 다시 만드는 중이고, 찾을 것이 아직 새 색인에 없을 때",
            "The embedding model was changed, and what is asked for is not in the new index yet.",
        ),
        doors=(SOCKET, CHAT, OPENAI, SEARCH, DOCUMENTS, COMMAND),
    ),
    "SESSION-001": _row(
        400,
        "session_id가 없거나 형식이 잘못되었습니다.",
        ("영문자, 숫자, '. _ : -'로 된 1~128자의 값을 사용하세요(UUID v4 권장).",),
        "The session_id is missing or malformed.",
        ("Use 1 to 128 characters of letters, digits and '. _ : -' (a UUID v4 is best).",),
        when=("session_id가 없거나 형식이 잘못되었을 때", "The session_id is missing or malformed."),
        doors=(SOCKET, CHAT, SESSIONS),
    ),
    "SESSION-002": _row(
        404,
        "그런 대화가 없습니다.",
        ("대화는 마지막 사용 후 {minutes}분이 지나면 끝납니다. 새 대화를 시작하세요.",),
        "There is no such conversation.",
        ("A conversation ends {minutes} minutes after its last use. Start a new one.",),
        when=("대화가 없거나 이미 끝났을 때", "There is no such conversation, or it has ended."),
        doors=(SESSIONS,),
    ),
    "SESSION-003": _row(
        404,
        "이어받을 답변이 없습니다.",
        ("질문을 다시 보내세요.",),
        "There is no answer to resume.",
        ("Send the question again.",),
        when=("이어받을 답변이 더는 보관되어 있지 않을 때", "The answer to be resumed is no longer kept."),
        doors=(SOCKET,),
    ),
    "DOC-001": _row(
        415,
        "지원하지 않는 파일 형식입니다: {file}.",
        ("지원하는 형식: {supported}.",),
        "This file type is not supported: {file}.",
        ("Supported types: {supported}.",),
        when=("지원하지 않는 형식의 파일을 추가할 때", "A file of a type that is not supported is added."),
        doors=(DOCUMENTS, COMMAND),
    ),
    "DOC-002": _row(
        413,
        "파일이 너무 큽니다: {file} (최대 {limit} MiB).",
        ("파일을 나누어 올리세요.",),
        "The file is too large: {file} (at most {limit} MiB).",
        ("Split the file.",),
        when=("파일이 허용된 크기보다 클 때", "A file is larger than is allowed."),
        doors=(DOCUMENTS, COMMAND),
    ),
    "DOC-003": _row(
        422,
        "빈 파일입니다: {file}.",
        ("내용이 있는 파일인지 확인하세요.",),
        "The file is empty: {file}.",
        ("Check that this is the right file.",),
        when=("추가한 파일이 비어 있을 때", "An added file is empty."),
        doors=(DOCUMENTS, COMMAND),
    ),
    "DOC-004": _row(
        422,
        "암호로 보호된 파일입니다: {file}.",
        ("암호를 해제한 사본을 추가하세요.",),
        "The file is protected by a password: {file}.",
        ("Add a copy without the password.",),
        when=("추가한 파일에 암호가 걸려 있을 때", "An added file is protected by a password."),
        doors=(DOCUMENTS, COMMAND),
    ),
    "DOC-005": _row(
        422,
        "파일이 손상되었거나 확장자와 다른 형식이라 읽을 수 없습니다: {file}.",
        ("원래 프로그램에서 열리는지 확인하고 다시 저장하세요.",),
        "The file is damaged, or is not what its name says, and cannot be read: {file}.",
        ("Check that it opens in its own program, and save it again.",),
        when=(
            "추가한 파일이 손상되었거나 확장자와 다른 형식일 때",
            "An added file is damaged, or is not what its name says.",
        ),
        doors=(DOCUMENTS, COMMAND),
    ),
    "DOC-006": _row(
        422,
        "파일에서 글자를 찾지 못했습니다: {file}.",
        ("스캔한 문서라면 문자 인식(OCR)을 거친 파일을 추가하세요.",),
        "No text was found in the file: {file}.",
        ("If it is a scan, add a copy with recognised text (OCR).",),
        when=("추가한 파일에 글자가 없을 때(예: 스캔한 그림)", "An added file holds no text, as a scan does."),
        doors=(DOCUMENTS, COMMAND),
    ),
    "DOC-007": _row(
        404,
        "그런 문서가 없습니다: {file}.",
        ("문서 목록을 새로 고치세요.",),
        "There is no such document: {file}.",
        ("Refresh the list of documents.",),
        when=("문서나 작업의 id가 없을 때", "There is no document or job of this id."),
        doors=(DOCUMENTS, COMMAND),
    ),
    "DOC-008": _row(
        404,
        "파일이나 폴더를 읽을 수 없습니다: {file}.",
        ("경로와 권한을 확인하세요.",),
        "The file or folder cannot be read: {file}.",
        ("Check the path and its permissions.",),
        when=(
            "추가할 파일이나 보관된 원본을 읽을 수 없을 때",
            "A file to be added, or the kept original, cannot be read.",
        ),
        doors=(DOCUMENTS, COMMAND),
    ),
    "DOC-009": _row(
        422,
        "파일을 읽는 데 너무 오래 걸립니다: {file} ({seconds}초 초과).",
        ("파일을 나누어 추가하세요.", "PDF나 텍스트로 다시 저장해 추가하세요."),
        "Reading the file takes too long: {file} (more than {seconds} s).",
        ("Split the file.", "Save it again as PDF or text, and add that."),
        when=("추가한 파일을 읽는 데 제한 시간이 지났을 때", "Reading an added file takes longer than is allowed."),
        doors=(DOCUMENTS, COMMAND),
    ),
    "DOC-010": _row(
        422,
        "파일을 읽는 데 메모리가 너무 많이 들거나, 읽는 도중 프로그램이 멈춥니다: {file}.",
        ("파일을 나누어 추가하세요.", "원래 프로그램에서 다시 저장하거나 PDF로 저장해 추가하세요."),
        "Reading the file takes too much memory, or ends the program that reads it: {file}.",
        ("Split the file.", "Save it again in its own program, or as PDF, and add that."),
        when=("추가한 파일을 읽는 프로세스가 멈췄을 때", "The process that reads an added file has ended."),
        doors=(DOCUMENTS, COMMAND),
    ),
    "DOC-011": _row(
        422,
        "파일의 압축을 풀거나 글자를 꺼내면 너무 큽니다: {file} (최대 {limit} MiB).",
        ("파일을 나누어 추가하세요.", "믿을 수 있는 곳에서 받은 파일인지 확인하세요."),
        "The file holds too much once it is unpacked: {file} (at most {limit} MiB).",
        ("Split the file.", "Check that it comes from a source that you trust."),
        when=(
            "추가한 파일의 내용이 압축을 풀면 너무 클 때",
            "What an added file holds is too large once it is unpacked.",
        ),
        doors=(DOCUMENTS, COMMAND),
    ),
    "AUTH-001": _row(
        401,
        "이 서버를 쓰려면 키가 필요합니다.",
        (
            "프로그램은 키를 'X-API-Key' 또는 'Authorization: Bearer' 헤더로 보내세요. 주소(URL)에 넣지 마세요.",
            "브라우저에서는 /login에서 로그인하세요.",
            "명령줄은 키를 RAG_API_KEY나 --api-key-file에서 읽습니다.",
        ),
        "This server asks for a key.",
        (
            "Programs send it in the header 'X-API-Key' or 'Authorization: Bearer', never in the address (URL).",
            "In a browser, log in at /login.",
            "The command line takes it from RAG_API_KEY or --api-key-file.",
        ),
        when=(
            "서버에 키가 정해져 있는데 요청에 키도 로그인도 없을 때",
            "The server has a key, and the request has neither a key nor a login.",
        ),
        doors=(SOCKET, CHAT, OPENAI, SEARCH, DOCUMENTS, SESSIONS, HTTP),
    ),
    "AUTH-002": _row(
        403,
        "키가 맞지 않습니다.",
        ("키를 빠짐없이 복사했는지 확인하세요.", "키를 모르면 서버를 관리하는 사람에게 문의하세요."),
        "The key is wrong.",
        ("Check that all of it was copied.", "If you do not know the key, ask whoever runs the server."),
        when=("요청의 키가 서버의 키가 아닐 때", "The key of the request is none of the server's keys."),
        doors=(SOCKET, CHAT, OPENAI, SEARCH, DOCUMENTS, SESSIONS, HTTP),
    ),
    "AUTH-003": _row(
        403,
        "허용되지 않은 주소에서 온 요청입니다: {name} = {value}.",
        (
            "서버 자신의 주소로 접속하세요.",
            "관리자는 --allowed-hosts나 --allowed-origins로 다른 주소를 허용할 수 있습니다.",
        ),
        "The request comes from an address that is not allowed: {name} = {value}.",
        (
            "Open the server by its own address.",
            "Whoever runs it can allow others with --allowed-hosts or --allowed-origins.",
        ),
        when=(
            "Host나 Origin 헤더가 이 서버의 주소도, 허용된 주소도 아니거나, 다른 사이트의 페이지가 그림이나 스크립트로 "
            "불러올 때",
            "The header Host or Origin is neither an address of this server nor an allowed one, or a page of another "
            "site fetches it as a picture or a script.",
        ),
        doors=(SOCKET, HTTP),
    ),
    "RATE-001": _row(
        429,
        "질문이 너무 잦습니다. 약 {seconds}초 후에 다시 시도하세요.",
        ("잠시 기다렸다가 다시 보내세요.",),
        "There are too many questions. Try again in about {seconds} s.",
        ("Wait a little and send the question again.",),
        when=(
            "한 사용자의 질문이 --rate-limit보다 잦을 때",
            "Somebody asks more questions in a minute than --rate-limit allows.",
        ),
        doors=(SOCKET, CHAT, OPENAI),
    ),
    "RATE-002": _row(
        429,
        "틀린 키가 너무 많이 들어왔습니다. {seconds}초 후에 다시 시도하세요.",
        (
            "기다리는 동안 맞는 키인지 확인하세요.",
            "프록시 뒤에서는 --trusted-proxies를 정해야 사용자마다 따로 셉니다.",
        ),
        "Too many wrong keys came from your address. Try again in {seconds} s.",
        (
            "Check meanwhile that you have the right key.",
            "Behind a proxy, --trusted-proxies makes the server count for each client.",
        ),
        when=(
            "한 주소에서 서로 다른 틀린 키가 여러 번 왔을 때. 맞는 키도 기다려야 하며, 로그인은 계속 쓸 수 있습니다",
            "Several different wrong keys came from one address. The right one has to wait then, too; logins go on.",
        ),
        doors=(SOCKET, CHAT, OPENAI, SEARCH, DOCUMENTS, SESSIONS, HTTP),
    ),
    "HTTP-404": _row(
        404,
        "그런 주소가 없습니다: {path}.",
        ("주소를 확인하세요. 사용법은 /guides에 있습니다.",),
        "There is nothing at this address: {path}.",
        ("Check the address. The guides are at /guides.",),
        when=("그 주소에 아무것도 없을 때", "There is nothing at the address."),
        doors=(HTTP,),
    ),
    "HTTP-405": _row(
        405,
        "이 주소에서는 {method} 요청을 쓸 수 없습니다.",
        ("쓸 수 있는 방법: {allowed}.",),
        "This address does not take {method}.",
        ("It takes: {allowed}.",),
        when=("주소는 있지만 그 메서드를 받지 않을 때", "The address is there, but does not take the method."),
        doors=(HTTP,),
    ),
    "HTTP-413": _row(
        413,
        "요청이 너무 큽니다.",
        ("요청을 줄여서 다시 보내세요.",),
        "The request is too large.",
        ("Make it smaller and send it again.",),
        when=("요청 본문이 허용된 크기보다 클 때", "The body of the request is larger than is allowed."),
        doors=(HTTP,),
    ),
    "HTTP-415": _row(
        415,
        "이 주소는 {given} 형식의 본문을 받지 않습니다.",
        ("Content-Type을 다음 중 하나로 보내세요: {accepted}.",),
        "This address does not take a body of the type {given}.",
        ("Send it with one of these as its Content-Type: {accepted}.",),
        when=("본문의 Content-Type을 받지 않는 주소일 때", "The address does not take a body of this Content-Type."),
        doors=(HTTP,),
    ),
    "HTTP-400": _row(
        400,
        "요청을 이해할 수 없습니다.",
        ("요청의 형식을 확인하세요. 사용법은 /guides에 있습니다.",),
        "The request cannot be understood.",
        ("Check its form. The guides are at /guides.",),
        when=("HTTP 요청 자체가 잘못되었을 때", "The HTTP request itself is malformed."),
        doors=(HTTP,),
    ),
    "SETUP-001": _row(
        500,
        "모델이 없고 받을 수도 없습니다: {files} ({reason}).",
        (
            "다음 파일을 {directory} 폴더에 넣으세요: {files}.",
            "네트워크가 되는 컴퓨터에서 'server.py models'를 실행한 뒤 그 폴더를 복사해도 됩니다.",
        ),
        "There are no models and they cannot be fetched: {files} ({reason}).",
        (
            "Put these files into {directory}: {files}.",
            "Or run 'server.py models' on a machine with a network and copy that folder.",
        ),
        when=("모델이 없고 받을 수도 없을 때", "There are no models, and they cannot be fetched."),
        doors=(COMMAND,),
    ),
    "SETUP-002": _row(
        500,
        "{host}:{port} 주소를 열 수 없습니다({reason}).",
        ("이미 실행 중인 서버를 끄거나 --port로 다른 포트를 지정하세요.",),
        "The address {host}:{port} cannot be opened ({reason}).",
        ("Stop the program that uses it, or choose another with --port.",),
        when=("서버의 주소나 포트를 열 수 없을 때", "The server's address or port cannot be opened."),
        doors=(COMMAND,),
    ),
    "SETUP-003": _row(
        500,
        "폴더에 쓸 수 없습니다: {directory} ({reason}).",
        ("권한과 남은 공간을 확인하거나 다른 폴더를 지정하세요.",),
        "The directory cannot be written: {directory} ({reason}).",
        ("Check its permissions and free space, or choose another.",),
        when=("데이터나 모델 폴더에 쓸 수 없을 때", "The data or the models directory cannot be written."),
        doors=(SOCKET, CHAT, OPENAI, SEARCH, DOCUMENTS, SESSIONS, COMMAND),
    ),
    "SETUP-004": _row(
        500,
        "다른 프로세스가 데이터 폴더를 사용 중입니다: {directory}.",
        ("그 프로세스를 끝내거나 --data-dir로 다른 폴더를 지정하세요.",),
        "Another process is using the data directory: {directory}.",
        ("Stop that process, or choose another with --data-dir.",),
        when=("다른 프로세스가 데이터 폴더를 쓰고 있을 때", "Another process holds the data directory."),
        doors=(COMMAND,),
    ),
    "SETUP-005": _row(
        500,
        "이 컴퓨터에서 라이브러리가 모델을 실행하다 멈췄습니다: {file} ({reason}).",
        (
            "이 컴퓨터에서 다시 빌드하세요: pip install --force-reinstall --no-cache-dir -r requirements.txt",
            "다른 GGUF 파일을 사용해 보세요.",
        ),
        "The library dies on this machine when it runs the model: {file} ({reason}).",
        (
            "Build it again on this machine: pip install --force-reinstall --no-cache-dir -r requirements.txt",
            "Try another GGUF file.",
        ),
        when=("라이브러리가 모델을 실행하다 죽을 때", "The library dies when it runs the model."),
        doors=(COMMAND,),
    ),
    "SETUP-010": _row(
        507,
        "디스크가 가득 찼습니다: {directory}.",
        (
            "그 디스크에 공간을 마련하세요. 서버를 다시 시작하지 않아도 됩니다.",
            "이미 받아들인 파일은 잃지 않으며, 공간이 생기면 저장됩니다.",
            "이 오류로 끝난 답변은 대화에 남지 않습니다. 나중에 다시 질문하세요.",
        ),
        "The disk is full: {directory}.",
        (
            "Make room on that disk. The server need not be restarted.",
            "Files that were accepted are not lost: they are stored once there is room.",
            "An answer that ends with this error is not kept in its conversation. Ask again later.",
        ),
        when=(
            "데이터 폴더가 있는 디스크가 가득 차서 파일, 문서, 대화를 저장할 수 없을 때",
            "The disk of the data directory is full: a file, a document or a turn of a conversation cannot be kept.",
        ),
        doors=(SOCKET, CHAT, OPENAI, SEARCH, DOCUMENTS, SESSIONS, COMMAND),
    ),
    "BENCH-001": _row(
        422,
        "질문 파일 {file}의 {line}번째 줄이 올바르지 않습니다: {rule}.",
        ("그 줄을 고친 뒤 다시 실행하세요. 형식은 도움말 '답변 평가하기'에 있습니다.",),
        "Line {line} of the questions file {file} is not valid: {rule}.",
        ("Correct that line and run it again. The guide on measuring answers shows the format.",),
        when=("평가할 질문 파일의 한 줄이 잘못되었을 때", "A line of the questions file is not valid."),
        doors=(COMMAND,),
    ),
    "SETUP-007": _row(
        500,
        "실행 중인 서버({url})와 연결이 끊겼습니다: {file}.",
        ("서버가 실행 중인지 확인하세요.", "서버가 받아들인 파일은 다음에 시작할 때 이어서 저장됩니다."),
        "The connection to the running server ({url}) was lost: {file}.",
        ("Check that the server is running.", "A file that it has accepted is stored at its next start."),
        when=("명령이 맡긴 일을 하던 서버와 연결이 끊겼을 때", "The server that works for a command has gone away."),
        doors=(COMMAND,),
    ),
    "SETUP-006": _row(
        500,
        "설정 값이 올바르지 않습니다: {name} = {value} ({reason}).",
        ("'server.py --help'에서 쓸 수 있는 값을 확인하세요.",),
        "The setting is not valid: {name} = {value} ({reason}).",
        ("See 'server.py --help' for the values it takes.",),
        when=("설정 값이 허용된 것이 아닐 때", "A setting has a value that it does not take."),
        doors=(COMMAND,),
    ),
    "SETUP-008": _row(
        500,
        "키 없이는 다른 컴퓨터가 접속할 수 있는 주소({host})를 열지 않습니다.",
        (
            "키를 정하세요: 환경 변수 RAG_API_KEY 또는 --api-key-file.",
            "이 컴퓨터에서만 쓰려면 --host 127.0.0.1을 사용하세요.",
            "누구나 문서를 읽고 바꿀 수 있어도 된다면 --insecure-no-auth를 주세요.",
        ),
        "Without a key, the server does not listen on an address that other computers can reach ({host}).",
        (
            "Set a key: the environment variable RAG_API_KEY, or --api-key-file.",
            "To use it on this computer alone, take --host 127.0.0.1.",
            "If anybody may read and change the documents, give --insecure-no-auth.",
        ),
        when=(
            "키 없이 이 컴퓨터 밖에서 접속할 수 있는 주소로 서버를 시작할 때",
            "The server is started without a key on an address that other computers can reach.",
        ),
        doors=(COMMAND,),
    ),
    "SETUP-009": _row(
        500,
        "TLS 인증서나 개인 키를 사용할 수 없습니다: {file} ({reason}).",
        (
            "--tls-cert에는 PEM 형식의 인증서를, --tls-key에는 암호 없는 그 개인 키를 지정하세요.",
            "도움말 'RAG Standard를 여럿이 쓰게 운영하기'에서 만드는 방법을 확인하세요.",
        ),
        "The TLS certificate or its key cannot be used: {file} ({reason}).",
        (
            "Give --tls-cert a certificate in PEM format, and --tls-key its private key without a password.",
            "The guide 'Running RAG Standard for others' shows how to make them.",
        ),
        when=("TLS 인증서나 개인 키를 쓸 수 없을 때", "The TLS certificate or its key cannot be used."),
        doors=(COMMAND,),
    ),
    "SETUP-011": _row(
        500,
        "데이터 폴더 {directory}는 더 새로운 버전이 쓴 것입니다(형식 {found}, 이 버전은 {known}까지).",
        ("더 새로운 버전으로 시작하세요.", "이 버전을 써야 한다면 그 버전을 설치하기 전의 백업을 되돌리세요."),
        "The data directory {directory} was written by a newer version (format {found}; this one knows {known}).",
        ("Start the newer version.", "To stay with this one, put back a backup from before the newer one."),
        when=(
            "더 새로운 버전이 쓴 데이터 폴더로 시작할 때",
            "The data directory was written by a newer version, which this one cannot read.",
        ),
        doors=(COMMAND,),
    ),
    "BUNDLE-001": _row(
        500,
        "묶음을 만들 수 없습니다: {reason}.",
        (
            "비어 있거나 아직 없는 폴더를 지정하고 남은 공간을 확인하세요.",
            "설치가 온전한지 확인하세요: pip install -r requirements.txt. 묶음은 Linux에서만 만듭니다.",
        ),
        "The bundle cannot be made: {reason}.",
        (
            "Name a folder that is empty or not there yet, and check the free space.",
            "Check that the installation is whole: pip install -r requirements.txt. Bundles are made on Linux only.",
        ),
        when=("오프라인 설치 묶음을 만들 수 없을 때", "A bundle for machines without a network cannot be made."),
        doors=(COMMAND,),
    ),
}
