"""xxHash64, the hash behind hash policies and hash tables (``HashUtil::xxHash64``)."""

from __future__ import annotations

from xxhash import xxh64_intdigest


def xx_hash64(text: str, seed: int = 0) -> int:
    """Return the 64-bit hash of ``text``."""
    return xxh64_intdigest(text.encode("utf-8", "surrogateescape"), seed)
