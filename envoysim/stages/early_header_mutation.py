"""Header mutations before anything else reads the headers (``source/extensions/http/early_header_mutation``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from ..model.ref import Ref
from ..schema import Msg, any_type, unpack
from .header_mutations import compile_mutation_list

if TYPE_CHECKING:
    from .proxy import Proxy
    from .stream import Stream

TYPE: Final = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"


def compile_early_mutations(msgs: Sequence[Msg], ref: Ref, proxy: Proxy) -> Callable[[Stream], None]:
    """Compile ``early_header_mutation_extensions`` of the connection manager at ``ref``."""
    at = ref.at("early_header_mutation_extensions")
    steps = [_compile(msg, at.at(index)) for index, msg in enumerate(msgs)]

    def mutate(stream: Stream) -> None:
        for step in steps:
            step(stream)

    return mutate


def _compile(msg: Msg, ref: Ref) -> Callable[[Stream], None]:
    config = unpack(msg.typed_config)
    if config is None or any_type(msg.typed_config) != TYPE:
        text = f"early header mutation `{msg.name}` is not modelled: it may change any request header"
        return lambda stream: stream.telling.note(ref, text)
    mutations = compile_mutation_list(config.mutations, ref.at("typed_config", "mutations"))

    def mutate(stream: Stream) -> None:
        mutations.apply(stream.headers, stream, None)
        stream.telling.step("connection manager", ref, "early header mutations")

    return mutate
