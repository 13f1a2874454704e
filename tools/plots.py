"""Write the page that DVC puts its plots into, with Vega inside. `make repro` runs this once.

    python -m tools.plots

DVC's own page loads Vega, which draws the diagrams, from the network. With this one, `dvc plots show` and `diff` work
offline, and figures are as wide as the window at most.
"""

from importlib.resources import files as package_files
from pathlib import Path

from dvc.config import Config
from dvc_render.html import PAGE_HTML

from stages.pipeline import files

# Beside the configuration that names it, not in the environment, which can be removed: without the page that it is
# configured to use, `dvc plots` fails.
PAGE = Path(".dvc/plots.html")
VEGA = "static/js_lib_vega_embed/vega-embed-full.js"  # Vega, Vega-Lite and Vega-Embed


def main() -> None:
    """Write the page and set DVC to use it, unless it uses another one or DVC is at the top of a larger repository."""
    if not PAGE.parent.is_dir():
        return
    vega = (package_files("js_lib_vega_embed") / VEGA).read_text(encoding="utf-8")
    scripts = f'<meta charset="utf-8">\n    <script>{vega}</script>'
    style = "<style>\n        img {\n            max-width: 100%;\n        }"
    files.write_text(PAGE, PAGE_HTML.replace("{scripts}", scripts).replace("<style>", style, 1))
    config = Config.from_cwd()
    if "html_template" not in config["plots"]:
        with config.edit("local") as local:
            local["plots"]["html_template"] = PAGE.name  # relative to .dvc, so that the directory can be moved


if __name__ == "__main__":
    main()
