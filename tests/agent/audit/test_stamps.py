"""Time stamps are held against the seals they are over, the time they were recorded at, and who signed them."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.audit.stamps import StampReport, Stamps, given_authorities
from agent.cli import main
from agent.record import rfc3339
from agent.service import Agent
from tests.agent.audit.authority import Authority, served
from tests.agent.audit.ledger_of_records import Records
from tests.agent.audit.proving import chain, site
from tests.agent.running import Motor, running, until
from tests.modbus_rig import rig

pytestmark = pytest.mark.integration

HOUR_NS = 3600 * 10**9


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def sealed(records: Records, age_ns: int = 0) -> dict[str, Any]:
    records.interval()
    return records.seal(time=rfc3339(time.time_ns() - age_ns))


def stamp(records: Records, seal: str, token: str, *, age_ns: int = 0, synchronised: bool = True) -> None:
    clock = {"synchronised": synchronised}
    said = {"what": "timestamp", "name": "http://tsa.example/", "seal": seal, "token": token, "clock": clock}
    records.add("evidence", **said, time=rfc3339(time.time_ns() - age_ns))


def judged(records: Records, *authorities: Authority, skipped: int = 0, complete: bool = True) -> StampReport:
    stamps = Stamps()
    for payload in records.payloads[skipped:]:
        stamps.take(orjson.loads(payload))
    given = [given_authorities(one.folder / "tsa.pem") for one in authorities]
    return stamps.judge(given, complete=complete)


def test_a_stamp_proves_the_records_under_its_seal_and_who_signed_it(authority: Authority) -> None:
    records = Records()
    seal = sealed(records)
    stamp(records, seal["hash"], authority.token(seal["hash"]))
    for given in ((), (authority,)):
        report = judged(records, *given)
        (right,) = report.right

        assert not report.findings
        assert not report.remarks
        assert (right.by, right.through) == ("CN=Trial Time Stamping Authority", seal["to_seq"])
        assert abs(right.time_ns - time.time_ns()) < HOUR_NS


def test_a_stamp_by_another_authority_than_the_one_given_is_a_finding(authority: Authority, tmp_path: Path) -> None:
    records, other = Records(), Authority(tmp_path)
    seal = sealed(records)
    stamp(records, seal["hash"], other.token(seal["hash"]))
    (finding,) = judged(records, authority).findings

    assert "is not signed by an authority that you gave: its signer calls itself CN=Trial" in str(finding)
    assert judged(records, authority, other).right


def test_a_token_over_another_seal_is_a_finding_that_takes_no_trust(authority: Authority) -> None:
    records = Records()
    one, two = sealed(records), sealed(records)
    stamp(records, one["hash"], authority.token(two["hash"]))
    (finding,) = judged(records).findings

    assert f"names seal {one['hash']}, but its token is over {two['hash']}" in str(finding)


def test_a_token_with_one_bit_changed_is_found(authority: Authority) -> None:
    records = Records()
    seal = sealed(records)
    token = bytearray(base64.b64decode(authority.token(seal["hash"])))
    token[-10] ^= 1  # of the signature, which stands last
    stamp(records, seal["hash"], base64.b64encode(token).decode())

    assert "is not signed by an authority" in str(judged(records, authority).findings[0])


@pytest.mark.parametrize("token", ["", "nonsense", "AAAA", "MAMCAQA=", "MAA="])
def test_what_is_no_token_is_said_in_one_line(authority: Authority, token: str) -> None:
    records = Records()
    stamp(records, sealed(records)["hash"], token)
    (finding,) = judged(records, authority).findings

    assert "holds no time stamp: its token cannot be read" in str(finding)
    assert "\n" not in str(finding)


def test_a_seal_that_is_not_there_is_a_finding_where_none_can_be_missing_and_else_a_remark(
    authority: Authority,
) -> None:
    records = Records()
    sealed(records)
    strange = f"sha256:{'ab' * 32}"
    stamp(records, strange, authority.token(strange))
    whole, part = judged(records), judged(records, complete=False)

    assert f"stamps a seal that is not in the chain: {strange}" in str(whole.findings[0])
    assert not part.findings
    assert "the seal it stamps is not among these records" in part.remarks[0]


def test_a_stamp_over_the_seal_before_a_part_of_a_chain_proves_nothing_of_that_part(authority: Authority) -> None:
    records = Records()
    first = sealed(records)
    stamp(records, first["hash"], authority.token(first["hash"]))
    second = sealed(records)
    report = judged(records, authority, skipped=2, complete=False)

    assert (report.stamps, report.right, report.remarks, report.findings) == (0, [], [], [])
    stamp(records, second["hash"], authority.token(second["hash"]))
    assert [right.through for right in judged(records, skipped=2, complete=False).right] == [second["to_seq"]]


@pytest.mark.parametrize("aged", ["the stamp", "the seal"])
def test_records_that_say_another_time_than_the_authority_are_a_finding(authority: Authority, aged: str) -> None:
    records = Records()
    seal = sealed(records, 0 if aged == "the stamp" else -HOUR_NS)
    stamp(records, seal["hash"], authority.token(seal["hash"]), age_ns=HOUR_NS if aged == "the stamp" else 0)
    (finding,) = judged(records, authority).findings

    assert "the records were made at another time than they say" in str(finding)


def test_a_clock_that_nobody_vouched_for_may_have_been_wrong(authority: Authority) -> None:
    records = Records()
    seal = sealed(records, HOUR_NS)
    stamp(records, seal["hash"], authority.token(seal["hash"]), age_ns=HOUR_NS, synchronised=False)
    report = judged(records, authority)

    assert not report.findings
    assert not report.right
    assert "nobody vouched for the gateway's clock then" in report.remarks[0]


def test_without_the_library_it_says_what_to_install(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    records = Records()
    seal = sealed(records)
    stamp(records, seal["hash"], authority.token(seal["hash"]))
    monkeypatch.setattr("agent.audit.stamps._library", lambda: None)
    report = judged(records, authority)

    assert not report.right
    assert "pip install 'energy-agent[timestamp]'" in report.remarks[0]


@pytest.mark.usefixtures("no_midnight")
async def test_the_command_checks_the_stamps_of_a_gateway_and_of_its_bundle(
    tmp_path: Path, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    config, bundle, other = tmp_path / "site.toml", tmp_path / "evidence.tar", tmp_path / "other"
    other.mkdir()
    async with served(authority) as url, rig("tcp", Motor()) as device:
        agent = Agent(site(tmp_path, device.url, more=f'timestamp_url = "{url}"\n'))
        async with running(agent):
            await until(
                lambda: (
                    agent.scribe.counts["interval"] >= 3
                    and any(each.get("what") == "timestamp" for each in chain(tmp_path))
                )
            )
    starts = sorted({each["start"] for each in chain(tmp_path) if "start" in each})
    assert main(["bundle", str(config), "--from", starts[1], "--to", starts[-1], "--out", str(bundle)]) == 0
    capsys.readouterr()
    given = str(authority.folder / "tsa.pem")
    strange = str(Authority(other).folder / "tsa.pem")
    for path in (str(config), str(bundle)):
        code, said = main(["verify", path, "--authority", given]), " ".join(capsys.readouterr().out.split())
        assert code == 0, said
        assert "holds time stamps: 1 of 1 are signed by an authority that you gave; the last, by CN=Trial" in said
        assert "holds, in itself and against the time stamping authority you gave" in said
        code, said = main(["verify", path]), " ".join(capsys.readouterr().out.split())
        assert code == 0, said
        assert "not checked time stamps: 1 of 1 are over seals that are here" in said
        assert "with --authority" in said
        code, said = main(["verify", path, "--authority", strange, "--json"]), capsys.readouterr().out
        assert code == 1, said
        assert any(each["name"] == "time stamps" for each in json.loads(said)["checks"])


def test_a_file_that_holds_no_certificate_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    for file, said in ((empty, "holds no certificate"), (tmp_path / "none.pem", "cannot be read")):
        assert main(["verify", str(tmp_path / "site.toml"), "--authority", str(file)]) == 2
        assert f"{file}: {said}" in capsys.readouterr().err
