"""Git repositories on disk, as a host would serve them."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

IDENTITY = {
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


@dataclass(frozen=True)
class WorkingCopy:
    """A clone whose `origin` is a bare repository."""

    path: Path

    def git(self, *argv: str) -> str:
        return git(self.path, *argv)

    def push(self, files: dict[str, str], *, branch: str = "main") -> str:
        """Commit files on a branch and push it; returns the commit."""
        for name, content in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        self.git("checkout", "-q", "-B", branch)
        self.git("add", "--all")
        self.git("commit", "-q", "-m", "Change")
        self.git("push", "-q", "origin", branch)
        return self.git("rev-parse", "HEAD")


def repository(host: Path, name: str) -> WorkingCopy:
    """Make the bare repository `name` (organisation/repository) of `host`, and a clone of it."""
    git(host, "init", "-q", "--bare", "--initial-branch=main", name)
    git(host / name, "config", "uploadpack.allowFilter", "true")
    git(host / name, "config", "uploadpack.allowAnySHA1InWant", "true")
    clone = host / f"clone-of-{name.replace('/', '-')}"
    git(host, "clone", "-q", str(host / name), str(clone))
    return WorkingCopy(clone)


def git(folder: Path, *argv: str) -> str:
    return subprocess.run(
        ["git", *argv], cwd=folder, env=os.environ | IDENTITY,
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
