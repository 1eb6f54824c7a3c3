"""Names that mean something to some system: another folder, a device, an option, an ending that is not seen."""

from __future__ import annotations

NAMES = (
    *(
        "../../../etc/evil.md",
        "..\\..\\evil.md",
        "/etc/evil.md",
        "C:\\evil.md",
        "\\\\host\\share\\evil.md",
        "....//evil.md",
    ),
    *(
        "%2e%2e/evil.md",
        "%2e%2e%2fevil.md",
        "..%5cevil.md",
        "~/evil.md",
        "file:///etc/evil.md",
        "evil.md/../../other.md",
    ),
    *(
        "a\0b.md",
        "CON.md",
        "NUL.md",
        "aux.md",
        "evil.md::$DATA.md",
        "-rf.md",
        "--help.md",
        "$(id).md",
        "`id`.md",
        "a;b|c&d.md",
    ),
    *(
        "n" * 300 + ".md",
        "가" * 300 + ".md",
        "evil\u202edm.md",
        "e\u0301vil.md",
        "e\u200bvil.md",
        "evil .md",
        " .md",
        "evil\x1b[2J.md",
    ),
    *(
        "<script>alert(1)</script>.md",
        "' OR 1=1 --.md",
        "*.md",
        "{{7*7}}.md",
        "content.md",
        "about.json",
        ".about.json",
    ),
)
