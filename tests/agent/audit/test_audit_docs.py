"""The page for auditors: what it says to type is typed, on what a running agent has written."""

import re
import shutil
import subprocess
from pathlib import Path

import orjson
import pytest

from agent.audit.outside import outside_seals
from agent.audit.trusted import Trusted
from agent.bundle.gateway import verify_gateway
from agent.config.load import load_config
from agent.service import Agent
from agent.store import read_chained
from tests.agent.audit.ledger_of_records import works
from tests.agent.audit.proving import site
from tests.agent.running import Motor, running, until
from tests.modbus_rig import rig

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[3] / "docs"


def scripts(page: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def typed(script: str, folder: Path) -> list[str]:
    done = subprocess.run(["sh", "-euc", script], cwd=folder, capture_output=True, check=False, text=True)
    assert not done.returncode, done.stderr
    return done.stdout.splitlines()


async def test_records_seals_and_documents_are_verified_by_hand_as_the_page_says(tmp_path: Path) -> None:
    async with rig("tcp", Motor()) as device:
        agent = Agent(site(tmp_path, device.url))
        async with running(agent):
            await until(lambda: agent.scribe.counts["interval"] >= 3 and agent.scribe.counts.get("seal", 0) >= 2)
    of_record, of_seal, of_document = scripts("audit.md")
    folder, verified = tmp_path / "data", set()
    for record in read_chained(folder / "store.db"):
        kind, body = record.kind, orjson.loads(record.payload)
        if kind == "seal":
            (folder / "seal.json").write_bytes(record.payload)
            computed, stated, signature = typed(of_seal, folder)
            assert signature == "Signature Verified Successfully"
        else:
            (folder / "record.json").write_bytes(record.payload)
            computed, stated = typed(of_record, folder)
        assert f"sha256:{computed.split()[0]}" == stated == body["hash"]
        if body.get("what") in {"software", "configuration", "profile", "factors"}:
            (folder / "evidence.json").write_bytes(record.payload)
            (found,) = typed(of_document, folder)
            assert f"sha256:{found.split()[0]}" == body["digest"]
        verified.add(kind)

    assert verified >= {"interval", "evidence", "seal"}


def test_openssl_refuses_a_seal_that_was_changed(tmp_path: Path) -> None:

    seal = works().payloads[5].replace(b'"count":5', b'"count":6')
    (tmp_path / "seal.json").write_bytes(seal)
    done = subprocess.run(["sh", "-c", scripts("audit.md")[1]], cwd=tmp_path, capture_output=True, check=False)

    assert done.returncode != 0


async def test_after_a_backup_was_put_back_with_its_lock_the_agent_is_told_what_was_lost_as_the_page_says(
    tmp_path: Path,
) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"

    async def run(seals: int) -> None:
        async with rig("tcp", Motor()) as device:
            agent = Agent(site(tmp_path, device.url))
            async with running(agent):
                await until(lambda: agent.scribe.counts.get("seal", 0) >= seals)

    await run(2)
    shutil.copytree(data, backup)
    await run(3)
    seals = [record.payload for record in read_chained(data / "store.db") if record.kind == "seal"]
    of_another = seals[-1].replace(b'"works"', b'"other-works"')
    (tmp_path / "seals.jsonl").write_bytes(b"".join(seal + b"\n" for seal in (*seals, of_another)))
    shutil.rmtree(data)
    backup.rename(data)
    (command,) = re.findall(r"```\n(printf.*?)```", (DOCS / "audit.md").read_text(encoding="utf-8"), re.DOTALL)
    typed(command.replace("/var/lib/energy-agent/", "data/").replace("hefei-works", "works"), tmp_path)
    await run(1)
    last, told = orjson.loads(seals[-1]), [orjson.loads(each.payload) for each in read_chained(data / "store.db")]
    gaps = [each for each in told if "/gap/" in each["schema"]]

    assert [gap["to_seq"] for gap in gaps] == [last["seq"]]
    assert not [each for each in told if each["seq"] > gaps[0]["from_seq"] and each["epoch"] == last["epoch"]]
    assert "lost its last commits" in next(each["text"] for each in told if each.get("name") == "store_damaged")
    alone = verify_gateway(load_config(tmp_path / "site.toml"), Trusted())
    held = verify_gateway(
        load_config(tmp_path / "site.toml"), Trusted(seals=outside_seals(tmp_path / "seals.jsonl")[0])
    )
    assert alone.right, alone.checks
    assert held.first
    assert "was received outside and is not here" in held.first.text


def test_both_languages_say_to_type_the_same() -> None:
    blocks = [
        re.findall(r"```.*?```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
        for page in ("audit.md", "audit.zh-CN.md")
    ]

    assert blocks[0] == blocks[1]
    assert len(blocks[0]) == 8
