"""Write `docs/checks.md`: the pages of all rules, from the docstrings of their modules.

python docs/make_checks.py
"""

from __future__ import annotations

from pathlib import Path

from envoysim.checks import ALL
from envoysim.cli.explain import page

TARGET = Path(__file__).with_name("checks.md")
FAMILIES = {
    "1": "The dump",
    "2": "Listeners",
    "3": "Routes",
    "4": "Clusters and endpoints",
    "5": "Policy",
    "6": "Time and retries",
}


def document() -> str:
    """Return the whole document: a table, then a page per rule."""
    lines = [
        "# The rules of `envoysim check`",
        "",
        "Made from the docstrings by `python docs/make_checks.py`; `envoysim explain CODE` prints one page.",
        "",
        "| code | name | severity | what it finds |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| [{c.code}](#{c.code.lower()}) | {c.name} | {c.severity} | {c.title} |" for c in ALL]
    family = ""
    for check in ALL:
        if check.code[3] != family:
            family = check.code[3]
            lines += ["", f"## {FAMILIES[family]}"]
        body = page(check).replace("\n## ", "\n#### ")
        lines += [
            "",
            f'<a id="{check.code.lower()}"></a>',
            f"### {check.code} {check.name} ({check.severity})",
            "",
            body,
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
