"""What this machine, this build and these models are good for, in words that a user can act on."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from . import llama, probe
from .errors import Lang, RagError
from .settings import Settings
from .tuning import Tuning, plan_engine

PACKAGES = ("llama-cpp-python", "lancedb", "aiohttp", "numpy")

WORDS: dict[str, tuple[str, str]] = {
    "cpu": ("프로세서", "Processor"),
    "features": ("라이브러리가 쓰는 기능", "Features in use"),
    "memory": ("메모리", "Memory"),
    "threads": ("스레드", "Threads"),
    "system": ("시스템", "System"),
    "libraries": ("라이브러리", "Libraries"),
    "models_dir": ("모델 폴더", "Models directory"),
    "data_dir": ("데이터 폴더", "Data directory"),
    "none": ("GGUF 파일이 없습니다. 'server.py models'를 실행하세요.", "No GGUF file. Run 'server.py models'."),
    "chat": ("채팅 모델", "Chat model"),
    "embed": ("임베딩 모델", "Embedding model"),
    "other": ("쓰이지 않음(채팅 템플릿도 임베딩 설정도 없음)", "Not used: it has no chat template and no pooling"),
    "works": ("작동함", "works"),
    "on": ("켬", "on"),
    "off": ("끔", "off"),
    "gpu": ("GPU", "GPU"),
    "gpu_on": ("모든 층을 GPU에서 계산합니다.", "all layers are computed on it"),
    "gpu_off": ("라이브러리가 GPU용으로 빌드되지 않았습니다.", "the library was not built for one"),
    "speed": (
        "측정 결과: 읽기 {prefill:.0f}, 쓰기 {decode:.0f} 토큰/초",
        "measured: reads {prefill:.0f}, writes {decode:.0f} tokens/s",
    ),
    "plan": (
        "대화 {sequences}개를 동시에, 대화마다 {context}토큰, 메모리 {mib:.0f} MiB",
        "{sequences} chats at once with {context} tokens each, {mib:.0f} MiB",
    ),
    "tuned": (
        "플래시 어텐션 {flash}, 스레드 쓰기 {threads} 읽기 {batch_threads}, 한 번에 {batch}토큰, "
        "메모리 형식 {kv_type}, 미리 짐작하기 {draft}",
        "flash attention {flash}, threads {threads} to write and {batch_threads} to read, {batch} tokens at once, "
        "memory type {kv_type}, drafts {draft}",
    ),
    "weights": (
        "가중치를 Q8_0 형식으로 바꾸어 씁니다(이 프로세서에서 뚜렷이 더 빠름): {file}",
        "its weights are used in Q8_0, which is clearly faster on this processor: {file}",
    ),
    "plain": (
        "추가 버퍼 형식(AMX 등)을 쓰면 라이브러리가 멈춰서 쓰지 않습니다. 모든 모델이 그렇다면 라이브러리를 다시 "
        "빌드하세요:\n"
        "    pip install --force-reinstall --no-cache-dir -r requirements.txt",
        "works only without the extra buffer types (AMX and such): with them the library died. If it is so with "
        "every model, build the library again:\n    pip install --force-reinstall --no-cache-dir -r requirements.txt",
    ),
    "mixed": (
        "추가 버퍼 형식(AMX 등)을 쓰면 이 모델은 동시에 계산하는 대화에 틀린 값을 내서 쓰지 않습니다",
        "works only without the extra buffer types (AMX and such): with them this model gives wrong numbers to chats "
        "that are computed at once",
    ),
}


def report(settings: Settings, lang: Lang) -> str:
    """The findings, a line each. Tries every model in a child process unless a verdict is remembered; blocks."""

    word = partial(_word, lang)
    machine = probe.Machine.look()
    threads = settings.threads or machine.cores
    lines = [
        f"{word('system')}: {platform.platform()}, Python {sys.version.split()[0]}",
        f"{word('cpu')}: {machine.cpu}",
        f"{word('features')}: {llama.system_info()}",
        f"{word('memory')}: {machine.memory / 2**30:.1f} GiB",
        f"{word('gpu')}: {word('gpu_on' if llama.offloads() else 'gpu_off')}",
        f"{word('threads')}: {threads} / {machine.cores}",
        f"{word('libraries')}: {', '.join(f'{name} {_version(name)}' for name in PACKAGES)}",
        f"{word('data_dir')}: {settings.data_dir}",
        f"{word('models_dir')}: {settings.models_dir}",
    ]
    files = [Path(given).expanduser().absolute() for given in (settings.model, settings.embed_model) if given]
    files += sorted(path for path in settings.models_dir.glob("*.gguf") if path.absolute() not in files)
    for path in files:
        lines += _model_lines(path, settings, lang)
    if not files:
        lines.append(word("none"))
    return "\n".join(lines)


def _model_lines(path: Path, settings: Settings, lang: Lang) -> list[str]:
    word = partial(_word, lang)
    try:
        verdict = probe.trusted(settings, path, anew=True)
    except RagError as error:
        text = error.text(lang)
        return [f"{path.name}: {error.code} {text.message}", *(f"    {solution}" for solution in text.solutions)]
    if verdict.kind == "other":
        return [f"{path.name}: {word('other')}"]
    found = [f"{path.name}: {word(verdict.kind)} '{verdict.name}' {word('works')}"]
    if verdict.kind == "chat":
        found += _engine_lines(path, settings, verdict.tuning, lang)
    if verdict.weights:
        found.append("    " + word("weights").format(file=verdict.weights))
    if verdict.note == probe.MIXED:
        found.append(f"    {word('mixed')}")
    elif not verdict.extra_bufts:
        found.append(f"    {word('plain')} ({verdict.note})")
    return found


def _engine_lines(path: Path, settings: Settings, tuning: Tuning, lang: Lang) -> list[str]:
    word = partial(_word, lang)
    model = llama.Model(path, vocab_only=True)
    plan = plan_engine(settings, tuning, model.train_context, probe.Machine.look().memory)
    model.close()
    mib = plan.sequences * plan.context * tuning.bytes_per_token / 2**20
    words = {"flash": word("on" if plan.flash_attention else "off"), "draft": word("on" if plan.cost else "off")}
    return [
        "    " + word("speed").format(prefill=tuning.prefill, decode=tuning.decode),
        "    " + word("plan").format(sequences=plan.sequences, context=plan.context, mib=mib),
        "    " + word("tuned").format(**asdict(plan) | words),
    ]


def _word(lang: Lang, key: str) -> str:
    return WORDS[key][0 if lang == "ko" else 1]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"
