"""A lazy dataclass is a dataclass: the same instances, comparisons and errors as the standard library's."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any, ClassVar

import pytest

from envoysim import lazy_dataclass

OPTIONS = (
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "eq": False},
    {"slots": True},
    {"slots": True, "eq": False},
    {"frozen": True},
    {},
)


def pair(options: dict[str, bool]) -> tuple[Any, Any]:
    """The same class, made by both decorators."""

    def make(decorator: Any) -> Any:
        @decorator(**options)
        class Point:
            """A point."""

            kind: ClassVar[str] = "point"
            x: int
            y: int = 2
            tags: list[str] = dataclasses.field(default_factory=list, compare=False)
            note: str = dataclasses.field(default="", repr=False, kw_only=True)

            def total(self) -> int:
                return self.x + self.y

        return Point

    return make(lazy_dataclass.dataclass), make(dataclasses.dataclass)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_like_the_standard_dataclass(options: dict[str, bool]) -> None:
    lazy, standard = pair(options)
    for cls in (lazy, standard):
        one = cls(1, note="n")
        assert (one.x, one.y, one.tags, one.note, one.total()) == (1, 2, [], "n", 3)
        assert dataclasses.replace(one, x=5).x == 5
        assert (cls(1, 2, ["a"]) == cls(1)) is options.get("eq", True)
        assert dataclasses.asdict(one) == {"x": 1, "y": 2, "tags": [], "note": "n"}
        assert cls.__match_args__ == ("x", "y", "tags")
        assert cls.kind == "point"
        assert copy.copy(one).x == 1
        assert copy.deepcopy(one).tags == []
        assert cls(1).tags is not cls(1).tags
    assert repr(lazy(1)).split(".")[-1] == repr(standard(1)).split(".")[-1]
    assert (lazy.__hash__ is None) is (standard.__hash__ is None)
    if options == OPTIONS[0]:
        assert hash(lazy(1)) == hash(lazy(1, 2, ["other"]))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_misuse_is_refused(options: dict[str, bool]) -> None:
    for cls in pair(options):
        with pytest.raises(TypeError, match=r"__init__\(\) missing 1 required positional argument: 'x'"):
            cls()
        with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
            cls(1, z=2)
        one = cls(1)
        if options.get("frozen"):
            with pytest.raises(dataclasses.FrozenInstanceError):
                one.x = 3
            with pytest.raises(dataclasses.FrozenInstanceError):
                del one.x
        elif options.get("slots"):
            with pytest.raises(AttributeError):
                one.other = 3


@lazy_dataclass.dataclass(frozen=True, slots=True)
class Base:
    """A base."""

    a: int = 1


@lazy_dataclass.dataclass(frozen=True, slots=True)
class Derived(Base):
    """Adds a field."""

    b: int = 2

    def __repr__(self) -> str:
        return "own"


def test_inheritance_pickling_and_own_methods() -> None:
    assert (Base(3).a, Derived(3).b, Derived(b=4).a) == (3, 2, 1)
    assert pickle.loads(pickle.dumps(Derived(5))) == Derived(5)
    assert Derived() != Base()
    assert repr(Derived()) == "own"
    assert {Base(1), Base(1), Base(2)} == {Base(1), Base(2)}
