"""Git, where there is one. `make repro` calls this first: DVC runs without Git only if its configuration says so."""

import subprocess
from contextlib import closing

from dvc.config import Config
from dvc.scm import SCM, SCMError

NO_GIT = """\
There is no Git repository here; .dvc/config.local says so to DVC. The pipeline works without one, but
`dvc exp`, `dvc metrics diff`, `dvc params diff`, `dvc plots diff`, `make verify` and `make test` need one:
    git init && git add --all && git commit --message "The first commit" && make repro"""
NO_COMMIT = """\
The Git repository has no commit yet. `dvc exp` and `make verify` need one:
    git add --all && git commit --message "The first commit\""""


def run(*command: str) -> str:
    """Return what a command prints; OSError with the first line of its error message when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command[-3:])}: {(done.stderr.strip() or 'failed').splitlines()[0]}")
    return done.stdout


def git(*arguments: str) -> str:
    """Return what Git prints, nothing when it fails: a copy may not be a repository."""
    try:
        return run("git", *arguments)
    except OSError:
        return ""


def main() -> None:
    """Let DVC work without Git if there is none, and with it as soon as there is; print what needs it."""
    try:
        with closing(SCM(".")) as repository:
            missing, message = False, NO_COMMIT if repository.no_commits else ""
    except SCMError:
        missing, message = True, NO_GIT
    config = Config.from_cwd()
    if config.dvc_dir and config.read("local")["core"].get("no_scm", False) != missing:
        with config.edit("local") as local:
            local["core"]["no_scm"] = missing
    if message:
        print(message)


if __name__ == "__main__":
    main()
