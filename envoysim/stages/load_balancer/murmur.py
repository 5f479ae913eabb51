"""MurmurHash2 for 64 bits, as ``std::hash`` of libstdc++ has it (``source/common/common/hash.cc``)."""

from __future__ import annotations

from typing import Final

MULTIPLIER: Final = 0xC6A4A7935BD1E995
SEED: Final = 0xC70F6907
MASK: Final = 2**64 - 1


def murmur_hash2(data: bytes, seed: int = SEED) -> int:
    """Return the hash of ``data``."""
    length = len(data)
    result = seed ^ (length * MULTIPLIER & MASK)
    whole = length & ~7
    for start in range(0, whole, 8):
        word = int.from_bytes(data[start : start + 8], "little") * MULTIPLIER & MASK
        word = (word ^ (word >> 47)) * MULTIPLIER & MASK
        result = (result ^ word) * MULTIPLIER & MASK
    if length & 7:
        result = (result ^ int.from_bytes(data[whole:], "little")) * MULTIPLIER & MASK
    result = (result ^ (result >> 47)) * MULTIPLIER & MASK
    return result ^ (result >> 47)
