"""What lies between two configurations."""

from pathlib import Path

import pytest

from agent.config import SiteConfig
from agent.config.reload import Difference, difference, needs_new_start
from tests.agent.frames import configured

HEAD = """[site]
name = "works"
"""
LINE = """
[[line]]
name = "{name}"
url = "tcp://127.0.0.1:{port}"
"""
DEVICE = """
[[device]]
name = "{name}"
area = "{area}"
line = "{line}"
unit = 1
profile = "{profile}"
"""
GREEN = """
[[green_power]]
certificate = "GEC-1"
contract = "2026-1"
accounts = ["fan/electricity"]
share = 0.5
from = 2026-01-01
to = 2026-12-31
"""
MQTT = '\n[mqtt]\nurl = "mqtt://127.0.0.1:1"\n'


def line(name: str = "hall", port: int = 1502) -> str:
    return LINE.format(name=name, port=port)


def device(name: str = "fan", line: str = "hall", area: str = "house", profile: str = "generic/vfd-motor") -> str:
    return DEVICE.format(name=name, line=line, area=area, profile=profile)


TWO = line() + line("yard", 1503) + device() + device("pump", "yard")


@pytest.fixture
def before(tmp_path: Path) -> SiteConfig:
    return configured(tmp_path, HEAD + TWO)


def change(before: SiteConfig, text: str) -> Difference:
    return difference(before, configured(before.path.parent, HEAD + text))


def test_the_same_file_changes_nothing(before: SiteConfig) -> None:
    same = change(before, TWO + "\n# a remark\n")

    assert same == Difference(("hall", "yard"), (), (), api=False, ledger=False, ticker=False, gone=())
    assert str(same) == "changed: nothing; going on: hall, yard"


def test_another_url_is_another_line_and_leaves_the_books_alone(before: SiteConfig) -> None:
    other = change(before, TWO.replace("1503", "1504"))

    assert (other.lines_kept, other.lines_ended, other.ledger) == (("hall",), ("yard",), False)


def test_a_changed_device_changes_its_line_only(before: SiteConfig) -> None:
    other = change(before, line() + line("yard", 1503) + device() + device("pump", "yard", area="yard"))

    assert (other.lines_kept, other.lines_ended, other.ledger) == (("hall",), ("yard",), True)
    assert other.gone == ("house/pump",)


def test_new_and_removed_lines_and_devices(before: SiteConfig) -> None:
    fewer = change(before, line() + device())
    more = change(before, TWO + line("roof", 1505) + device("fan-2", "roof"))

    assert (fewer.lines_kept, fewer.lines_ended, fewer.gone) == (("hall",), ("yard",), ("house/pump",))
    assert (more.lines_kept, more.lines_ended, more.gone) == (("hall", "yard"), (), ())
    assert more.ledger


def test_a_changed_profile_is_a_changed_device(tmp_path: Path) -> None:
    own = Path(__file__).parents[3] / "drivers/catalogue/generic/vfd-motor.toml"
    (tmp_path / "own.toml").write_text(own.read_text(encoding="utf-8"), encoding="utf-8")
    text = HEAD + line() + device(profile="own.toml")
    before = configured(tmp_path, text)
    (tmp_path / "own.toml").write_text(own.read_text(encoding="utf-8") + "\n# corrected\n", encoding="utf-8")

    assert difference(before, configured(tmp_path, text)).lines_ended == ("hall",)


def test_a_feeder_needs_rows_that_books_without_it_do_not_keep(before: SiteConfig) -> None:
    feeder = '\n[[equipment]]\nkind = "feeder"\ndevice = "fan"\n'
    changed = change(before, TWO + feeder)
    narrowed = difference(
        configured(before.path.parent, HEAD + TWO + feeder),
        configured(before.path.parent, HEAD + TWO + feeder + 'span = "1h"\n'),
    )

    assert (changed.ledger, changed.lines_ended) == (True, ())
    assert not narrowed.ledger


@pytest.mark.parametrize(
    ("table", "changed"),
    [
        ('\n[windows]\npublish = "5s"\n', {"ledger": True, "ticker": True}),
        ('\n[interval]\nlength = "5min"\n', {"ledger": True}),
        ('\n[carbon]\ngwp = "AR6"\n', {"ledger": True}),
        (GREEN, {"ledger": True}),
        ('\n[http]\nlisten = "127.0.0.1:0"\n', {"api": True}),
    ],
)
def test_a_table_changes_what_depends_on_it(before: SiteConfig, table: str, changed: dict[str, bool]) -> None:
    found = change(before, TWO + table)

    assert found == Difference(
        ("hall", "yard"), (), (), **{"api": False, "ledger": False, "ticker": False, **changed}, gone=()
    )


def test_only_the_sink_whose_table_has_changed_is_connected_anew(tmp_path: Path) -> None:
    influx = '\n[influx]\nurl = "http://127.0.0.1:1"\norg = "o"\nbucket = "b"\n'
    before = configured(tmp_path, HEAD + TWO + MQTT + influx)
    found = change(before, TWO + MQTT.replace(":1", ":2") + influx)

    assert (found.sinks, found.ledger, found.lines_ended) == (("mqtt",), False, ())


@pytest.mark.parametrize(
    ("text", "table"),
    [
        (HEAD + TWO, ""),
        (HEAD.replace("works", "other") + TWO, "[site]"),
        (HEAD + '\n[store]\nmax_size = "2GiB"\n' + TWO, "[store]"),
        (HEAD + '\n[audit]\nseal_every = "30min"\n' + TWO, "[audit]"),
        (HEAD + TWO + MQTT, "[mqtt]"),
        (HEAD + line() + device(), ""),
    ],
)
def test_what_a_running_agent_cannot_change_in_itself_is_named(before: SiteConfig, text: str, table: str) -> None:
    assert needs_new_start(before, configured(before.path.parent, text)) == table
