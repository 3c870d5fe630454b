"""Held against the parser of Prometheus's own client library."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from agent.state.exposition import histogram, single, written


def read_back(text: bytes) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(f"{name}={value}" for name, value in sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


@given(st.text(st.characters(codec="utf-8")), st.floats(allow_nan=False, allow_infinity=False))
def test_any_label_and_number_reads_back_as_it_was(label: str, value: float) -> None:
    text = written([single("gauge", "energy_agent_x", "What it is", [((("name", label),), value)])])

    assert read_back(text) == {("energy_agent_x", f"name={label}"): value}


def test_a_family_says_what_it_is() -> None:
    text = written([single("counter", "energy_agent_x_total", 'A "thing"\\kind\nof two lines', [((), 3)])])

    (family,) = text_string_to_metric_families(text.decode())
    assert (family.name, family.type) == ("energy_agent_x", "counter")
    assert family.documentation == 'A "thing"\\kind\nof two lines'


def test_the_buckets_of_a_histogram_count_all_below_their_bound() -> None:
    late = histogram("energy_agent_late_seconds", "Lateness", [((("line", "hall"),), [0.001, 0.002], [5, 3, 2], 0.5)])

    assert read_back(written([late])) == {
        ("energy_agent_late_seconds_bucket", "le=0.001", "line=hall"): 5.0,
        ("energy_agent_late_seconds_bucket", "le=0.002", "line=hall"): 8.0,
        ("energy_agent_late_seconds_bucket", "le=+Inf", "line=hall"): 10.0,
        ("energy_agent_late_seconds_count", "line=hall"): 10.0,
        ("energy_agent_late_seconds_sum", "line=hall"): 0.5,
    }
