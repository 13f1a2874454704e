"""What writes the parts of docs/ that follow from the code: `make docs`."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def fill(text: str, name: str, content: str) -> str:
    """Return a page with `content` between its comments `<!-- NAME: ... -->` and `<!-- end of NAME -->`.

    ValueError unless it has these comments, once.
    """
    pattern = rf"(<!-- {name}: .*? -->\n\n).*?(\n\n<!-- end of {name} -->)"
    filled, count = re.subn(pattern, lambda match: match[1] + content + match[2], text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"the page has {count} sections {name} between comments, not 1")
    return filled
