"""The installation without a network, whole: is it right, does it keep what is there, and does a kill do it no harm?

usage: python tests/bench/airgap.py [--kills N] [--seed N] [--bundle DIR] [--python FILE]

Makes a real bundle, or takes that of --bundle. In a network namespace with no interface but lo, with an empty home, as
root and as a user without rights (or as the user who runs this, who is then the only one), it is installed into a
folder with spaces and Korean, gets a document and a question, is upgraded by a newer bundle and rolled back. Bundles
that were changed, or that are made for another machine, are refused. Then installers of ever newer versions are killed
at N random moments. Prints one line of JSON for each step, then a summary; the exit code is 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from rag import bundle as bundles  # noqa: E402
from rag.installer import checks, releases  # noqa: E402

FACT = "The warranty of the Nara pump lasts 27 months."
QUESTION = "How long does the warranty of the Nara pump last?"
NOBODY = 65534
CLIENT = str(ROOT / "tests" / "clients" / "offline_install.py")


@dataclass
class User:
    """Somebody who installs, in an empty home. `before`: what makes a command of his own in a namespace."""

    name: str
    home: Path
    before: Sequence[str]
    python: str = ""
    wrong: list[str] = field(default_factory=list)

    @property
    def target(self) -> Path:
        return self.home / "RAG 표준 folder"

    @property
    def environ(self) -> list[str]:
        given = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "RAG_PORT": "0"}
        return ["env", "-i", *(f"{name}={value}" for name, value in given.items()), *self.other_python]

    @property
    def other_python(self) -> list[str]:
        return [f"PYTHON={self.python}"] if self.python else []

    def command(self, *words: str) -> list[str]:
        return [*self.before, *self.environ, *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*namespace(), *self.command(*words)], capture_output=True, text=True, check=False)

    def visit(self, *words: str, more: Sequence[str] = ()) -> dict[str, Any]:
        """What a client found that started the program by these words."""
        client = [*namespace(), sys.executable, CLIENT, *more, QUESTION, *self.command(*words)]
        done = subprocess.run(client, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise AssertionError(f"{self.name}: {words} ended with {done.returncode}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def expect(self, right: bool, what: str) -> None:
        if not right:
            self.wrong.append(f"{self.name}: {what}")

    def files(self) -> dict[str, str]:
        """What no installation may touch, by its content."""
        kept = [*(self.target / "data").rglob("*"), *(self.target / "models").glob("*")]
        return {str(path): checks.sha256_of(path) for path in kept if path.is_file() and path.name != "lock"}


def namespace() -> list[str]:
    return ["unshare", "-n" if os.geteuid() == 0 else "-rn"]


def users(place: Path, python: str) -> list[User]:
    if os.geteuid():
        return [User("own", place / "own", (), python)]
    drop = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    return [User("root", place / "root", (), python), User("nobody", place / "nobody", drop, python)]


def made(place: Path) -> tuple[Path, float]:
    """A bundle of this program, and the seconds that it took."""
    folder, begun = place / "rag-bundle", time.perf_counter()
    subprocess.run([sys.executable, str(ROOT / "server.py"), "bundle", str(folder)], check=True, stdout=sys.stderr)
    return folder, time.perf_counter() - begun


def copied(bundle: Path, folder: Path) -> None:
    """The same bundle in another place; what is written there must be unlinked first."""

    def linked(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    shutil.copytree(bundle, folder, copy_function=linked)


def renewed(bundle: Path, folder: Path, version: str, **needs: Any) -> Path:
    """A bundle like it of another version, or with other needs."""
    copied(bundle, folder)
    about = checks.read_manifest(bundle)
    program = (folder / "app" / "server.py").read_text(encoding="utf-8")
    for name in (checks.MANIFEST, checks.SUMS, "app/server.py"):
        (folder / name).unlink()
    renamed = program.replace(f'VERSION = "{about["version"]}"', f'VERSION = "{version}"')
    (folder / "app" / "server.py").write_text(renamed, encoding="utf-8")
    bundles.describe(folder, bundles.Wanted(ROOT, version, []), about["needs"] | needs)
    return folder


def life(user: User, bundle: Path, newer: Path, document: Path) -> Iterator[dict[str, Any]]:
    """Install, use, upgrade, use, go back, use."""
    version, other = checks.read_manifest(bundle)["version"], checks.read_manifest(newer)["version"]
    target, session = str(user.target), ""
    back = str(user.target / "current" / "install.sh")
    steps: list[tuple[str, str, Callable[[], dict[str, Any]]]] = [
        (
            "install",
            version,
            lambda: user.visit("sh", f"{bundle}/install.sh", target, more=["--document", str(document)]),
        ),
        ("upgrade", other, lambda: user.visit("sh", f"{newer}/install.sh", target, more=["--session", session])),
        ("rollback", version, lambda: user.visit(str(user.target / "rag"), more=["--session", session])),
    ]
    for turns, (step, wanted, visit) in enumerate(steps, 1):
        if step == "rollback":
            done = user.run("sh", back, target, "--rollback")
            user.expect(done.returncode == 0, f"--rollback: {done.stderr}")
        found = visit()
        session = found["answer"]["session_id"]
        user.expect(found["interfaces"] == ["lo"], f"{step}: there are {found['interfaces']}")
        user.expect(found["version"] == wanted, f"{step}: {found['version']} runs, not {wanted}")
        user.expect(document.name in found["documents"], f"{step}: the document is gone")
        user.expect(FACT.rstrip(".") in found["answer"]["answer"], f"{step}: {found['answer']['answer']}")
        user.expect(found["turns"] == turns, f"{step}: {found['turns']} turns of the conversation, not {turns}")
        user.expect([each.name for each in user.home.iterdir()] == [user.target.name], f"{step}: the home is littered")
        yield {"user": user.name, "step": step, **{name: found[name] for name in ("listening_s", "answered_s")}}


def refusals(user: User, bundle: Path, place: Path) -> Iterator[dict[str, Any]]:
    """Bundles that must be refused, before anything is changed, with what is said."""
    about = checks.read_manifest(bundle)
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("processor", "quantum", {"cpu": [*about["needs"]["cpu"], "quantum"]}),
        ("glibc", "99.9", {"glibc": "99.9"}),
        ("Python", "3.99.0", {"python": "3.99.0"}),
    ]
    largest = max((bundle / "wheels").iterdir(), key=lambda path: path.stat().st_size).name
    before = user.files()
    for case, named, needs in [*cases, ("changed byte", largest, {})]:
        folder = renewed(bundle, place / "refused bundle", "9.9.9", **needs)
        if not needs:
            content = bytearray((folder / "wheels" / largest).read_bytes())
            content[len(content) // 2] ^= 1
            (folder / "wheels" / largest).unlink()
            (folder / "wheels" / largest).write_bytes(content)
        done = user.run("sh", f"{folder}/install.sh", str(user.target))
        said = done.stderr.strip()
        user.expect(done.returncode == 1 and named in said, f"{case}: {done.returncode}: {said}")
        user.expect(user.files() == before, f"{case}: something was changed")
        user.expect(not list((user.target / "releases").glob("9.9.9*")), f"{case}: it was installed")
        shutil.rmtree(folder)
        yield {"user": user.name, "step": f"refuse {case}", "said": said.splitlines()[-1]}


def killed(user: User, bundle: Path, seconds: float) -> tuple[bool, str]:
    """Start an installation, kill it so much later; whether it was still at work, and what it said last."""
    with tempfile.TemporaryFile("w+") as log:
        words = user.command("sh", f"{bundle}/install.sh", str(user.target), "--no-start")
        process = subprocess.Popen([*namespace(), *words], stdout=log, stderr=subprocess.STDOUT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()
        at_work = process.wait() != 0
        log.seek(0)
        return at_work, (log.read().splitlines() or [""])[-1]


def starts(user: User) -> str:
    """The version that the program says it is."""
    return user.run(str(user.target / "rag"), "--version").stdout.strip()


def kills(user: User, bundle: Path, place: Path, number: int, draw: random.Random) -> Iterator[dict[str, Any]]:
    """Kill installers of newer versions; whole installations in between, which the moments are drawn from."""
    seconds, done, version = 0.0, 0, 0
    before = user.files()
    while done < number:
        version += 1
        newer = renewed(bundle, place / "newer", f"1.0.{version}")
        identity = checks.read_manifest(newer)["id"]
        used = str(releases.in_use(user.target))
        # The first one tells how long it takes.
        for _ in range(min(draw.choice((1, 1, 2, 3)), number - done) if seconds else 0):
            after = draw.uniform(0, 1.05 * seconds)
            at_work, said = killed(user, newer, after)
            done += at_work
            now = releases.in_use(user.target)
            whole = now is not None and checks.is_whole(now) and (str(now) == used or now.name == identity)
            user.expect(whole, f"kill {done}: {now} is in use")
            if now is not None:
                runs = starts(user)
                user.expect(runs == now.name.partition("-")[0], f"kill {done}: {runs or 'nothing'} starts")
            user.expect(user.files() == before, f"kill {done}: data or models were changed")
            if at_work:
                yield {"user": user.name, "step": "kill", "n": done, "after_s": round(after, 2), "said": said}
        begun = time.perf_counter()
        ended = user.run("sh", f"{newer}/install.sh", str(user.target), "--no-start")
        seconds = seconds or time.perf_counter() - begun
        user.expect(ended.returncode == 0, f"the run after kill {done}: {ended.stderr}")
        user.expect(starts(user) == f"1.0.{version}", f"after kill {done} the new version does not start")
        user.expect(user.files() == before, f"after kill {done} data or models are changed")
        there = list((user.target / "releases").iterdir())
        kept = [each for each in there if each.is_dir()]
        user.expect(len(kept) == 2 and all(map(checks.is_whole, kept)), f"after kill {done}: {kept}")
        user.expect(not list(user.target.rglob(".*.part")), f"after kill {done}: parts are left")
        shutil.rmtree(newer)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bundle", type=Path, help="instead of a new one")
    parser.add_argument("--python", default="", help="the Python that installs, instead of python3")
    given = parser.parse_args()
    draw = random.Random(given.seed)
    steps: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        bundle, seconds = (given.bundle.absolute(), None) if given.bundle else made(place)
        document = place / "pump.txt"
        document.write_text(f"{FACT} Oil it twice a year.\n", encoding="utf-8")
        newer = renewed(bundle, place / "더 새로운 bundle", "0.9.9")
        everybody = users(place, given.python)
        for number, user in enumerate(everybody):
            user.home.mkdir()
            if user.before:
                os.chown(user.home, NOBODY, NOBODY)
            todo = [life(user, bundle, newer, document), refusals(user, bundle, place)]
            share = given.kills * (number + 1) // len(everybody) - given.kills * number // len(everybody)
            for each in [*todo, kills(user, bundle, place, share, draw)]:
                for step in each:
                    steps.append(step)
                    print(json.dumps(step, ensure_ascii=False), flush=True)
            found = user.visit(str(user.target / "rag"))
            user.expect(FACT.rstrip(".") in found["answer"]["answer"], f"at the end: {found['answer']['answer']}")
        wrong = [what for user in everybody for what in user.wrong]
        summary = {
            "bundle": checks.read_manifest(bundle)["id"],
            "bundle_mb": round(sum((bundle / name).stat().st_size for name in checks.files_below(bundle)) / 1e6),
            "bundle_s": None if seconds is None else round(seconds),
            "users": [user.name for user in everybody],
            "kills": sum(step["step"] == "kill" for step in steps),
            "wrong": wrong,
        }
        print(json.dumps(summary, ensure_ascii=False))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
