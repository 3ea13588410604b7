"""Every local link of every page leads somewhere: `python3 check.py`."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
broken = [
    f"{page.name}: {link}"
    for page in HERE.glob("**/*.html")
    for link in re.findall(r"""(?:href|src)=["']([^"'#?:]+)["']""", page.read_text(encoding="utf-8"))
    if not any((base / (link.lstrip("/") + end)).is_file() for base in (page.parent, HERE) for end in ("", ".html", "/index.html"))
    and link != "/"
]
print("\n".join(broken) or "every link leads somewhere")
sys.exit(bool(broken))
