"""The rules that WS-002 and BENCH-001 quote, in both languages."""

from __future__ import annotations

# (ko, en)
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
    "rule:max-tokens": ("1~1,048,576의 정수여야 합니다", "it must be an integer from 1 to 1,048,576"),
    "rule:top-p": ("0~1의 수여야 합니다", "it must be a number from 0 to 1"),
    "rule:stop": (
        "1~256자의 문자열이거나 그런 문자열 최대 4개의 목록이어야 합니다",
        "it must be a string of 1 to 256 characters, or a list of at most 4 of them",
    ),
    "rule:integer": ("정수여야 합니다", "it must be an integer"),
    "rule:boolean": ("true나 false여야 합니다", "it must be true or false"),
    "rule:one": ("1이어야 합니다. 답변은 한 번에 하나만 만듭니다", "it must be 1: there is one answer at a time"),
    "rule:messages": (
        "메시지 객체 1~1,000개의 목록이어야 합니다",
        "it must be a list of 1 to 1,000 objects",
    ),
    "rule:role": (
        "system, developer, user, assistant 중 하나여야 합니다",
        "it must be system, developer, user or assistant",
    ),
    "rule:parts": (
        "문자열이거나 type이 text인 조각의 목록이어야 합니다",
        "it must be a string, or a list of parts of the type text",
    ),
    "rule:last": ("마지막 메시지의 role은 user여야 합니다", "the role of the last message must be user"),
    "rule:template": (
        "이 모델의 채팅 템플릿이 받지 않는 역할이나 순서입니다",
        "the model's chat template does not take these roles in this order",
    ),
    "rule:unsupported": ("이 서버가 지원하지 않습니다", "this server does not support it"),
    "rule:texts": (
        "비어 있지 않은 문자열이거나 그런 문자열 1~2,048개의 목록이어야 합니다. 토큰 번호는 받지 않습니다",
        "it must be a string that is not empty, or a list of 1 to 2,048 of them; numbers of tokens are not taken",
    ),
    "rule:encoding": ("float나 base64여야 합니다", "it must be float or base64"),
    "rule:dimensions": (
        "임베딩 모델의 차원 수와 같아야 합니다",
        "it must equal the number of dimensions of the embedding model",
    ),
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
    "rule:tls-both": ("--tls-cert와 --tls-key는 함께 지정해야 합니다", "--tls-cert and --tls-key go together"),
    "rule:tls-cert": ("PEM 형식의 인증서가 아닙니다", "it holds no certificate in PEM format"),
    "rule:tls-key": ("PEM 형식의 개인 키가 아닙니다", "it holds no private key in PEM format"),
    "rule:tls-password": ("개인 키가 암호로 보호되어 있습니다", "the private key is protected by a password"),
    "rule:tls-pair": ("인증서의 개인 키가 아닙니다", "it is not the key of the certificate"),
    "rule:files": ("파일이 하나 이상 있어야 합니다", "it must hold at least one file"),
}
