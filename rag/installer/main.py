"""The command line of the installer, started by install.sh."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .releases import is_running
from .steps import Installer
from .texts import Refused, complaint, text_of


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="sh install.sh")
    parser.add_argument("target", nargs="?", metavar="TARGET", type=Path, help="default: ~/rag-standard")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--no-start", action="store_true", help="install, but do not start the server")
    what.add_argument("--check", action="store_true", help="verify the bundle and this machine, change nothing")
    what.add_argument("--rollback", action="store_true", help="go back to the version that was used before")
    parser.add_argument("--lang", default="en", help=argparse.SUPPRESS)
    parser.add_argument("--home", default="/", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    target = (given.target or given.home / "rag-standard").absolute()
    installer = Installer(Path(__file__).resolve().parent.parent, target, given.lang)
    try:
        if given.check:
            installer.check()
            return 0
        if given.rollback:
            installer.rollback()
        else:
            installer.install()
    except Refused as refused:
        print(complaint(given.lang, refused), file=sys.stderr)
        return 1
    except OSError as error:
        print(text_of(given.lang, "failed", reason=error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if is_running(target):
        installer.say("running", target=target)
    elif given.no_start or given.rollback:
        installer.say("start", target=target)
    else:
        os.execv("/bin/sh", ["sh", str(target / "rag")])
    return 0
