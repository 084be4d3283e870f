"""Repositories: each is mirrored once, without its files' contents, and checked out where asked."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vivaria.config import config
from vivaria.errors import InvalidInput, VivariaError

TIMEOUT_S: Final = 300
REF: Final = re.compile(r"(?!-)(?!.*\.\.)[\w./+@#-]{1,255}")
LFS_FILTER: Final = (
    "-c", "filter.lfs.process=git-lfs filter-process",
    "-c", "filter.lfs.smudge=git-lfs smudge -- %f",
    "-c", "filter.lfs.required=true",
)  # fmt: skip
SHOWN_CHARS: Final = 500


class GitFailed(VivariaError):
    """A repository could not be read. It says which, and never its address: that may hold a key."""

    status = 502


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository `name` under the prefix of a host, as `GITHUB_TASK_HOST` gives it."""

    host: str
    name: str

    @property
    def url(self) -> str:
        return f"{self.host}{'' if self.host.endswith((':', '/')) else '/'}{self.name}"

    @property
    def mirror(self) -> Path:
        digest = hashlib.sha256(self.url.encode()).hexdigest()[:32]
        return config().vivaria_data_dir / "git" / digest

    def update(self) -> None:
        """Fetch what is new; the first time, all commits.

        Raises:
            GitFailed, InvalidInput
        """
        if not config().allow_git_operations:
            raise InvalidInput(
                "Git operations are off on this server (ALLOW_GIT_OPERATIONS). Upload the folder."
            )
        self.mirror.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(self.mirror):
            if self.mirror.exists():
                self._git("fetch", "--quiet", "--prune", "origin")
                return
            # Renamed when whole: a clone that was cut off leaves nothing that looks like one.
            with tempfile.TemporaryDirectory(dir=self.mirror.parent) as fresh:
                clone = ["clone", "--quiet", "--mirror", "--filter=blob:none", self.url, fresh]
                _run(clone, repository=self)
                Path(fresh).rename(self.mirror)
                Path(fresh).mkdir()

    def commit_of(self, ref: str) -> str:
        """Return the commit that a branch, tag or (part of a) commit id stands for.

        Raises:
            InvalidInput: there is none.
        """
        if not REF.fullmatch(ref):
            raise InvalidInput(f"{ref[:80]!r} is no branch, tag or commit of {self.name}.")
        found = self._try_git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if found is None and re.fullmatch(r"[0-9a-f]{40}", ref):
            # On no branch, yet a host gives it to who knows its name.
            self._try_git("fetch", "--quiet", "origin", ref)
            found = self._try_git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if found is None:
            raise InvalidInput(
                f"{self.name} has no branch, tag or commit {ref!r}. Push it first, or give another."
            )
        return found

    def last_commit_of(self, ref: str, *paths: str) -> str | None:
        """Return the last commit up to `ref` that touches one of `paths`."""
        commit = self.commit_of(ref)
        return self._git("log", "-1", "--format=%H", commit, "--", *paths) or None

    def has(self, commit: str, path: str) -> bool:
        return bool(self._git("ls-tree", "--name-only", commit, "--", path))

    def is_ancestor(self, commit: str, *, of: str) -> bool:
        return self._try_git("merge-base", "--is-ancestor", commit, of) is not None

    @contextmanager
    def checked_out(self, commit: str, *folders: str) -> Iterator[Path]:
        """Give the files at the top and those of `folders` (none: all), as they were at `commit`.

        Raises:
            GitFailed
        """
        with tempfile.TemporaryDirectory(dir=self.mirror.parent) as place:
            tree = Path(place) / "tree"
            try:
                with _alone(self.mirror):
                    self._check_out(tree, commit, folders)
                (tree / ".git").unlink()
                yield tree
            finally:
                shutil.rmtree(tree, ignore_errors=True)
                with _alone(self.mirror):
                    self._git("worktree", "prune")

    def _check_out(self, tree: Path, commit: str, folders: tuple[str, ...]) -> None:
        self._git("worktree", "add", "--quiet", "--detach", "--no-checkout", str(tree), commit)
        if folders:
            self._git("sparse-checkout", "set", *folders, within=tree)
        lfs = LFS_FILTER if shutil.which("git-lfs") else ()
        self._git(*lfs, "checkout", "--quiet", "--detach", commit, within=tree)

    def _git(self, *argv: str, within: Path | None = None) -> str:
        return _run(list(argv), repository=self, folder=within or self.mirror)

    def _try_git(self, *argv: str) -> str | None:
        """As `_git`; None where git says no."""
        try:
            return self._git(*argv)
        except GitFailed:
            return None


@contextmanager
def _alone(mirror: Path) -> Iterator[None]:
    """One process at a time changes a mirror."""
    with mirror.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(argv: list[str], *, repository: Repository, folder: Path | None = None) -> str:
    try:
        done = subprocess.run(
            ["git", *argv], cwd=folder, env=_environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise GitFailed("The server has no git. Install it there, or upload the folder.") from error
    except subprocess.TimeoutExpired as error:
        raise GitFailed(
            f"Git took more than {TIMEOUT_S} s for {repository.name}. Try again, or upload the "
            "folder."
        ) from error
    if done.returncode == 0:
        return done.stdout.strip()
    # Without the host: its prefix may hold a token, which git repeats.
    host = repository.host.removeprefix("file://").rstrip("/")
    said = done.stderr.strip().partition("\n")[0].replace(host, "…")[:SHOWN_CHARS]
    raise GitFailed(
        f"Git could not read {repository.name} ({_without_logins(said)}). Check its name, and that "
        "the server may read it."
    )


def _without_logins(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)


def _environment() -> dict[str, str]:
    """Ask nobody for a password: nobody is there."""
    return {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -oBatchMode=yes"),
        "GIT_LFS_SKIP_SMUDGE": "0",
        "LC_ALL": "C",
    }
