"""OpenAI's encodings, from files of the administrator's: nothing is fetched, at no time.

The patterns are those of tiktoken's `openai_public`, which could only be asked for them together
with a download of the ranks.
"""

from base64 import b64decode
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import structlog
from tiktoken import Encoding
from tiktoken.model import encoding_name_for_model

from vivaria.config import config

log = structlog.get_logger(__name__)

_ENDINGS: Final = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_UPPER: Final = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"
_LOWER: Final = r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_PATTERNS: Final = MappingProxyType(
    {
        "o200k_base": "|".join(
            [
                rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{_ENDINGS}",
                rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{_ENDINGS}",
                r"\p{N}{1,3}",
                r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
                r"\s*[\r\n]+",
                r"\s+(?!\S)",
                r"\s+",
            ]
        ),
        "cl100k_base": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+|"
        r" ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    }
)


def encoding_of(model: str) -> Encoding | None:
    """Find the encoding of a model; None where it has none, or its file is not here."""
    folder = config().vivaria_tiktoken_dir
    if folder is None:
        return None
    try:
        name = encoding_name_for_model(model)
    except KeyError:
        return None
    return _read(name, folder)


@cache
def _read(name: str, folder: Path) -> Encoding | None:
    """Read a file of ranks, once a process, also where there is none."""
    path = folder / f"{name}.tiktoken"
    if name not in _PATTERNS or not path.is_file():
        return None
    try:
        ranks = _ranks(path.read_bytes())
        return Encoding(name, pat_str=_PATTERNS[name], mergeable_ranks=ranks, special_tokens={})
    except (OSError, ValueError):
        log.exception("encoding_not_read", path=str(path))
        return None


def _ranks(lines: bytes) -> dict[bytes, int]:
    # Not tiktoken's own reader, which keeps copies where everybody may write.
    pairs = (line.split() for line in lines.splitlines() if line)
    return {b64decode(token): int(rank) for token, rank in pairs}
