"""Time stamps of a real authority, made with `openssl ts`, over the first seal of a day."""

import base64
import json
from pathlib import Path

import pytest

from agent.service import Agent
from tests import certificates
from tests.agent.audit.authority import Authority, openssl, served
from tests.agent.audit.proving import chain, check_by_hand, site
from tests.agent.running import running, until

pytestmark = pytest.mark.integration


@pytest.mark.usefixtures("no_midnight")
async def test_the_first_seal_of_a_day_is_stamped_once_and_openssl_agrees(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with served(authority) as url:
        for _ in range(2):
            agent = Agent(site(tmp_path, more=f'timestamp_url = "{url}"\n'))
            async with running(agent):
                await until(lambda: authority.asked >= 1 and agent.scribe.counts.get("seal", 0) >= 3)  # noqa: B023 -- awaited in the same turn
    records = chain(tmp_path)
    seals = check_by_hand(records)
    (stamp,) = [record for record in records if record.get("what") == "timestamp"]
    (stamped,) = [seal for seal in seals if seal["hash"] == stamp["seal"]]

    assert authority.asked == 1
    assert stamped == seals[0]
    token, digest = base64.b64decode(stamp["token"]), stamped["hash"].removeprefix("sha256:")
    assert authority.vouches(token, digest)
    assert not authority.vouches(token, seals[1]["hash"].removeprefix("sha256:"))
    assert json.loads(json.dumps(stamp))["name"] == url


async def test_an_authority_that_answers_nonsense_is_asked_again_later_and_seals_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("agent.audit.timestamp._RETRY_S", 0.2)
    authority = Authority(tmp_path)
    authority.answer = b"busy"
    async with served(authority) as url:
        agent = Agent(site(tmp_path, more=f'timestamp_url = "{url}"\n'))
        async with running(agent):
            await until(lambda: authority.asked >= 2)
            authority.answer = None
            await until(lambda: any(record.get("what") == "timestamp" for record in chain(tmp_path)))
    warnings = [entry.message for entry in caplog.records if entry.name == "agent.audit.timestamp"]

    assert warnings == [
        f"{url}: what the server answers is no time stamp: check timestamp_url; tried again every ten minutes"
    ]
    check_by_hand(chain(tmp_path))


async def test_a_stamp_over_something_else_is_not_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authority = Authority(tmp_path)
    query = tmp_path / "other.tsq"
    openssl("ts", "-query", "-digest", "00" * 32, "-sha256", "-cert", "-out", str(query))
    authority.answer = authority._stamped(query.read_bytes())
    async with served(authority) as url:
        agent = Agent(site(tmp_path, more=f'timestamp_url = "{url}"\n'))
        async with running(agent):
            await until(lambda: "has stamped something else" in caplog.text)

    assert not [record for record in chain(tmp_path) if record.get("what") == "timestamp"]


async def test_nobody_there_is_said_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    agent = Agent(site(tmp_path, more='timestamp_url = "http://127.0.0.1:1/tsr"\n'))
    async with running(agent):
        await until(lambda: "the server cannot be reached" in caplog.text)


@pytest.mark.parametrize("trusted", [True, False])
async def test_over_https_the_authorities_of_the_system_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, trusted: bool
) -> None:
    issuer = certificates.Authority(tmp_path)
    authority = Authority(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(issuer.file))
    async with served(authority, issuer.server_context(issuer.issue("127.0.0.1"))) as url:
        agent = Agent(site(tmp_path, more=f'timestamp_url = "{url}"\n'))
        async with running(agent):
            if trusted:
                await until(
                    lambda: authority.asked > 0 and any(each.get("what") == "timestamp" for each in chain(tmp_path))
                )
            else:
                await until(lambda: "the server cannot be reached" in caplog.text)
    assert authority.asked == trusted
