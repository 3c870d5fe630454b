"""Records as lines of InfluxDB's protocol: what is a tag, what a field, and that no name breaks a line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.record import Record
from agent.sinks.influx.lines import line
from tests.agent.sinks.influx_records import SEAL, record


def test_telemetry_is_its_values_at_the_time_of_the_reading() -> None:
    body: dict[str, object] = {
        "schema": "energy-agent/telemetry/1",
        "area": "hall",
        "device": "meter",
        "time": "2026-11-20T08:00:00.000000Z",
        "values": {"active_power_kw": 12.5, "voltage_v": 230},
        "quality": {"voltage_v": "uncertain:stale"},
    }

    assert line(record(7, **body)) == (
        "telemetry,site=works,area=hall,device=meter"
        " seq=7i,active_power_kw=12.5,voltage_v=230.0,quality_voltage_v=1.0 1007"
    )


def test_a_seal_keeps_the_texts_that_prove_something_and_a_number_for_databases_without_texts() -> None:
    assert line(record(10, "seal", **SEAL)) == (
        "seal,site=works seq=10i,from_seq=2i,to_seq=9i,count=8i,root_prefix="
        f"{float(0xFEDCBA987654)},"
        f'root="{SEAL["root"]}",head="{SEAL["head"]}",signature="c2ln+/==" 1010'
    )


def test_an_interval_is_its_numbers_without_evidence_and_texts() -> None:
    body: dict[str, object] = {
        "area": "hall",
        "device": "boiler",
        "account": "boiler/natural_gas",
        "revision": 1,
        "amount": 412.5,
        "unit": "Nm3",
        "scope": 1,
        "estimated": 0,
        "unverified": True,
        "evidence": {"open": {"raw": 1234500}},
        "factor": {"set": "x", "version": 3},
        "hash": "sha256:00",
    }

    assert line(record(8, "interval", **body)) == (
        "interval,site=works,area=hall,device=boiler,account=boiler/natural_gas"
        " seq=8i,revision=1i,amount=412.5,scope=1i,estimated=0.0,unverified=1.0 1008"
    )


def test_windows_of_an_intensity_carry_its_name_where_accounts_have_theirs() -> None:
    assert line(record(9, "window", intensity="steam", span="15min", co2_kg=1e-7)) == (
        "window,site=works,account=steam,span=15min seq=9i,co2_kg=1e-07 1009"
    )


def test_figures_carry_their_name_where_accounts_have_theirs() -> None:
    body: dict[str, object] = {"area": "hall", "device": "fan-1", "figure": "motor_load_rate", "span": "now"}
    body |= {"value": 61.5, "unit": "%", "norm": "GB/T 12497-2006", "inputs": {"active_power_kw": 36}}

    assert line(record(9, "figure", **body, coverage=1, estimated=0)) == (
        "figure,site=works,area=hall,device=fan-1,account=motor_load_rate,span=now"
        " seq=9i,value=61.5,coverage=1.0,estimated=0.0 1009"
    )


def test_two_alarms_of_one_device_and_moment_do_not_overwrite_each_other() -> None:
    fields = {
        re.split(r"(?<!\\) ", line(record(1, "alarm", alarm=name, active=True, severity="warning")) or "")[1]
        for name in ("comm_lost", "co high")
    }

    assert fields == {"comm_lost_seq=1i,comm_lost_active=1.0", r"co\ high_seq=1i,co\ high_active=1.0"}


def test_a_quality_is_the_number_of_its_reason_and_of_an_unknown_one_nothing() -> None:
    assert line(record(8, "interval", quality="uncertain:estimated")) == "interval,site=works seq=8i,quality=50.0 1008"
    assert line(record(8, "interval", quality="good")) == "interval,site=works seq=8i,quality=0.0 1008"
    assert line(record(8, "window", quality="bad:of_another_version")) == "window,site=works seq=8i 1008"


def test_a_record_without_any_number_is_no_line() -> None:
    assert line(Record(1, "telemetry", "a/b", 5, b'{"site":"works","values":{}}')) is None


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a b", r"a\ b"),
        ("a,b=c", r"a\,b\=c"),
        ("back\\", "back/"),
        ("new\nline", r"new\ line"),
        ("锅炉 1", r"锅炉\ 1"),
    ],
)
def test_tags_are_escaped(name: str, written: str) -> None:
    assert line(record(1, account=name)) == f"telemetry,site=works,account={written} seq=1i 1001"


def test_an_empty_tag_is_left_out() -> None:
    assert line(record(1, area="", device="meter")) == "telemetry,site=works,device=meter seq=1i 1001"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_field_reads_back_to_the_same_bits(value: float) -> None:
    found = re.search(r"x=(\S+) ", line(record(1, values={"x": value})) or "")

    assert found is not None
    assert float(found[1]).hex() == float(value).hex()


@given(st.dictionaries(st.text(min_size=1), st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.text())
def test_no_name_breaks_a_line(values: dict[str, float], account: str) -> None:
    text = line(record(1, account=account, values=values)) or ""

    assert "\n" not in text
    assert len(re.split(r"(?<!\\) ", text)) == 3
    assert len(re.split(r"(?<!\\),", re.split(r"(?<!\\) ", text)[1])) == len(values) + 1


@given(
    st.dictionaries(
        st.one_of(st.text(min_size=1), st.sampled_from(["seq", "count", "50%", "%s", "a b"])),
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False),
            st.floats(-1e-3, 1e-3),
            st.integers(-(2**53), 2**53),
            st.booleans(),
        ),
        min_size=1,
    )
)
def test_each_number_is_written_as_it_would_be_alone(values: dict[str, float]) -> None:
    together = re.split(r"(?<!\\) ", line(record(1, values=values)) or "")[1]
    alone = [re.split(r"(?<!\\) ", line(record(1, values={key: values[key]})) or "")[1] for key in values]

    assert together == ",".join(["seq=1i", *[each.removeprefix("seq=1i,") for each in alone]])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_spelt_as_python_does(values: list[float]) -> None:
    written = re.split(r"(?<!\\) ", line(record(1, values={f"x{at}": each for at, each in enumerate(values)})) or "")[1]

    assert written == ",".join(["seq=1i", *[f"x{at}={each!r}" for at, each in enumerate(values)]])
