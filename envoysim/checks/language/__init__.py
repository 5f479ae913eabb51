"""Exact questions about sets of texts: regular languages, without a bound on their texts' length."""

from .re2_syntax import Unsupported
from .search import find_text
from .texts import Texts, numbers, opaque, texts

__all__ = ["Texts", "Unsupported", "find_text", "numbers", "opaque", "texts"]
