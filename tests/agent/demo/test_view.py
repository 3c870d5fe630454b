from io import StringIO
from typing import Any

from rich.console import Console

from agent.demo import view

NOTHING_NEW = ""


def device(name: str, kind: str, values: dict[str, float] | None = None, state: str = "online") -> dict[str, Any]:
    entry: dict[str, Any] = {"device": name, "kind": kind, "state": state, "polls": 76, "failures": 5}
    return entry if values is None else entry | {"values": values}


def intervals_made(records: int, revisions: int = 0) -> dict[str, Any]:
    counts = {"intervals_closed": records, "intervals_revised": revisions}
    return {name: {"boiler-1/natural_gas": count} if count else {} for name, count in counts.items()}


def a_state(**changes: Any) -> dict[str, Any]:
    state = {
        "site": "demo",
        "version": "0.1.0",
        "uptime_s": 74.4,
        "process": {"cpu_s": 1.52, "resident_bytes": 71 * 2**20},
        "devices": [
            device(
                "boiler-1",
                "boiler",
                {"gas_flow_nm3_h": 224.31, "steam_flow_t_h": 3.489, "stack_oxygen_percent": 3.2},
            ),
            device("motor-1", "motor-drive", {"active_power_kw": 11.386, "speed_rpm": 1373.0, "current_a": 18.5}),
            device("motor-2", "motor-drive", state="offline"),
            device(
                "main-meter",
                "electricity-meter",
                {"active_power_kw": 24.28, "power_factor": 0.9331, "frequency_hz": 50},
            ),
        ],
        "sinks": [{"sink": "mqtt", "connected": True, "acknowledged": 1764, "pending": 3, "last_error": ""}],
        "store": {"bytes": 319488, "dropped": {}},
        "records": {"interval": 29, "window": 435, "telemetry": 299},
        **intervals_made(29),
        "alarms": [],
        "accounts": [],
    }
    return state | changes


def account(name: str, span: str, **figures: Any) -> dict[str, Any]:
    return {"account": name, "span": span, "coverage": 1.0, "estimated": 0.0, "amount": 0.0} | figures


def intensity(span: str, **figures: Any) -> dict[str, Any]:
    return {"intensity": "steam", "span": span, "output_amount": 0.059, "output_unit": "t", "coverage": 0.78} | figures


def some_windows() -> list[dict[str, Any]]:
    found = []
    for span in ("10s", "1min", "15min"):
        found += [
            account("boiler-1/natural_gas", span, amount=3.7, energy_kwh=40.013, co2_kg=8.0002, mean_power_kw=2400.8),
            account("motor-2/electricity", span, energy_kwh=0.09, co2_kg=0.0588, coverage=0.781, estimated=0.1),
            account("main-meter/electricity", span, energy_kwh=0.402, co2_kg=0.2634),
            intensity(span, energy_kwh_per_t=682.9, kgce_per_t=83.886, co2_kg_per_t=138.71),
        ]
    return found


def shown(page: view.Page, width: int = 110, height: int = 40) -> list[str]:
    """Return the page's lines as a terminal of this size shows them."""
    output = StringIO()
    Console(file=output, width=width, height=height).print(page, end="")
    return [line.rstrip() for line in output.getvalue().splitlines()]


def line_of(lines: list[str], start: str) -> str:
    return next(line for line in lines if line.startswith(start))


def words_of(lines: list[str], start: str) -> str:
    return " ".join(line_of(lines, start).split())


def test_a_device_shows_its_state_its_key_figures_with_units_and_its_polls() -> None:
    lines = shown(view.page(a_state(), some_windows(), NOTHING_NEW))

    assert words_of(lines, "motor-1") == "motor-1 online 11.39 kW 1,373 rpm 18.50 A 76 5"
    assert words_of(lines, "motor-2  ") == "motor-2 offline 76 5"


def test_an_account_shows_each_span_and_its_mean_power() -> None:
    lines = shown(view.page(a_state(), some_windows(), NOTHING_NEW))

    figures = ["40.01", "8.000", "100"]
    assert line_of(lines, "boiler-1/").split() == ["boiler-1/natural_gas", "2,401", *figures * 3]


def test_figures_stand_below_their_headings() -> None:
    lines = shown(view.page(a_state(), some_windows(), NOTHING_NEW))

    row = lines.index(line_of(lines, "boiler-1/"))
    spans, heads = lines[row - 2], lines[row - 1]
    for end, head, span in ((31, "mean kW", "1min"), (39, "kWh", "10s"), (47, "kg CO₂", "10s"), (55, "cov %", "10s")):
        assert heads[:end].endswith(f" {head}")
        assert spans[:end].endswith(f" {span}")
        assert lines[row][end : end + 1] in ("", " ")


def test_what_is_partly_estimated_is_marked_and_what_is_measured_is_not() -> None:
    lines = shown(view.page(a_state(), some_windows(), NOTHING_NEW))

    assert line_of(lines, "motor-2/").split() == ["motor-2/electricity", "-", *["~0.090", "~0.059", "78"] * 3]
    assert "~" not in line_of(lines, "main-meter/")


def test_an_intensity_names_its_units_and_a_dash_stands_for_what_was_not_made() -> None:
    nothing_made = [*some_windows()[:3], intensity("10s", output_amount=0.0)]

    assert (
        words_of(shown(view.page(a_state(), some_windows(), NOTHING_NEW)), "steam")
        == "steam 10s 0.059 t 682.9 kWh/t 83.89 kgce/t 138.7 kg/t 78"
    )
    assert (
        words_of(shown(view.page(a_state(), nothing_made, NOTHING_NEW)), "steam")
        == "steam 10s 0.000 t - kWh/t - kgce/t - kg/t 78"
    )


def test_a_sink_tells_what_waits_and_why_its_link_is_down() -> None:
    def sink(**changes: Any) -> dict[str, Any]:
        return a_state(sinks=[a_state()["sinks"][0] | changes])

    def said(state: dict[str, Any]) -> str:
        return line_of(shown(view.page(state, [], NOTHING_NEW)), "mqtt")

    assert said(sink()) == "mqtt   1,764 delivered   3 waiting   connected"
    assert said(sink(connected=False)).endswith("connecting")
    assert said(sink(connected=False, last_error="it is away")).endswith("no link: it is away")


def test_alarms_news_and_dropped_records_are_said() -> None:
    state = a_state(
        alarms=[{"name": "comm_lost", "text": "motor-2 does not answer"}],
        store={"bytes": 1048576, "dropped": {"telemetry": 1200, "window": 34}},
    )

    lines = shown(view.page(state, some_windows(), "motor-2 is taken off its line"))

    assert "alarm  comm_lost: motor-2 does not answer" in lines
    assert "now    motor-2 is taken off its line" in lines
    assert line_of(lines, "store").endswith("1,234 old records dropped")


def test_the_page_fits_a_terminal_of_80_by_24_whole() -> None:
    state = a_state(alarms=[{"name": "comm_lost", "text": "does not answer " * 6}])

    lines = shown(view.page(state, some_windows(), "something has happened"), 80, 24)

    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    assert lines[-1] == "now    something has happened"


def test_a_narrow_terminal_gets_the_longest_spans() -> None:
    page = view.page(a_state(), some_windows(), NOTHING_NEW)

    assert {"10s", "1min", "15min"} <= set(" ".join(shown(page, 110)).split())
    assert {"10s", "1min", "15min"} & set(" ".join(shown(page, 80)).split()) == {"1min", "15min"}


def closed_intervals() -> list[dict[str, Any]]:
    def closed(name: str, **figures: Any) -> dict[str, Any]:
        return {"account": name, "interval": {"energy_kwh": 6.48, "co2_kg": 1.296, "estimated": 0.0} | figures}

    return [
        closed("boiler-1/natural_gas", quality="good"),
        closed("motor-2/electricity", quality="uncertain:estimated", estimated=0.4),
        {"account": "main-meter/electricity"},
    ]


def test_a_wide_terminal_shows_the_last_closed_interval_of_each_account() -> None:
    lines = shown(view.page(a_state(accounts=closed_intervals()), some_windows(), NOTHING_NEW), 140)

    assert line_of(lines, "boiler-1/").split()[-3:] == ["6.480", "1.296", "good"]
    assert line_of(lines, "motor-2/").split()[-3:] == ["~6.480", "~1.296", "estimated"]
    assert line_of(lines, "main-meter/").split()[-3:] == ["0.402", "0.263", "100"]
    assert line_of(lines, "Account").split()[-4:] == ["kWh", "kg", "CO₂", "quality"]
    assert len({"10s", "1min", "15min"} & set(" ".join(lines).split())) == 3


def test_the_last_interval_comes_before_a_third_span_and_after_the_second() -> None:
    page = view.page(a_state(accounts=closed_intervals()), some_windows(), NOTHING_NEW)

    def spans(width: int) -> set[str]:
        return {"10s", "1min", "15min"} & set(" ".join(shown(page, width)).split())

    for width, interval in ((110, True), (107, True), (100, False), (80, False)):
        assert ("quality" in " ".join(shown(page, width))) is interval, width
    assert spans(110) == spans(80) == {"1min", "15min"}
    assert len(shown(page, 80, 24)) <= 24
    assert max(map(len, shown(page, 110))) <= 110


def test_a_low_terminal_loses_blank_lines_first_then_the_end() -> None:
    page = view.page(a_state(), some_windows(), NOTHING_NEW)
    whole = shown(page, 110, 40)
    dense = [line for line in whole if line]

    assert [line for line in shown(page, 110, len(whole) - 1) if line] == dense
    assert shown(page, 110, len(dense)) == dense
    assert shown(page, 110, len(dense) - 2) == dense[:-2]


def test_before_the_first_windows_there_are_devices_and_delivery_alone() -> None:
    lines = shown(view.page(a_state(), [], NOTHING_NEW))

    assert line_of(lines, "Device")
    assert not any(line.startswith(("Intensity", "Account")) for line in lines)


def test_the_lines_sum_what_the_works_bought_and_leave_the_fed_motors_out() -> None:
    assert view.lines(a_state(), some_windows(), NOTHING_NEW).splitlines() == [
        "   74 s  3/4 devices online",
        "         last minute: 0.402 kWh bought, 3.700 Nm3 gas, 8.264 kg CO2",
        "         mqtt: 1,764 delivered, 3 waiting, connected",
    ]


def test_the_lines_tell_alarms_and_news_within_80_columns() -> None:
    alarm = {"name": "comm_lost", "text": "motor-2 does not answer: " + "no reply within 1 s " * 5}
    sink = a_state()["sinks"][0] | {"connected": False, "last_error": "it does not answer as an MQTT broker " * 3}
    said = view.lines(a_state(alarms=[alarm], sinks=[sink]), some_windows(), "motor-2 is taken off " * 5)

    assert max(map(len, said.splitlines())) <= 80
    words = " ".join(said.split())
    assert "alarm comm_lost: motor-2 does not answer: no reply" in words
    assert "no link: it does not answer" in words
    assert "now: motor-2 is taken off" in words


def test_alarms_of_one_name_are_told_once() -> None:
    alarms = [{"name": "comm_lost", "text": f"motor-{number} does not answer"} for number in (1, 2, 3)]
    lines = shown(view.page(a_state(alarms=[*alarms, {"name": "store", "text": "full"}]), some_windows(), NOTHING_NEW))

    assert [line for line in lines if line.startswith("alarm")] == [
        "alarm  comm_lost: motor-1 does not answer; and 2 more",
        "alarm  store: full",
    ]


def test_a_revised_interval_is_no_further_interval_of_the_live_page() -> None:
    one = view.page(a_state(**intervals_made(1)), some_windows(), NOTHING_NEW)
    revised = view.page(a_state(**intervals_made(10**4, 10**3)), some_windows(), NOTHING_NEW)

    assert " written: 1 interval, 435 windows, 299 telemetry" in words_of(shown(one), "store")
    assert " written: 9,000 intervals (1,000 revised), 435 windows," in words_of(shown(revised), "store")


def test_a_revised_interval_is_no_further_interval_of_the_summary() -> None:
    gas = {"account": "boiler-1/natural_gas", "amount": 1.0, "unit": "Nm3", "carrier": "natural_gas"}
    records = {"frames": 1, "values": 1, "telemetry": 1, "window": 1, "interval": 10**4}
    state = a_state(accounts=[gas], records=records, **intervals_made(10**4, 10**3))
    lines = view.summary(state).splitlines()

    assert max(map(len, lines)) <= 80
    assert line_of(lines, "  boiler-1").endswith(" intervals closed: 9,000 (1,000 revised)")
    assert view.closed(state, "boiler-1/natural_gas") == 9000


def test_the_summary_says_one_as_one() -> None:
    records = {"frames": 1, "values": 1, "telemetry": 1, "window": 1, "interval": 1}
    sink = a_state()["sinks"][0] | {"acknowledged": 1}
    lines = view.summary(a_state(sinks=[sink], records=records, **intervals_made(1))).splitlines()

    assert lines[0] == "after 74 s: 1 poll gave 1 value"
    assert lines[2] == "  1 message accepted by the broker, 3 waiting"


def test_the_summary_fits_80_columns_and_tells_intervals_by_account() -> None:
    gas = {"account": "boiler-1/natural_gas", "amount": 12345.6789, "unit": "Nm3", "carrier": "natural_gas"}
    steam = {"account": "boiler-1/steam_mass", "amount": 1.0, "unit": "t", "carrier": ""}
    records = {"frames": 10**6, "values": 10**7, "telemetry": 10**6, "window": 10**6, "interval": 10**6}
    state = a_state(accounts=[gas, steam], records=records, **intervals_made(3))
    lines = view.summary(state).splitlines()

    assert max(map(len, lines)) <= 80
    assert lines[0] == "after 74 s: 1,000,000 polls gave 10,000,000 values"
    assert lines[2] == "  1,764 messages accepted by the broker, 3 waiting"
    assert [line.split() for line in lines if "boiler-1" in line] == [
        ["boiler-1/natural_gas", "12345.6789", "Nm3", "intervals", "closed:", "3"]
    ]
