"""Where the project can be: inside another repository, a Git submodule or worktree, without Git, on Windows."""

import shutil

import pytest

from tests.helpers import project


def must(root, *command):
    """Run a command, which must succeed; return what it prints."""
    result = project.run(root, *command)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def commit(root):
    must(root, "git", "add", "--all")
    must(root, "git", "commit", "--quiet", "--message", "All")


def started(root):
    """A Git repository at `root`."""
    root.mkdir(exist_ok=True)
    must(root, "git", "init", "--quiet", "--initial-branch", "main")
    for name, value in (("user.name", "Test"), ("user.email", "test@example.org")):
        must(root, "git", "config", name, value)
    return root


def subdirectory(tmp_path):
    """A directory of a repository whose DVC is at the top."""
    top = started(tmp_path / "mono")
    must(top, "dvc", "init", "--quiet")
    must(top, "dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    project.make(top / "digits")
    shutil.rmtree(top / "digits/.dvc")
    commit(top)
    return top, "digits"


def submodule(tmp_path):
    """A submodule of a repository that does not use DVC."""
    project.make(started(tmp_path / "origin"))
    commit(tmp_path / "origin")
    top = started(tmp_path / "top")
    must(top, "git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../origin", "digits")
    commit(top)
    return top, "digits"


def worktree(tmp_path):
    """Another worktree of a clone."""
    project.make(started(tmp_path / "origin"))
    commit(tmp_path / "origin")
    must(tmp_path / "origin", "git", "worktree", "add", "-b", "side", "../side")
    return tmp_path, "side"


def files(directory):
    """The files below a directory."""
    return [path for path in directory.rglob("*") if path.is_file()]


@pytest.mark.parametrize("place", [subdirectory, submodule, worktree])
def test_the_pipeline_the_tools_and_an_experiment_work_there(warm_path, tmp_path, place):
    top, name = place(tmp_path)
    there = top / name
    own = (there / ".dvc").exists()

    def run(command):
        return must(top, "sh", "-c", f"cd {name} && {command}")

    root = run("dvc root")
    assert run("dvc repro").count("Running stage") == len(project.STAGES)
    assert run("dvc root") == root == ("." if own else "..") + "\n"
    assert (there / ".dvc").exists() == own
    assert run("dvc repro").endswith("Data and pipelines are up to date.\n")
    assert run("dvc status") == "Data and pipelines are up to date.\n"
    assert run("git status --short") != ""
    run("git add --all && git commit --quiet --message Results")
    assert run("python -m tools.verify") == "Every output is the recorded one, bit for bit.\n"
    assert run("python -m tools.plots && dvc plots show").endswith("/dvc_plots/index.html\n")
    assert ("<script src=" in (there / "dvc_plots/index.html").read_text(encoding="utf-8")) != own  # from the network
    if not own:
        run("dvc push")
        pushed, cached = (
            {path.name for path in files(place)} for place in (tmp_path / "store", top / ".dvc/cache/files")
        )
        assert pushed == cached != set()
        assert must(top, "dvc", "status") == "Data and pipelines are up to date.\n"
    for temp in ("", "--temp "):
        dpi = 60 + len(temp)
        assert "Running stage 'predict'" in run(f"dvc exp run {temp}--name e{dpi} -S predict.dpi={dpi}")
    assert (there / ".dvc").exists() == own
    run("git restore . && dvc checkout")
    run("git diff --exit-code . && dvc repro")


def test_git_on_windows_changes_no_line_end(copy, tmp_path):
    """A clone whose Git is set up as on Windows has the same bytes, so nothing runs again and no digest changes."""
    commit(started(copy))
    clone = tmp_path / "clone"
    windows = ("--config", "core.autocrlf=true", "--config", "core.eol=crlf")
    must(tmp_path, "git", "clone", "--quiet", *windows, str(copy), "clone")
    (clone / ".dvc/cache").symlink_to(copy / ".dvc/cache")
    must(clone, "dvc", "checkout")
    assert project.repro(clone) == []
    assert must(clone, "git", "status", "--short", "--untracked-files=no") == ""
    names = must(copy, "git", "ls-files").splitlines()
    assert {".gitattributes", "dvc.lock", "params.yaml", "reports/history.csv", "stages/train.py"} <= set(names)
    assert [name for name in names if (clone / name).read_bytes() != (copy / name).read_bytes()] == []


def test_without_git_the_pipeline_works_and_what_needs_git_is_named(warm_path, tmp_path):
    """As after "Download ZIP"; then with a repository, and with a commit."""
    root = tmp_path / "download"
    project.make(root)
    configure = must(root, "make", "--dry-run", "--old-file=.venv/installed", "git")
    assert "is not a git repository" in project.run(root, "dvc", "repro").stderr
    for _ in range(2):
        said = must(root, "sh", "-c", configure)
        assert said.startswith("Without a Git repository, dvc exp, dvc ... diff, make verify and make test refuse")
    assert project.repro(root) == project.STAGES
    assert project.repro(root) == []
    assert "accuracy" in must(root, "dvc", "metrics", "show")
    for command in ("exp run", "metrics diff", "params diff", "plots diff"):  # what the message names
        assert project.run(root, "dvc", *command.split()).returncode != 0
    verified = project.run(root, "python", "-m", "tools.verify")
    assert (verified.returncode, verified.stderr.count("\n")) == (1, 1)
    assert verified.stderr.startswith("verify: fatal: not a git repository")

    started(root)
    assert must(root, "sh", "-c", configure) == ""
    assert project.repro(root) == []
    assert "Empty git repo" in project.run(root, "dvc", "exp", "run").stderr
    commit(root)
    must(root, "dvc", "exp", "run", "--name", "first", "-S", "predict.dpi=60")
    assert "first" in must(root, "dvc", "exp", "list")
    must(root, "git", "restore", ".")
    must(root, "python", "-m", "tools.verify")
