"""docs/template.md, followed from the top: its files are written, its commands run, and print what the page shows."""

import re

from tests.helpers import page, project
from tests.helpers.unix import unix

TEXT = (project.ROOT / "docs/template.md").read_text(encoding="utf-8")
PART = re.compile(r"^`(\S+)`:\n\n```\w+\n(.*?)^```$|^(```console\n.*?^```)$", re.MULTILINE | re.DOTALL)


@unix
def test_the_page_makes_a_pipeline_of_another_model(tmp_path):
    origin, root = tmp_path / "made", tmp_path / "project"
    project.make(origin)
    for command in (("init", "--quiet", "--initial-branch", "main"), ("add", "--all")):
        project.must(origin, "git", *command)
    root = page.clone(origin, root)
    for name, content, block in PART.findall(TEXT):
        if name:
            content = content.replace("directory:\n", f"directory: {project.FIXTURE}\n").replace("mnist\n", "drawn\n")
            (root / name).write_text(content, encoding="utf-8")
            continue
        commands = page.commands(f"{block}\n")
        page.run(commands, root)
        for command in commands:
            page.check(command, root)
    kept = {path.relative_to(root).parts[1] for path in (root / "stages").rglob("*.py")}
    assert all(part in TEXT for part in kept)
