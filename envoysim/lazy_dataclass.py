"""``dataclass`` whose methods are made when they are first needed.

The standard decorator compiles six functions for a frozen class, which is two thirds of the time it takes to import
this package's two hundred classes. Here ``__init__`` is compiled when the first instance is made, and the other
methods are shared. Type checkers, ``fields``, ``replace``, ``match`` and pickling see an ordinary dataclass.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

LITERALS: Final[dict[Any, str]] = {list: "[]", dict: "{}"}
"""What a factory makes, where that can be written down."""

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(*, frozen: bool = False, slots: bool = False, eq: bool = True) -> Callable[[type], type]:
        """Make a dataclass; the options mean what they mean in ``dataclasses.dataclass``."""

        def make(cls: type) -> type:
            cls.__doc__ = cls.__doc__ or cls.__name__  # else its signature is worked out, which imports a tokenizer
            made = _processed(cls, slots)
            methods: dict[str, Any] = {"__init__": _first_init, "__repr__": _repr}
            if eq:
                methods |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
            if frozen:
                methods |= {"__setattr__": _set, "__delattr__": _delete}
                methods |= {"__getstate__": _get_state, "__setstate__": _set_state}
            own = cls.__dict__
            for name, method in methods.items():
                if name not in own or (name == "__hash__" and own[name] is None):
                    setattr(made, name, method)
            return made

        return make


def _processed(cls: Any, slots: bool) -> Any:
    """Let ``dataclasses`` make the fields.

    It looks for ``ClassVar`` and the like in every annotation that is a text; that is done here once for all of them.
    """
    annotations = inspect.get_annotations(cls)
    special = any("Var" in str(kind) or "KW_ONLY" in str(kind) for kind in annotations.values())
    if not special:
        cls.__annotations__ = dict.fromkeys(annotations, object)
    made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
    if not special:
        made.__annotations__ = annotations
        for name in annotations:
            made.__dataclass_fields__[name].type = annotations[name]
    return made


def _first_init(self: Any, *args: Any, **kwargs: Any) -> None:
    owner = next(cls for cls in type(self).__mro__ if cls.__dict__.get("__init__") is _first_init)
    init = owner.__init__ = _compiled_init(owner)  # type: ignore[misc]  # from now on
    init(self, *args, **kwargs)


def _compiled_init(cls: Any) -> Any:
    """Compile ``__init__``; a frozen class's attributes are set through the slots, which its ``__setattr__`` guards."""
    names: dict[str, Any] = {"_set": object.__setattr__, "_missing": dataclasses.MISSING}
    frozen = cls.__setattr__ is _set
    parameters: list[str] = []
    keyword_only: list[str] = []
    body: list[str] = []
    for field in dataclasses.fields(cls):
        name, value, parameter = field.name, field.name, field.name
        if field.default_factory is not dataclasses.MISSING:
            names[f"_make_{name}"] = field.default_factory
            make = LITERALS.get(field.default_factory, f"_make_{name}()")
            parameter = f"{name}=_missing"
            value = f"{make} if {name} is _missing else {name}" if field.init else make
        elif field.default is not dataclasses.MISSING:
            names[f"_default_{name}"] = field.default
            parameter = f"{name}=_default_{name}"
            value = name if field.init else f"_default_{name}"
        if field.init:
            (keyword_only if field.kw_only else parameters).append(parameter)
        slot = getattr(getattr(cls, name, None), "__set__", None) if frozen else None
        if slot is not None:
            names[f"_set_{name}"] = slot
        body.append(
            f"self.{name} = {value}" if not frozen
            else f"_set_{name}(self, {value})" if slot is not None
            else f"_set(self, {name!r}, {value})"
        )  # fmt: skip
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    star = ["*"] if keyword_only else []
    source = f"def __init__({', '.join(['self', *parameters, *star, *keyword_only])}):\n " + "\n ".join(
        body or ["pass"]
    )
    exec(source, names)
    made = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _values(self: Any) -> Any:
    """Return what two instances are compared by."""
    cls = type(self)
    getter = cls.__dict__.get("_compared")
    if getter is None:
        names = [field.name for field in dataclasses.fields(cls) if field.compare]
        getter = staticmethod(attrgetter(*names) if names else lambda _: ())
        cls._compared = getter
    return getter.__func__(self)


def _repr(self: Any) -> str:
    shown = (f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: object) -> Any:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _set(self: Any, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _delete(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
