"""Every error a person can meet: one table, two languages.

A code names what the person can do about it, not the line that raised it. Nothing else in the project
writes an error text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Lang = Literal["ko", "en"]


@dataclass(frozen=True, slots=True)
class Text:
    """What went wrong, and what to do about it, in one language. `{names}` are filled from the error's data."""

    message: str
    solutions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the catalogue: the HTTP status and the texts."""

    status: int
    ko: Text
    en: Text


class RagError(Exception):
    """An error of the catalogue. `data` fills the placeholders of its texts.

    Raises `KeyError` for a code that the catalogue does not have.
    """

    def __init__(self, code: str, **data: Any) -> None:
        self.row = CATALOGUE[code]
        self.code = code
        self.data = data
        super().__init__(f"{code} {data}" if data else code)

    @property
    def status(self) -> int:
        return self.row.status

    def text(self, lang: Lang) -> Text:
        """The message and the solutions in `lang`, with the data filled in."""
        text = self.row.ko if lang == "ko" else self.row.en
        data = {name: _spoken(value, lang) for name, value in self.data.items()}
        return Text(text.message.format_map(data), tuple(s.format_map(data) for s in text.solutions))

    def body(self, lang: Lang) -> dict[str, Any]:
        """The JSON body that every door sends: `error_code`, `message`, `solutions`."""
        text = self.text(lang)
        return {"error_code": self.code, "message": text.message, "solutions": list(text.solutions)}


def _spoken(value: Any, lang: Lang) -> Any:
    """Data for a text: a named rule in the language, a list with commas, anything else as it is."""
    if isinstance(value, str) and value in RULES:
        return RULES[value][0 if lang == "ko" else 1]
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return value


# The rules that WS-002 quotes: (ko, en).
RULES: dict[str, tuple[str, str]] = {
    "rule:required": ("반드시 있어야 합니다", "it is required"),
    "rule:string": ("문자열이어야 합니다", "it must be a string"),
    "rule:type": ("message, cancel, resume 중 하나여야 합니다", "it must be message, cancel or resume"),
    "rule:id": ("1~128자여야 합니다", "it must have 1 to 128 characters"),
    "rule:content": ("1~10,000자여야 합니다", "it must have 1 to 10,000 characters"),
    "rule:blank": ("공백만 있을 수 없습니다", "it must not be only white space"),
    "rule:surrogate": ("올바른 유니코드 문자열이어야 합니다", "it must be valid Unicode text"),
    "rule:session": ("연결할 때의 session_id와 같아야 합니다", "it must equal the session_id of the connection"),
    "rule:busy-id": (
        "대기 중인 다른 메시지와 달라야 합니다",
        "it must differ from the ids of messages still being answered",
    ),
    "rule:index": ("0 이상의 정수여야 합니다", "it must be an integer of 0 or more"),
    "rule:next-index": (
        "지금까지 생긴 토큰의 수를 넘을 수 없습니다",
        "it must not exceed the number of tokens that the answer has so far",
    ),
    "rule:k": ("1~100의 정수여야 합니다", "it must be an integer from 1 to 100"),
    "rule:page": ("1~1,000,000의 정수여야 합니다", "it must be an integer from 1 to 1,000,000"),
    "rule:page-size": ("1~200의 정수여야 합니다", "it must be an integer from 1 to 200"),
    "rule:q": ("200자를 넘을 수 없습니다", "it must have at most 200 characters"),
    "rule:sort": ("name, added, size, passages 중 하나여야 합니다", "it must be name, added, size or passages"),
    "rule:order": ("asc나 desc여야 합니다", "it must be asc or desc"),
    "rule:names": (
        "1~1,000자 문자열의 목록이어야 하며 최대 1,000개까지 가능합니다",
        "it must be a list of at most 1,000 strings of 1 to 1,000 characters",
    ),
    "rule:options": ("객체여야 합니다", "it must be an object"),
    "rule:temperature": ("0~2의 수여야 합니다", "it must be a number from 0 to 2"),
    "rule:sources": ("1~20의 정수여야 합니다", "it must be an integer from 1 to 20"),
    "rule:answers": ("auto, quote, free 중 하나여야 합니다", "it must be auto, quote or free"),
    "rule:documents": (
        "문서 id 1~100개의 목록이어야 합니다",
        "it must be a list of 1 to 100 ids of documents",
    ),
    "rule:json": ("올바른 JSON이 아닙니다", "it is not valid JSON"),
    "rule:json-line": ("한 줄에 JSON 객체 하나가 있어야 합니다", "each line must be one JSON object"),
    "rule:csv": ("따옴표가 잘못되어 CSV로 읽을 수 없습니다", "its quotation marks are not those of a CSV file"),
    "rule:header": ("첫 줄에 question 열이 있어야 합니다", "the first line must name a column 'question'"),
    "rule:columns": ("첫 줄보다 칸이 많습니다", "it has more cells than the first line"),
    "rule:squad": ("SQuAD 형식의 JSON이 아닙니다", "it is not JSON in SQuAD's format"),
    "rule:no-questions": ("질문이 없습니다", "there are no questions"),
    "rule:question": ("question이 비어 있거나 문자열이 아닙니다", "'question' is empty or not a string"),
    "rule:expected": (
        "expected는 문자열이나 문자열의 목록이어야 합니다",
        "'expected' must be a string or a list of strings",
    ),
    "rule:source": ("source는 문서 이름이어야 합니다", "'source' must be the name of a document"),
    "rule:flag": ("not_in_documents는 true나 false여야 합니다", "'not_in_documents' must be true or false"),
    "rule:nothing-expected": (
        "expected, source, not_in_documents 중 하나가 있어야 합니다",
        "it needs one of 'expected', 'source' and 'not_in_documents'",
    ),
    "rule:expected-and-not": (
        "not_in_documents와 다른 값을 함께 쓸 수 없습니다",
        "'not_in_documents' goes neither with 'expected' nor with 'source'",
    ),
    "rule:files": ("파일이 하나 이상 있어야 합니다", "it must hold at least one file"),
}


def _row(status: int, ko: str, ko_do: tuple[str, ...], en: str, en_do: tuple[str, ...]) -> Row:
    return Row(status, Text(ko, ko_do), Text(en, en_do))


CATALOGUE: dict[str, Row] = {
    "WS-001-INVALID_JSON": _row(
        400,
        "잘못된 JSON 형식입니다.",
        ("메시지가 JSON 객체 하나인지 확인하세요.", "형식을 고친 뒤 다시 보내세요."),
        "The message is not valid JSON.",
        ("Check that it is one JSON object, sent as text.", "Correct it and send it again."),
    ),
    "WS-002-VALIDATION_ERROR": _row(
        400,
        "'{field}' 값이 올바르지 않습니다: {rule}.",
        ("'{field}' 값을 고친 뒤 다시 보내세요.",),
        "The field '{field}' is not valid: {rule}.",
        ("Correct '{field}' and send the message again.",),
    ),
    "WS-003-SERVICE_NOT_INITIALIZED": _row(
        503,
        "채팅 서비스가 아직 준비되지 않았습니다.",
        ("모델을 불러오는 중이면 잠시 기다렸다가 다시 시도하세요.", "계속되면 관리자에게 문의하세요."),
        "The chat service is not ready yet.",
        ("If the model is loading, wait a moment and try again.", "If it goes on, ask the administrator."),
    ),
    "WS-999-INTERNAL_ERROR": _row(
        500,
        "내부 오류가 발생했습니다.",
        ("잠시 후 다시 시도하세요.", "계속되면 서버 로그를 관리자에게 전달하세요."),
        "An internal error occurred.",
        ("Try again shortly.", "If it goes on, give the server's log to the administrator."),
    ),
    "GEN-001": _row(
        504,
        "모델의 답변이 늦어지고 있습니다({seconds}초 동안 응답 없음).",
        ("잠시 후 다시 시도하세요.", "계속되면 관리자에게 알려 주세요."),
        "The model's answer is delayed: nothing came for {seconds} s.",
        ("Try again shortly.", "If it goes on, tell the administrator."),
    ),
    "GEN-002": _row(
        503,
        "모델 파일을 사용할 수 없습니다: {file} ({reason}).",
        ("GGUF 파일을 {directory} 폴더에 넣으세요.", "'server.py doctor'로 상태를 확인하세요."),
        "The model file cannot be used: {file} ({reason}).",
        ("Put a GGUF file into {directory}.", "Run 'server.py doctor' to see what it finds."),
    ),
    "GEN-003": _row(
        413,
        "질문이 모델의 문맥보다 깁니다: {tokens}토큰이며 최대 {limit}토큰(약 {characters}자)까지 가능합니다.",
        ("질문을 줄여서 다시 보내세요.", "더 긴 문맥을 가진 모델이나 더 큰 --ctx 값을 사용하세요."),
        "The question is longer than the model's context: {tokens} tokens, at most {limit} fit "
        "(about {characters} characters).",
        ("Shorten the question and send it again.", "Use a model with a longer context, or a larger --ctx."),
    ),
    "GEN-004": _row(
        503,
        "대기열이 가득 찼습니다. 약 {seconds}초 후에 다시 시도하세요.",
        ("앞선 답변이 끝난 뒤 다시 보내세요.",),
        "The queue is full. Try again in about {seconds} s.",
        ("Send the message again when the earlier answers are done.",),
    ),
    "GEN-999": _row(
        500,
        "답변을 생성하지 못했습니다.",
        ("다시 시도하세요.", "계속되면 'server.py doctor'를 실행해 보세요."),
        "The answer could not be generated.",
        ("Try again.", "If it goes on, run 'server.py doctor'."),
    ),
    "SEARCH-001": _row(
        500,
        "검색하지 못했습니다.",
        ("다시 시도하세요.",),
        "The search failed.",
        ("Try again.",),
    ),
    "SEARCH-003": _row(
        503,
        "문서 저장소를 읽을 수 없어 검색할 수 없습니다: {reason}.",
        ("데이터 폴더({directory})의 권한과 남은 디스크 공간을 확인하세요.", "서버를 다시 시작하세요."),
        "Search is unavailable, the document store cannot be read: {reason}.",
        ("Check the permissions and the free space of the data directory ({directory}).", "Restart the server."),
    ),
    "SEARCH-004": _row(
        503,
        "새 임베딩 모델에 맞춰 색인을 다시 만드는 중입니다({percent}%).",
        ("잠시 후 다시 시도하세요.",),
        "The index is being rebuilt for another embedding model ({percent}%).",
        ("Try again in a moment.",),
    ),
    "SESSION-001": _row(
        400,
        "session_id가 없거나 형식이 잘못되었습니다.",
        ("영문자, 숫자, '. _ : -'로 된 1~128자의 값을 사용하세요(UUID v4 권장).",),
        "The session_id is missing or malformed.",
        ("Use 1 to 128 characters of letters, digits and '. _ : -' (a UUID v4 is best).",),
    ),
    "SESSION-002": _row(
        404,
        "그런 대화가 없습니다.",
        ("대화는 마지막 사용 후 {minutes}분이 지나면 끝납니다. 새 대화를 시작하세요.",),
        "There is no such conversation.",
        ("A conversation ends {minutes} minutes after its last use. Start a new one.",),
    ),
    "SESSION-003": _row(
        404,
        "이어받을 답변이 없습니다.",
        ("질문을 다시 보내세요.",),
        "There is no answer to resume.",
        ("Send the question again.",),
    ),
    "DOC-001": _row(
        415,
        "지원하지 않는 파일 형식입니다: {file}.",
        ("지원하는 형식: {supported}.",),
        "This file type is not supported: {file}.",
        ("Supported types: {supported}.",),
    ),
    "DOC-002": _row(
        413,
        "파일이 너무 큽니다: {file} (최대 {limit} MiB).",
        ("파일을 나누어 올리세요.",),
        "The file is too large: {file} (at most {limit} MiB).",
        ("Split the file.",),
    ),
    "DOC-003": _row(
        422,
        "빈 파일입니다: {file}.",
        ("내용이 있는 파일인지 확인하세요.",),
        "The file is empty: {file}.",
        ("Check that this is the right file.",),
    ),
    "DOC-004": _row(
        422,
        "암호로 보호된 파일입니다: {file}.",
        ("암호를 해제한 사본을 추가하세요.",),
        "The file is protected by a password: {file}.",
        ("Add a copy without the password.",),
    ),
    "DOC-005": _row(
        422,
        "파일이 손상되었거나 확장자와 다른 형식이라 읽을 수 없습니다: {file}.",
        ("원래 프로그램에서 열리는지 확인하고 다시 저장하세요.",),
        "The file is damaged, or is not what its name says, and cannot be read: {file}.",
        ("Check that it opens in its own program, and save it again.",),
    ),
    "DOC-006": _row(
        422,
        "파일에서 글자를 찾지 못했습니다: {file}.",
        ("스캔한 문서라면 문자 인식(OCR)을 거친 파일을 추가하세요.",),
        "No text was found in the file: {file}.",
        ("If it is a scan, add a copy with recognised text (OCR).",),
    ),
    "DOC-007": _row(
        404,
        "그런 문서가 없습니다: {file}.",
        ("문서 목록을 새로 고치세요.",),
        "There is no such document: {file}.",
        ("Refresh the list of documents.",),
    ),
    "DOC-008": _row(
        404,
        "파일이나 폴더를 읽을 수 없습니다: {file}.",
        ("경로와 권한을 확인하세요.",),
        "The file or folder cannot be read: {file}.",
        ("Check the path and its permissions.",),
    ),
    "DOC-009": _row(
        422,
        "파일을 읽는 데 너무 오래 걸립니다: {file} ({seconds}초 초과).",
        ("파일을 나누어 추가하세요.", "PDF나 텍스트로 다시 저장해 추가하세요."),
        "Reading the file takes too long: {file} (more than {seconds} s).",
        ("Split the file.", "Save it again as PDF or text, and add that."),
    ),
    "DOC-010": _row(
        422,
        "파일을 읽는 데 메모리가 너무 많이 들거나, 읽는 도중 프로그램이 멈춥니다: {file}.",
        ("파일을 나누어 추가하세요.", "원래 프로그램에서 다시 저장하거나 PDF로 저장해 추가하세요."),
        "Reading the file takes too much memory, or ends the program that reads it: {file}.",
        ("Split the file.", "Save it again in its own program, or as PDF, and add that."),
    ),
    "DOC-011": _row(
        422,
        "파일의 압축을 풀거나 글자를 꺼내면 너무 큽니다: {file} (최대 {limit} MiB).",
        ("파일을 나누어 추가하세요.", "믿을 수 있는 곳에서 받은 파일인지 확인하세요."),
        "The file holds too much once it is unpacked: {file} (at most {limit} MiB).",
        ("Split the file.", "Check that it comes from a source that you trust."),
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
    ),
    "AUTH-002": _row(
        403,
        "키가 맞지 않습니다.",
        ("키를 빠짐없이 복사했는지 확인하세요.", "키를 모르면 서버를 관리하는 사람에게 문의하세요."),
        "The key is wrong.",
        ("Check that all of it was copied.", "If you do not know the key, ask whoever runs the server."),
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
    ),
    "RATE-001": _row(
        429,
        "요청이 너무 많습니다. {seconds}초 후에 다시 시도하세요.",
        ("{seconds}초 기다린 뒤 다시 보내세요.",),
        "Too many requests. Try again in {seconds} s.",
        ("Wait {seconds} s, then send it again.",),
    ),
    "HTTP-404": _row(
        404,
        "그런 주소가 없습니다: {path}.",
        ("주소를 확인하세요. 사용법은 /guides에 있습니다.",),
        "There is nothing at this address: {path}.",
        ("Check the address. The guides are at /guides.",),
    ),
    "HTTP-405": _row(
        405,
        "이 주소에서는 {method} 요청을 쓸 수 없습니다.",
        ("쓸 수 있는 방법: {allowed}.",),
        "This address does not take {method}.",
        ("It takes: {allowed}.",),
    ),
    "HTTP-413": _row(
        413,
        "요청이 너무 큽니다.",
        ("요청을 줄여서 다시 보내세요.",),
        "The request is too large.",
        ("Make it smaller and send it again.",),
    ),
    "HTTP-400": _row(
        400,
        "요청을 이해할 수 없습니다.",
        ("요청의 형식을 확인하세요. 사용법은 /guides에 있습니다.",),
        "The request cannot be understood.",
        ("Check its form. The guides are at /guides.",),
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
    ),
    "SETUP-002": _row(
        500,
        "{host}:{port} 주소를 열 수 없습니다({reason}).",
        ("이미 실행 중인 서버를 끄거나 --port로 다른 포트를 지정하세요.",),
        "The address {host}:{port} cannot be opened ({reason}).",
        ("Stop the program that uses it, or choose another with --port.",),
    ),
    "SETUP-003": _row(
        500,
        "폴더에 쓸 수 없습니다: {directory} ({reason}).",
        ("권한과 남은 공간을 확인하거나 다른 폴더를 지정하세요.",),
        "The directory cannot be written: {directory} ({reason}).",
        ("Check its permissions and free space, or choose another.",),
    ),
    "SETUP-004": _row(
        500,
        "다른 프로세스가 데이터 폴더를 사용 중입니다: {directory}.",
        ("그 프로세스를 끝내거나 --data-dir로 다른 폴더를 지정하세요.",),
        "Another process is using the data directory: {directory}.",
        ("Stop that process, or choose another with --data-dir.",),
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
    ),
    "BENCH-001": _row(
        422,
        "질문 파일 {file}의 {line}번째 줄이 올바르지 않습니다: {rule}.",
        ("그 줄을 고친 뒤 다시 실행하세요. 형식은 도움말 '답변 평가하기'에 있습니다.",),
        "Line {line} of the questions file {file} is not valid: {rule}.",
        ("Correct that line and run it again. The guide on measuring answers shows the format.",),
    ),
    "SETUP-007": _row(
        500,
        "실행 중인 서버({url})와 연결이 끊겼습니다: {file}.",
        ("서버가 실행 중인지 확인하세요.", "서버가 받아들인 파일은 다음에 시작할 때 이어서 저장됩니다."),
        "The connection to the running server ({url}) was lost: {file}.",
        ("Check that the server is running.", "A file that it has accepted is stored at its next start."),
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
    ),
    "SETUP-006": _row(
        500,
        "설정 값이 올바르지 않습니다: {name} = {value} ({reason}).",
        ("'server.py --help'에서 쓸 수 있는 값을 확인하세요.",),
        "The setting is not valid: {name} = {value} ({reason}).",
        ("See 'server.py --help' for the values it takes.",),
    ),
}
