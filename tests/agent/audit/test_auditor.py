"""A running agent proves its records: evidence with its documents, one key, seals that outsiders can check."""

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from agent.audit.documents import Documents, digest_of
from agent.audit.evidence import Item, of_configuration, software
from agent.audit.key_file import KeyFileError
from agent.cli import main
from agent.service import Agent
from agent.store import GENESIS
from drivers.profile_file import profile_path
from tests.agent.audit.proving import SITE, chain, check_by_hand, kind, site
from tests.agent.frames import configured
from tests.agent.running import Motor, running, until
from tests.modbus_rig import rig


@pytest.mark.integration
async def test_values_go_before_what_they_rest_on_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values: list[int] = []

    def read() -> Item:
        values.append(agent.scribe.counts.get("telemetry", 0))
        return software()

    monkeypatch.setattr("agent.audit.auditor.software", read)
    async with rig("tcp", Motor()) as device:
        agent = Agent(site(tmp_path, device.url))
        async with running(agent):
            await until(lambda: agent.scribe.counts.get("evidence", 0) > 0)

    assert values[0] > 0


@pytest.mark.integration
@pytest.mark.usefixtures("one_capture_file")
async def test_a_run_can_be_proved_from_its_first_record_to_its_last(tmp_path: Path) -> None:
    async with rig("tcp", Motor()) as device:
        agent = Agent(site(tmp_path, device.url))
        async with running(agent):
            await until(lambda: agent.scribe.counts["interval"] >= 2 and agent.scribe.counts.get("seal", 0) >= 2)
            posted = json.loads(agent.board.get("agent/seal") or b"{}")
            key = agent.auditor.public_key
            meta = json.loads(agent.board.get("hall/motor-1/meta") or b"{}")
            status = json.loads(agent.board.get("agent/status") or b"{}")
    records = chain(tmp_path)
    seals = check_by_hand(records)

    assert posted in seals
    assert {seal["public_key"] for seal in seals} == {meta["public_key"], status["public_key"], key}
    assert seals[-1]["seq"] > max(record["seq"] for record in records if kind(record) == "interval")
    evidence = {(record["what"], record["name"]): record for record in records if kind(record) == "evidence"}
    assert evidence["software", "energy-agent"]["version"]
    assert evidence["software", "energy-agent"]["packages"]["numpy"]
    assert evidence["configuration", "site.toml"]["digest"] == agent.config.digest
    assert evidence["profile", "generic/vfd-motor"]["digest"] == agent.config.profiles["motor-1"].digest
    assert evidence["key", "seals"]["public_key"] == key
    (capture,) = [each for each in evidence.values() if each["what"] == "capture"]
    file = tmp_path / "capture" / capture["name"]
    assert capture["digest"] == "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
    assert (capture["size"], capture["exchanges"] > 0) == (file.stat().st_size, True)
    documents = Documents(tmp_path / "data" / "audit" / "documents")
    for (what, name), record in evidence.items():
        if what in {"software", "configuration", "profile", "factors"}:
            content = documents.find(record["digest"])
            assert content is not None, name
            assert len(content) == record["size"]
    path = tmp_path / "data" / "audit" / "key.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.integration
@pytest.mark.usefixtures("no_midnight")
async def test_the_next_run_goes_on_with_chain_seals_and_key_and_seals_what_was_left(tmp_path: Path) -> None:
    keys = set()
    for runs in (1, 2, 3):
        agent = Agent(site(tmp_path))
        async with running(agent):
            await until(lambda: agent.scribe.counts.get("seal", 0) >= 1)  # noqa: B023 -- awaited in the same turn
        keys.add(agent.auditor.public_key)
        seals = check_by_hand(chain(tmp_path))
        assert len([record for record in chain(tmp_path) if record.get("what") == "software"]) == runs

    assert len(keys) == 1
    assert len(seals) >= 3


@pytest.mark.integration
@pytest.mark.usefixtures("no_midnight")
async def test_a_key_that_was_changed_between_two_runs_is_told_of_in_the_log_and_in_evidence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = []
    for _ in range(2):
        (tmp_path / "data" / "audit" / "key.pem").unlink(missing_ok=True)
        agent = Agent(site(tmp_path))
        async with running(agent):
            await until(lambda agent=agent: agent.scribe.counts.get("seal", 0) >= 1)  # type: ignore[misc]
        keys.append(agent.auditor.public_key)

    assert keys[0] != keys[1]
    assert f"seals were signed with {keys[0]}, from now on with {keys[1]}" in caplog.text
    told = [record["public_key"] for record in chain(tmp_path) if record.get("what") == "key"]
    assert told == keys


@pytest.mark.integration
@pytest.mark.usefixtures("no_midnight")
async def test_a_reload_tells_what_has_changed_and_nothing_else(tmp_path: Path) -> None:
    agent = Agent(site(tmp_path))
    async with running(agent):
        await until(lambda: agent.scribe.counts.get("seal", 0) >= 1)
        before = agent.scribe.counts["evidence"]
        changed = site(tmp_path, more='\n[windows]\npublish = "5s"\n')
        agent.reload(changed)
        await until(lambda: agent.config is changed)
        assert agent.scribe.counts["evidence"] == before + 1
        sealed = agent.scribe.counts["seal"]
        await until(lambda: agent.scribe.counts["seal"] >= sealed + 2)
    records = chain(tmp_path)
    told = [record for record in records if record.get("what") == "configuration"]

    assert [record["digest"] for record in told] != [changed.digest] * 2
    assert told[-1]["digest"] == changed.digest
    assert Documents(agent.auditor.folder / "documents").find(changed.digest)
    check_by_hand(records)


@pytest.mark.integration
@pytest.mark.usefixtures("no_midnight")
async def test_a_configuration_that_was_in_force_before_anything_was_told_is_told_as_well(tmp_path: Path) -> None:
    agent = Agent(first := site(tmp_path))
    async with running(agent):
        await until(lambda: agent.recorder.settled)
        changed = site(tmp_path, more='\n[windows]\npublish = "5s"\n')
        agent.reload(changed)
        await until(lambda: agent.config is changed)
        await until(lambda: agent.scribe.counts.get("seal", 0) >= 1)
    told = [record["digest"] for record in chain(tmp_path) if record.get("what") == "configuration"]

    assert told == [first.digest, changed.digest]
    assert all(map(Documents(agent.auditor.folder / "documents").find, told))


@pytest.mark.integration
def test_what_was_loaded_is_what_is_kept_whatever_the_files_have_become_meanwhile(tmp_path: Path) -> None:
    own_set = 'id = "own"\ntitle = "t"\ntitle_zh = "t"\nissuer = "i"\nsource = "s"\n'
    meter = profile_path("generic/vfd-motor").read_bytes()
    (tmp_path / "factors").mkdir()
    files = {"meter.toml": meter, "factors/own.toml": own_set.encode()}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    config = configured(tmp_path, SITE.format(url="tcp://127.0.0.1:1").replace("generic/vfd-motor", "meter.toml"))
    files["site.toml"] = config.path.read_bytes()
    library = config.library
    for name in files:
        (tmp_path / name).write_text("another by now", encoding="utf-8")
    found = {item.name: item for item in of_configuration(config, library)}

    for name, document in (("site.toml", "site.toml"), ("meter.toml", "meter.toml"), ("own", "factors/own.toml")):
        content = files[document]
        assert found[name].content == content
        assert (found[name].says["digest"], found[name].says["size"]) == (digest_of(content), len(content))
    assert not any(item.content is None for item in found.values())


async def test_a_store_that_was_lost_begins_a_new_chain_by_the_same_key(tmp_path: Path) -> None:
    for _ in range(2):
        agent = Agent(site(tmp_path))
        async with running(agent):
            await until(lambda: agent.scribe.counts.get("seal", 0) >= 1)  # noqa: B023 -- awaited in the same turn
        seals = check_by_hand(chain(tmp_path))
        for file in (tmp_path / "data").glob("store.db*"):
            file.unlink()

    assert seals[0]["previous_seal"] == GENESIS


@pytest.mark.integration
async def test_without_a_place_for_the_key_the_accounts_go_on_and_an_alarm_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.audit.auditor._RETRY_S", 0.1)
    make, broken = "agent.audit.auditor.own_key", [True]

    def failing(path: Path) -> Any:
        if broken:
            raise OSError(28, "No space left on device")
        return real(path)

    from agent.audit.key_file import own_key as real  # noqa: PLC0415 -- what is replaced next

    monkeypatch.setattr(make, failing)
    agent = Agent(site(tmp_path))
    async with running(agent):
        await until(lambda: agent.scribe.counts.get("evidence", 0) > 3)
        alarm = agent.alarms.find("agent", "audit")
        assert alarm is not None
        assert alarm.active
        assert "No space left" in alarm.text
        assert agent.scribe.counts.get("seal", 0) == 0
        broken.clear()
        await until(lambda: agent.scribe.counts.get("seal", 0) >= 1)
        ended = agent.alarms.find("agent", "audit")
        assert ended is not None
        assert not ended.active
    check_by_hand(chain(tmp_path))


async def test_a_key_that_others_can_read_keeps_the_agent_from_starting(tmp_path: Path) -> None:
    agent = Agent(site(tmp_path))
    async with running(agent):
        pass
    (tmp_path / "data" / "audit" / "key.pem").chmod(0o644)

    with pytest.raises(KeyFileError, match="can be read by others"):
        async with running(Agent(site(tmp_path))):
            pass


@pytest.mark.parametrize("command", ["run", "check"])
def test_the_commands_refuse_such_a_key_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    config = site(tmp_path, more='key_file = "seals.pem"\n')
    (tmp_path / "seals.pem").write_text("x", encoding="ascii")
    (tmp_path / "seals.pem").chmod(0o644)

    assert main([command, str(config.path)]) == 2
    (line,) = [each for each in capsys.readouterr().err.splitlines() if "seals.pem" in each]
    assert "the key can be read by others (mode 0644)" in line


@pytest.mark.integration
async def test_what_is_corrected_without_a_running_agent_is_sealed_at_once(tmp_path: Path) -> None:
    agent = Agent(site(tmp_path))
    async with running(agent):
        await until(lambda: agent.scribe.counts.get("seal", 0) >= 1)
    before = len(check_by_hand(chain(tmp_path)))

    await Agent(site(tmp_path)).correct()

    records = chain(tmp_path)
    seals = check_by_hand(records)
    assert len(seals) == before + 1
    assert [record for record in records if record["seq"] > seals[-2]["seq"] and record.get("what") == "software"]
