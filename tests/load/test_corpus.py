"""Every real configuration at hand loads and decodes; what is refused is no configuration."""

from __future__ import annotations

import pytest

from envoysim.load import load
from envoysim.load.decode import decode_message
from envoysim.load.encode import to_json
from envoysim.model.outcome import Note
from envoysim.model.ref import NOWHERE

from .corpus_report import CORPUS, Report, corpus_files, read_corpus

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not at hand")

# Why a file may be refused: it is another product's input, plain text, or a template with words where numbers belong.
NO_CONFIGURATION = (
    "not an Envoy configuration",
    "not an Envoy resource",
    "neither JSON nor YAML",
    "not JSON",
    ": empty",
    "port_value: expected a whole number, not text",
)


@pytest.fixture(scope="module")
def report() -> Report:
    return read_corpus(CORPUS)


def test_all_loads(report: Report) -> None:
    assert sum(report.loaded.values()) >= 2350
    assert [why for _, why in report.refused if not any(text in why for text in NO_CONFIGURATION)] == []
    assert [name for name, _ in report.refused if name.endswith(".config_dump.json")] == []


def test_nothing_of_envoys_own_is_unknown(report: Report) -> None:
    """Unknown names are vendors', contrib's, or planted by Envoy's own tests."""
    fields = [text for text in report.unknown if text.startswith("unknown field")]

    # `deprecated_v1`, `value`: a v1 TcpProxy of 2018; `foo`, `null`, `name`: files that are wrong on purpose
    assert {text.split("`")[1] for text in fields} <= {"foo", "null", "name", "deprecated_v1", "value"}
    assert [text for text in report.unknown if text.startswith("unknown value")] == []


def test_encode_is_the_reverse_on_real_ones() -> None:
    dumps = [path for _, kind, path in corpus_files(CORPUS) if path.name.endswith("config_dump.json")]
    for path in dumps[::23]:
        for resource in load(str(path)).all_resources:
            message, notes = resource.message(), list[Note]()
            again = decode_message(message.DESCRIPTOR.full_name, to_json(message), NOWHERE, notes)
            assert again == message
