"""Write all of it: docs/rerun.md, params.schema.json, what docs/mathematics.md shows, its figures and HTML."""

from stages.pipeline.files import write_text
from tools.docs import ROOT, figures, html, mathematics, rerun, schema

page, text = ROOT / "docs/rerun.md", mathematics.PAGE.read_text(encoding="utf-8")
write_text(page, rerun.rerun_page(page.read_text(encoding="utf-8"), ROOT))
write_text(ROOT / "params.schema.json", schema.schema(ROOT))
write_text(mathematics.PAGE, mathematics.refresh(text))
write_text(ROOT / "docs/mathematics.html", html.mathematics())
figures.draw(figures.FIGURES)
