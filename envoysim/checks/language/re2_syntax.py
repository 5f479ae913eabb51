"""RE2's syntax, read into nodes (https://github.com/google/re2/wiki/Syntax).

What cannot be told by a finite automaton of this kind, or is not worth it (word boundaries, Unicode classes, line
mode), raises ``Unsupported``: the caller then says that it did not decide. The pattern is known to be valid.
"""

from __future__ import annotations

from typing import Final

from .nodes import ANY, EMPTY, Anchor, Chars, Concat, Either, Node, Ranges, Repeat, complement, fold, normal

MOST_REPEATS: Final = 1000
DIGIT: Final[Ranges] = ((48, 57),)
WORD: Final[Ranges] = ((48, 57), (65, 90), (95, 95), (97, 122))
SPACE: Final[Ranges] = ((9, 10), (12, 13), (32, 32))
_PERL: Final = {"d": DIGIT, "w": WORD, "s": SPACE}
_CONTROL: Final = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_POSIX: Final[dict[str, Ranges]] = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": DIGIT,
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}


class Unsupported(Exception):
    """Something that falls outside."""


def parse(pattern: str) -> Node:
    """Read ``pattern``."""
    parser = _Parser(pattern)
    node = parser.choice()
    if parser.rest():
        raise Unsupported(f"cannot read `{parser.rest()}`")
    return node


class _Parser:
    """A recursive descent over the pattern; ``_any_case`` is the state of the `i` flag."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._any_case = False

    def rest(self) -> str:
        return self._text[self._at :]

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        self._at += 1
        return self._text[self._at - 1 : self._at]

    def _take(self, text: str) -> bool:
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def choice(self) -> Node:
        any_case = self._any_case
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        self._any_case = any_case
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._peek() not in ("", "|", ")"):
            if self._take("\\Q"):
                quoted, _, _ = self.rest().partition("\\E")
                self._at += len(quoted)
                self._take("\\E")
                parts += [self._chars(((ord(c), ord(c)),)) for c in quoted]
                if parts and quoted:
                    parts.append(self._repeated(parts.pop()))
                continue
            parts.append(self._repeated(self._atom()))
        return parts[0] if len(parts) == 1 else Concat(tuple(parts))

    def _repeated(self, node: Node) -> Node:
        while True:
            if self._take("*"):
                node = Repeat(node, 0, None)
            elif self._take("+"):
                node = Repeat(node, 1, None)
            elif self._take("?"):
                node = Repeat(node, 0, 1)
            elif (bounds := self._bounds()) is not None:
                node = Repeat(node, *bounds)
            else:
                return node
            self._take("?")

    def _bounds(self) -> tuple[int, int | None] | None:
        inside, closed, _ = self.rest()[1:].partition("}")
        low, comma, high = inside.partition(",")
        if self._peek() != "{" or not closed or not low.isdigit() or not (high.isdigit() or not high):
            return None
        self._at += len(inside) + 2
        most = int(high) if high else None if comma else int(low)
        if max(int(low), most or 0) > MOST_REPEATS:
            raise Unsupported("too many repetitions")
        return int(low), most

    def _atom(self) -> Node:
        character = self._next()
        if character == "(":
            return self._group()
        if character == "[":
            return self._chars(self._class())
        if character == ".":
            return ANY
        if character == "^":
            return Anchor(end=False)
        if character == "$":
            return Anchor(end=True)
        if character == "\\":
            return self._escape()
        return self._chars(((ord(character), ord(character)),))

    def _chars(self, ranges: Ranges) -> Chars:
        return Chars(fold(ranges) if self._any_case else ranges)

    def _group(self) -> Node:
        before = self._any_case
        if self._take("?"):
            if self._take("P<") or self._take("<"):
                self._at = self._text.index(">", self._at) + 1
            elif self._flags():
                return EMPTY  # `(?i)`: on for the rest of the enclosing group
        node = self.choice()
        if not self._take(")"):
            raise Unsupported("an unclosed group")
        self._any_case = before
        return node

    def _flags(self) -> bool:
        """Read ``i:`` or ``i)``; tell whether the group ends here."""
        on = True
        while (flag := self._next()) not in (":", ")", ""):
            if flag == "-":
                on = False
            elif flag == "i":
                self._any_case = on
            elif flag == "m" and on:
                raise Unsupported("the flag `m`")
        return flag == ")"

    def _escape(self) -> Node:
        kind = self._next()
        if kind == "A":
            return Anchor(end=False)
        if kind == "z":
            return Anchor(end=True)
        if kind in "bBpPC":
            raise Unsupported(f"`\\{kind}`")
        return self._chars(self._escaped_set(kind))

    def _escaped_set(self, kind: str) -> Ranges:
        if kind.lower() in _PERL and kind.isalpha():
            ranges = _PERL[kind.lower()]
            return ranges if kind.islower() else complement(ranges)
        code = self._escaped(kind)
        return ((code, code),)

    def _escaped(self, kind: str) -> int:
        if kind in _CONTROL:
            return _CONTROL[kind]
        if kind == "x":
            if self._take("{"):
                digits, _, _ = self.rest().partition("}")
                self._at += len(digits) + 1
            else:
                digits = self._next() + self._next()
            return int(digits, 16)
        if kind.isdigit():
            digits = kind
            while len(digits) < 3 and self._peek() in tuple("01234567"):
                digits += self._next()
            return int(digits, 8)
        return ord(kind)

    def _class(self) -> Ranges:
        negated = self._take("^")
        found: list[tuple[int, int]] = []
        first = True
        while first or self._peek() != "]":
            first = False
            if self._take("[:"):
                name, _, _ = self.rest().partition(":]")
                self._at += len(name) + 2
                ranges = _POSIX[name.removeprefix("^")]
                found += complement(ranges) if name.startswith("^") else ranges
                continue
            found += self._class_range()
        self._at += 1
        ranges = normal(found)
        if self._any_case:
            ranges = fold(ranges)
        return complement(ranges) if negated else ranges

    def _class_range(self) -> Ranges:
        low = self._class_item()
        if len(low) != 1 or low[0][0] != low[0][1] or self._peek() != "-":
            return low
        if self._text[self._at + 1 : self._at + 2] == "]":
            return low
        self._at += 1
        high = self._class_item()
        return ((low[0][0], high[0][1]),)

    def _class_item(self) -> Ranges:
        character = self._next()
        if character != "\\":
            return ((ord(character), ord(character)),)
        kind = self._next()
        if kind in "pP":
            raise Unsupported(f"`\\{kind}`")
        return self._escaped_set(kind)
