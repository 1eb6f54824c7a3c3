#!/bin/sh
# Installs RAG Standard from the bundle that this file lies in. No network, no compiler and no root are needed.
#
#   sh install.sh [TARGET] [--no-start]     verify, install into TARGET (~/rag-standard), start
#   sh install.sh [TARGET] --check          verify the bundle and this machine, change nothing
#   sh install.sh [TARGET] --rollback       go back to the version that was used before
#
# Another Python than python3: PYTHON=/opt/python3.11/bin/python3 sh install.sh
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)

refuse() {
    printf '%s\n%s\n' "$1" "$2" >&2
    exit 1
}

[ -r "$here/MANIFEST.json" ] && [ -r "$here/installer/main.py" ] || refuse \
    "묶음이 온전하지 않습니다. MANIFEST.json 또는 installer 폴더가 없습니다: $here" \
    "The bundle is not whole: MANIFEST.json or the folder installer is missing in $here"
wanted=$(sed -n 's/^ *"python": "\([0-9.]*\)".*/\1/p' "$here/MANIFEST.json")

python=
there=
fits='import sys; v = tuple(map(int, sys.argv[1].split("."))); sys.exit(not v <= sys.version_info[:3] < (v[0], v[1] + 1))'
for each in "${PYTHON:-python3}" "python${wanted%.*}"; do
    found=$("$each" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
    there="$there $each=$found"
    if "$each" -c "$fits" "$wanted"; then python=$each && break; fi
done
case "$wanted" in
    # Debian 12 has 3.11.2.
    3.11.[012])
        advice_ko="Debian 12: apt install python3"
        advice_en="On Debian 12: apt install python3"
        ;;
    *)
        advice_ko="다른 Python이 있으면 PYTHON=/경로/python3 sh install.sh, 없으면 묶음을 이 컴퓨터의 Python과 같은 버전으로 다시 만드세요."
        advice_en="If there is another Python: PYTHON=/path/to/python3 sh install.sh. If not, make the bundle anew with the version of Python that is here."
        ;;
esac
[ -n "$python" ] || refuse \
    "이 묶음에는 Python ${wanted%.*}($wanted 이상)이 필요하지만 이 컴퓨터에 없습니다. 있는 것:${there:- 없음}. $advice_ko" \
    "This bundle needs Python ${wanted%.*} ($wanted or later), which is not here. There is:${there:- none}. $advice_en"

case "${RAG_LANG:-${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}}" in
    ko*) lang=ko ;;
    *) lang=en ;;
esac
run='import sys; sys.path.insert(0, sys.argv.pop(1)); from installer.main import main; sys.exit(main(sys.argv[1:]))'
exec "$python" -I -B -X utf8 -c "$run" "$here" --lang "$lang" --home "${HOME:-/}" "$@"
