import configparser
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UNIT = ROOT / "systemd" / "energy-agent.service"
EXPOSURE_LIMIT = 2.0


def directives(name: str) -> Iterator[str]:
    """Yield the values of a directive in the order of the file; a unit may repeat one."""
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        if key == name:
            yield value


def directive(name: str) -> str:
    (value,) = directives(name)
    return value


def exposure(unit: Path) -> float:
    done = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", "--offline=true", unit],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


def test_the_service_is_exposed_as_little_as_promised() -> None:
    assert exposure(UNIT) <= EXPOSURE_LIMIT


def test_the_measure_of_exposure_notices_a_missing_guard(tmp_path: Path) -> None:
    weakened = tmp_path / UNIT.name
    weakened.write_text(re.sub(r"(?m)^(CapabilityBoundingSet|SystemCallFilter|DynamicUser)=.*$", "", UNIT.read_text()))

    assert exposure(weakened) > EXPOSURE_LIMIT


def verify(text: str, folder: Path) -> str:
    """Return what systemd says about a unit whose program is replaced by one that exists here."""
    unit = folder / UNIT.name
    unit.write_text(text.replace(directive("ExecStart"), "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0 or done.stderr
    return done.stderr


def test_systemd_has_nothing_to_say_about_the_unit(tmp_path: Path) -> None:
    assert not verify(UNIT.read_text(encoding="utf-8"), tmp_path)


def test_systemd_would_name_a_misspelt_directive(tmp_path: Path) -> None:
    assert "WatchdogSecs" in verify(UNIT.read_text(encoding="utf-8").replace("WatchdogSec", "WatchdogSecs"), tmp_path)


def test_the_unit_runs_what_the_installer_installs() -> None:
    settings = dict(re.findall(r"(?m)^(PREFIX|CONFIG|UNIT|STATE)=(\S+)$", (ROOT / "deploy" / "install.sh").read_text()))

    program, command, configuration = directive("ExecStart").split()
    assert program == f"{settings['PREFIX']}/bin/energy-agent"
    assert command == "run"
    assert configuration == f"{settings['CONFIG']}/energy-agent.toml"
    assert settings["STATE"] == f"/var/lib/{directive('StateDirectory')}"
    assert Path(settings["UNIT"]).name == UNIT.name


def credentials() -> dict[str, str]:
    return dict(value.split(":", 1) for value in directives("LoadCredential"))


def test_every_secret_of_the_example_configuration_is_a_credential_of_the_unit() -> None:
    example = (ROOT / "deploy" / "energy-agent.example.toml").read_text(encoding="utf-8")
    used = set(re.findall(r"/run/credentials/energy-agent\.service/([\w-]+)", example))

    assert {"mqtt", "influx"} <= used
    assert used <= credentials().keys()


def test_a_missing_secret_does_not_keep_the_service_from_starting() -> None:
    # systemd.exec(5): only a path that is not absolute is searched for in the credential store, and left out if absent.
    assert all(source and "/" not in source for source in credentials().values())


@pytest.mark.parametrize("group", ["ttyUSB", "ttyACM", "ttyS", "ttyAMA", "ttymxc"])
def test_serial_ports_are_within_reach(group: str) -> None:
    assert f"char-{group} rw" in directives("DeviceAllow")
    assert directive("SupplementaryGroups") == "dialout"


def test_the_state_of_the_example_configuration_is_where_the_service_may_write() -> None:
    example = tomllib.loads((ROOT / "deploy" / "energy-agent.example.toml").read_text(encoding="utf-8"))
    state = Path("/var/lib") / directive("StateDirectory")

    assert Path(example["store"]["path"]).is_relative_to(state)
    assert Path(example["capture"]["directory"]).is_relative_to(state)


def test_a_wrong_configuration_is_not_tried_again_and_everything_else_is() -> None:
    assert directive("Restart") == "always"
    assert directive("RestartPreventExitStatus") == "2"
    assert directive("StartLimitIntervalSec") == "0"


def test_the_agent_has_longer_to_stop_than_it_promises_to_need() -> None:
    assert int(directive("TimeoutStopSec")) > 10


def test_directives_stand_in_the_section_they_belong_to() -> None:
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.read(UNIT, encoding="utf-8")

    assert unit["Service"]["Type"] == "notify"
    assert int(unit["Service"]["WatchdogSec"]) >= 10
    assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_the_agent_may_ask_whether_the_clock_is_synchronised() -> None:
    """To read needs no capability, but a filter of system calls refuses it too: then no step is followed soon."""
    settings = [line for line in UNIT.read_text().splitlines() if not line.startswith("#")]

    assert "ProtectClock=yes" not in settings
    filters = [line.partition("=")[2] for line in settings if line.startswith("SystemCallFilter=")]
    assert {"adjtimex", "clock_adjtime"} <= set(filters[-1].split()), "the last word, for @privileged refuses them"
    assert "CapabilityBoundingSet=" in settings
