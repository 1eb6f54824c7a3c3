"""What the installer says, in Korean and English."""

from __future__ import annotations

from typing import Any

TEXTS: dict[str, tuple[str, str]] = {
    "checking": (
        "묶음의 파일을 모두 확인합니다 ({files}개, {mb:.0f} MB) …",
        "Checking every file of the bundle ({files} files, {mb:.0f} MB) …",
    ),
    "fit": ("묶음이 온전하고 이 컴퓨터에 맞습니다: {id}", "The bundle is whole and fits this machine: {id}"),
    "models": ("모델을 넣습니다 …", "Putting the models in place …"),
    "kept": (
        "models/{file} 파일은 묶음의 것과 다르지만 그대로 두었습니다.",
        "models/{file} is not the bundle's, and was left as it is.",
    ),
    "packages": ("프로그램을 설치합니다: {id} …", "Installing the program: {id} …"),
    "trying": ("새 버전이 시작되는지 확인합니다 …", "Checking that the new version starts …"),
    "installed": ("설치했습니다: {target} ({id})", "Installed: {target} ({id})"),
    "back": ("이전 버전으로 되돌렸습니다: {id}", "Back at the earlier version: {id}"),
    "start": ("시작하려면: {target}/rag", "To start it: {target}/rag"),
    "running": (
        "아직 이전 버전이 실행 중입니다. 끝낸 뒤 다시 시작하세요: {target}/rag",
        "The version before is still running. Stop it, then start again: {target}/rag",
    ),
    "failed": ("설치하지 못했습니다: {reason}", "It could not be installed: {reason}"),
    "damaged": (
        "묶음이 만들어졌을 때와 다릅니다. 아무것도 설치하지 않았습니다.\n{reason}",
        "The bundle is not as it was made. Nothing was installed.\n{reason}",
    ),
    "missing": ("  없음: {path}", "  missing: {path}"),
    "changed": ("  바뀜: {path}", "  changed: {path}"),
    "extra": ("  목록에 없음: {path}", "  not in the list: {path}"),
    "machine": (
        "이 묶음은 Linux {wanted}용입니다. 이 컴퓨터는 {found}입니다.",
        "This bundle is for Linux on {wanted}; this machine is {found}.",
    ),
    "glibc": (
        "glibc {wanted} 이상이 필요합니다. 이 컴퓨터에는 {found}가 있습니다.",
        "glibc {wanted} or newer is needed; this machine has {found}.",
    ),
    "glibcxx": (
        "libstdc++.so.6의 GLIBCXX_{wanted}가 필요합니다. 이 컴퓨터에는 {found}까지 있습니다.",
        "libstdc++.so.6 with GLIBCXX_{wanted} is needed; this machine has {found}.",
    ),
    "cpu": (
        "이 컴퓨터의 프로세서에 없는 기능이 필요합니다: {wanted}. 'server.py bundle --portable'로 다시 만드세요.",
        "The processor of this machine lacks what the bundle was built for: {wanted}. "
        "Make it again with 'server.py bundle --portable'.",
    ),
    "old_cpu": (
        "이 컴퓨터의 프로세서에 필요한 기능이 없습니다: {wanted}. 2013년 이후의 프로세서에는 대개 있습니다.",
        "The processor of this machine lacks what is needed: {wanted}. Most made since 2013 have it.",
    ),
    "space": (
        "{target}에 {wanted:.0f} MB가 필요하지만 {found:.0f} MB만 남아 있습니다.",
        "{wanted:.0f} MB are needed in {target}, and {found:.0f} MB are free.",
    ),
    "foreign": (
        "비어 있지 않고 RAG Standard를 설치한 폴더도 아닙니다: {target}",
        "The folder is not empty, and RAG Standard is not installed in it: {target}",
    ),
    "newer": (
        "{target}/data는 더 새로운 버전이 쓴 것이라 {id} 버전은 읽을 수 없습니다. "
        "그 버전을 설치하기 전의 백업을 되돌린 뒤 다시 하세요.",
        "{target}/data was written by a newer version, and {id} cannot read it. "
        "Put back a backup from before that version, then try again.",
    ),
    "busy": ("다른 설치가 진행 중입니다: {target}", "Another installation is under way in {target}"),
    "nothing": ("되돌아갈 이전 버전이 없습니다: {target}", "There is no earlier version to go back to in {target}"),
}


class Refused(Exception):
    """What keeps an installation from going on; `key` names the text."""

    def __init__(self, key: str, **data: Any) -> None:
        super().__init__(key)
        self.key, self.data = key, data


def text_of(lang: str, key: str, **data: Any) -> str:
    return TEXTS[key][0 if lang == "ko" else 1].format(**data)


def complaint(lang: str, refused: Refused) -> str:
    data = refused.data
    if "problems" in data:
        data = {"reason": "\n".join(text_of(lang, kind, path=path) for kind, path in data["problems"][:20])}
    return text_of(lang, refused.key, **data)
