import asyncio
import gzip
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from pydantic import ValidationError

from agent.record import Record
from agent.sections.influx import InfluxConfig
from agent.sinks import SinkRejected, SinkUnavailable
from agent.sinks.influx import InfluxSink
from agent.sinks.influx import sink as of_influx
from agent.sinks.influx.sink import InfluxSession
from tests.agent.sinks.influx_records import SEAL, record
from tests.certificates import Authority
from tests.servers import Database, running_victoria_metrics

# ---- configuration


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "influx:8086"}, "is no server; write https://"),
        ({"url": "http://user:secret@influx"}, "credentials do not belong"),
        ({"url": "http://influx", "tokn_file": "x"}, "tokn_file"),
        ({}, "url"),
    ],
)
def test_a_wrong_configuration_names_what_is_wrong(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        InfluxConfig.from_file(settings)


def test_the_library_is_loaded_only_when_something_is_written() -> None:
    program = """if True:
        import asyncio, sys
        from pathlib import Path
        from agent.sections.influx import InfluxConfig
        from agent.sinks import SinkUnavailable
        from agent.sinks.influx import InfluxSink
        from tests.agent.sinks.influx_records import record

        async def main():
            config = InfluxConfig.from_file({"url": "http://127.0.0.1:1", "org": "works", "bucket": "energy"})
            async with InfluxSink(config, folder=Path()).session() as session:
                print("influxdb_client" in sys.modules)
                try:
                    await session.send([record(1)])
                except SinkUnavailable:
                    print("influxdb_client" in sys.modules)

        asyncio.run(main())
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "True"]


# ---- a scripted database

Answer = Callable[[list[str]], web.Response]


class Script:
    """A v2 write API that answers as told; `written` holds the lines it took."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer or (lambda _: web.Response(status=204))
        self.written: list[str] = []
        self.requests: list[web.BaseRequest] = []
        self.port = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        lines = gzip.decompress(await request.content.read()).decode().split("\n")
        answer = self.answer(lines)
        if answer.status == 204:
            self.written += lines
        return answer

    @property
    def seqs(self) -> list[int]:
        return [int(re.findall(r"seq=(\d+)i", text)[0]) for text in self.written]


@asynccontextmanager
async def session_with(script: Script, folder: Path, **settings: str) -> AsyncIterator[InfluxSession]:
    runner = web.ServerRunner(web.Server(script.handle, auto_decompress=False))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    script.port = runner.addresses[0][1]
    config = InfluxConfig(url=f"http://127.0.0.1:{script.port}", org="works", **settings)
    try:
        async with InfluxSink(config, folder=folder).session() as session:
            yield session
    finally:
        await runner.cleanup()


async def test_a_batch_is_one_compressed_request_with_token_and_precision(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    script = Script()
    async with session_with(script, tmp_path, token_file="token", bucket="b") as session:  # noqa: S106  # a path
        await session.send([record(seq) for seq in range(1, 101)])
        request = script.requests[0]

        assert len(script.requests) == 1
        assert script.seqs == list(range(1, 101))
        assert session.accepted_through == 100
        assert dict(request.query) == {"org": "works", "bucket": "b", "precision": "ns"}
        assert request.headers["Authorization"] == "Token secret"
        assert request.headers["Content-Encoding"] == "gzip"


def refusing(status: int, *bad: int) -> Answer:
    """Answer with `status` to every request that holds a bad line."""

    def answer(lines: list[str]) -> web.Response:
        found = any(f"seq={seq}i" in text for seq in bad for text in lines)
        return (
            web.json_response({"message": "field type conflict"}, status=status) if found else web.Response(status=204)
        )

    return answer


@pytest.mark.parametrize("status", [400, 422])
async def test_bad_lines_are_found_and_all_others_written(tmp_path: Path, status: int) -> None:
    script = Script(refusing(status, 3, 70))
    async with session_with(script, tmp_path) as session:
        with pytest.raises(SinkRejected) as caught:
            await session.send([record(seq) for seq in range(1, 101)])

        assert caught.value.rejected == dict.fromkeys((3, 70), f"HTTP {status}: field type conflict")
        assert script.seqs == [seq for seq in range(1, 101) if seq not in (3, 70)]
        assert session.accepted_through == 2
        assert len(script.requests) < 40


async def test_a_batch_too_large_is_halved(tmp_path: Path) -> None:
    script = Script(lambda lines: web.Response(status=413 if len(lines) > 10 else 204))
    async with session_with(script, tmp_path) as session:
        await session.send([record(seq) for seq in range(1, 101)])

        assert script.seqs == list(range(1, 101))


async def test_a_database_that_refuses_everything_is_not_fed_to_the_dead_letters(tmp_path: Path) -> None:
    script = Script(lambda _: web.json_response({"message": "no organisation"}, status=400))
    async with session_with(script, tmp_path) as session:
        with pytest.raises(SinkUnavailable, match="refuses everything: HTTP 400: no organisation") as caught:
            await session.send([record(seq) for seq in range(1, 101)])

        assert caught.value.retry_after_s is not None


@pytest.mark.parametrize(
    ("status", "reason", "pause"),
    [
        (401, "token_file", 60.0),
        (403, "may not write to this bucket", 60.0),
        (404, "no such bucket or organisation", 60.0),
        (429, "HTTP 429", 7.0),
        (500, "HTTP 500", None),
        (503, "HTTP 503", 7.0),
        (200, "does not answer like InfluxDB", None),
        (302, "HTTP 302", None),
    ],
)
async def test_everything_else_holds_the_records(tmp_path: Path, status: int, reason: str, pause: float | None) -> None:
    headers = {"Retry-After": "7"} if status in (429, 503) else {"Location": "/elsewhere"} if status == 302 else {}
    script = Script(lambda _: web.Response(status=status, headers=headers))
    async with session_with(script, tmp_path) as session:
        with pytest.raises(SinkUnavailable, match=reason) as caught:
            await session.send([record(1)])

        assert caught.value.retry_after_s == pause
        assert session.accepted_through == 0
        assert len(script.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_database_that_wants_a_token_names_the_key_to_set_or_the_file_to_check(
    tmp_path: Path, status: int
) -> None:
    (tmp_path / "token").write_text("wrong")
    script = Script(lambda _: web.Response(status=status))
    async with session_with(script, tmp_path) as session:
        with pytest.raises(SinkUnavailable, match=r": set \[influx\] token_file$"):
            await session.send([record(1)])
    async with session_with(script, tmp_path, token_file="token") as session:  # noqa: S106 -- a file's name
        with pytest.raises(SinkUnavailable, match=": check token_file"):
            await session.send([record(1)])


async def test_a_database_cannot_ask_for_silence_without_end(tmp_path: Path) -> None:
    script = Script(lambda _: web.Response(status=503, headers={"Retry-After": "9" * 20}))
    async with session_with(script, tmp_path) as session:
        with pytest.raises(SinkUnavailable) as caught:
            await session.send([record(1)])

        assert caught.value.retry_after_s == 600.0


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1"])
async def test_attempts_without_success_load_the_authorities_once(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    made: list[object] = []
    load = ssl.create_default_context

    def counted(*args: Any, **options: Any) -> ssl.SSLContext:
        made.append(args)
        return load(*args, **options)

    monkeypatch.setattr(ssl, "create_default_context", counted)
    sink = InfluxSink(InfluxConfig(url=url, ca_file=authority.file.name), folder=tmp_path)
    for _ in range(3):
        async with sink.session() as session:
            with pytest.raises(SinkUnavailable):
                await session.send([record(1)])

    assert len(made) == url.startswith("https:")


@pytest.mark.parametrize(
    ("ahead_s", "least", "most"), [(30, 28, 30), (-3600, 1, 1), (10**7, 600, 600)], ids=["soon", "past", "far"]
)
@pytest.mark.parametrize("status", [429, 503])
async def test_a_pause_may_be_given_as_a_date(
    tmp_path: Path, status: int, ahead_s: int, least: float, most: float
) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead_s), usegmt=True)
    script = Script(lambda _: web.Response(status=status, headers={"Retry-After": when}))
    async with session_with(script, tmp_path) as session:
        with pytest.raises(SinkUnavailable) as caught:
            await session.send([record(1)])

    assert caught.value.retry_after_s is not None
    assert least <= caught.value.retry_after_s <= most


async def test_a_pause_nobody_can_read_is_ours_to_choose(tmp_path: Path) -> None:
    script = Script(lambda _: web.Response(status=503, headers={"Retry-After": "soon"}))
    async with session_with(script, tmp_path) as session:
        with pytest.raises(SinkUnavailable) as caught:
            await session.send([record(1)])

    assert caught.value.retry_after_s is None


async def test_a_single_line_too_large_is_set_aside_and_the_others_are_written(tmp_path: Path) -> None:
    script = Script(lambda lines: web.Response(status=413 if any("seq=4i" in text for text in lines) else 204))
    async with session_with(script, tmp_path) as session:
        with pytest.raises(SinkRejected) as caught:
            await session.send([record(seq) for seq in range(1, 9)])

    assert caught.value.rejected.keys() == {4}
    assert sorted(script.seqs) == [1, 2, 3, 5, 6, 7, 8]


async def test_what_a_database_takes_in_part_is_offered_again_until_only_the_bad_lines_are_left(tmp_path: Path) -> None:
    def partly(lines: list[str]) -> web.Response:
        """Keep the good lines and yet answer 422, as InfluxDB does."""
        good = [text for text in lines if "seq=5i" not in text]
        script.written += good
        return web.Response(status=204) if len(good) == len(lines) else web.json_response({"message": "x"}, status=422)

    script = Script(partly)
    async with session_with(script, tmp_path) as session:
        with pytest.raises(SinkRejected) as caught:
            await session.send([record(seq) for seq in range(1, 9)])

    assert caught.value.rejected == {5: "HTTP 422: x"}
    assert set(script.seqs) == {1, 2, 3, 4, 6, 7, 8}


async def test_a_token_that_was_replaced_is_noticed_and_used(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old")
    right = "new"
    script = Script()

    def answer(_: list[str]) -> web.Response:
        given = script.requests[-1].headers["Authorization"]
        return web.Response(status=204 if given == f"Token {right}" else 401)

    script.answer = answer
    async with session_with(script, tmp_path, token_file="token") as session:  # noqa: S106  # a path
        sink = InfluxSink(InfluxConfig(url=f"http://127.0.0.1:{script.port}", token_file="token"), folder=tmp_path)  # noqa: S106  # a path
        before = sink.credentials()
        with pytest.raises(SinkUnavailable, match="token_file"):
            await session.send([record(1)])
        assert sink.credentials() == before
        (tmp_path / "token.new").write_text(right)
        (tmp_path / "token.new").rename(tmp_path / "token")
        assert sink.credentials() != before
        async with sink.session() as another:
            await another.send([record(1)])

    assert script.seqs == [1]


async def test_what_was_written_before_a_failure_is_known(tmp_path: Path) -> None:
    script = Script(lambda lines: web.Response(status=413 if len(lines) > 2 else 503 if "seq=5i" in lines[0] else 204))
    async with session_with(script, tmp_path) as session:
        with pytest.raises(SinkUnavailable):
            await session.send([record(seq) for seq in range(1, 9)])

        assert script.seqs == [1, 2, 3, 4]
        assert session.accepted_through == 4


@pytest.mark.parametrize("status", [200, 204, 400, 500])
async def test_an_answer_without_end_is_not_read_to_its_end(tmp_path: Path, status: int) -> None:
    written: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = re.search(rb"Content-Length: (\d+)", head)
        assert size
        await reader.readexactly(int(size[1]))
        # A 204 has no body, so that what follows is no HTTP.
        writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: {1 << 30}\r\n\r\n".encode())
        try:
            while sum(written) < 1 << 28:
                writer.write(b"x" * (1 << 16))
                await writer.drain()
                written.append(1 << 16)
        except ConnectionError:
            pass
        finally:
            writer.close()
            over.set()

    over = asyncio.Event()
    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server, asyncio.timeout(20):
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with InfluxSink(InfluxConfig(url=url), folder=tmp_path).session() as session:
            with pytest.raises(SinkRejected if status == 400 else SinkUnavailable) as caught:
                await session.send([record(1)])
            assert len(str(caught.value)) < 1000
            assert "\n" not in str(caught.value)
        await over.wait()

    assert sum(written) < 1 << 24  # what sockets buffer


async def test_a_database_that_goes_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_influx, "_TIMEOUT_S", 0.3)
    over = asyncio.Event()

    async def handle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server, asyncio.timeout(10):
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with InfluxSink(InfluxConfig(url=url), folder=tmp_path).session() as session:
            with pytest.raises(SinkUnavailable, match="does not answer"):
                await session.send([record(1)])
            assert session.accepted_through == 0
        over.set()


async def test_a_reason_that_is_no_json_is_told_as_it_is(tmp_path: Path) -> None:
    script = Script(lambda _: web.Response(status=400, text="cannot parse line"))
    async with session_with(script, tmp_path) as session:
        with pytest.raises(SinkRejected) as caught:
            await session.send([record(1)])

    assert caught.value.rejected == {1: "HTTP 400: cannot parse line"}


async def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with InfluxSink(InfluxConfig(url=url), folder=tmp_path).session() as session:
            with pytest.raises(SinkUnavailable, match=f"nothing listens at {url}: check url"):
                await session.send([record(1)])


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a b", "http://127.0.0.1:9/\u6570", f"http://{'a' * 70}.works"])
async def test_a_url_that_no_request_can_hold_is_said(tmp_path: Path, url: str) -> None:
    async with InfluxSink(InfluxConfig(url=url), folder=tmp_path).session() as session:
        with pytest.raises(SinkUnavailable, match="check url"):
            await session.send([record(1)])


async def test_a_token_of_several_lines_is_said_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\nmore\n", encoding="utf-8")
    sink = InfluxSink(InfluxConfig(url="http://127.0.0.1:9", token_file="token"), folder=tmp_path)  # noqa: S106 -- a name

    with pytest.raises(SinkUnavailable, match="token_file token holds more than one line") as caught:
        async with sink.session() as session:
            await session.send([record(1)])

    assert "secret" not in str(caught.value)


async def test_a_missing_token_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    sink = InfluxSink(InfluxConfig(url="http://127.0.0.1:1", token_file="token"), folder=tmp_path)  # noqa: S106  # a path
    with pytest.raises(SinkUnavailable, match="token_file token cannot be read"):
        async with sink.session():
            pass


async def test_a_certificate_of_an_unknown_authority_is_not_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    script = Script()
    runner = web.ServerRunner(web.Server(script.handle, auto_decompress=False))
    await runner.setup()
    await web.TCPSite(
        runner, "127.0.0.1", 0, ssl_context=authority.server_context(authority.issue("127.0.0.1"))
    ).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with InfluxSink(InfluxConfig(url=url), folder=tmp_path).session() as session:
            with pytest.raises(SinkUnavailable, match=r"is not accepted .*: check ca_file"):
                await session.send([record(1)])
        async with InfluxSink(InfluxConfig(url=url, ca_file=str(authority.file)), folder=tmp_path).session() as session:
            await session.send([record(1)])
    finally:
        await runner.cleanup()

    assert script.seqs == [1]


def test_only_what_is_numbers_over_time_is_wanted(tmp_path: Path) -> None:
    sink = InfluxSink(InfluxConfig(url="http://127.0.0.1:1"), folder=tmp_path)
    wanted = {
        kind: sink.wants(record(1, kind))
        for kind in ("telemetry", "window", "figure", "interval", "alarm", "gap", "health")
    }

    assert wanted.pop("health") is False
    assert all(wanted.values())


# ---- a real database


async def found(database: Database, match: str) -> list[dict[str, Any]]:
    """Return series once there are some: what was written shows after a moment."""
    async with asyncio.timeout(20):
        while not (series := database.series(match)):  # noqa: ASYNC110  # the database has no event for it
            await asyncio.sleep(0.05)
    return series


@pytest.mark.integration
async def test_a_real_database_reads_every_escape_and_keeps_the_tags(tmp_path: Path) -> None:
    now = time.time_ns() // 10**6 * 10**6
    body = {"site": "works", "area": "hall a,b", "device": "锅炉=1", "seq": 3, "values": {"active_power_kw": -12.5}}
    sent = Record(3, "telemetry", "hall/meter", now, orjson.dumps(body))
    with running_victoria_metrics(tmp_path) as database:
        async with InfluxSink(InfluxConfig(url=database.url), folder=tmp_path).session() as session:
            await session.send([sent])
            await session.send([sent])
        series = await found(database, '{__name__=~"telemetry_.+"}')

    assert {entry["metric"]["__name__"] for entry in series} == {"telemetry_seq", "telemetry_active_power_kw"}
    for entry in series:
        tags = {name: value for name, value in entry["metric"].items() if name in ("site", "area", "device")}
        assert tags == {"site": "works", "area": "hall a,b", "device": "锅炉=1"}
        assert set(entry["timestamps"]) == {now // 10**6}


@pytest.mark.integration
async def test_a_database_without_texts_keeps_the_beginning_of_a_root_to_the_last_bit(tmp_path: Path) -> None:
    now = time.time_ns() // 10**6 * 10**6
    sent = Record(3, "seal", "agent", now, orjson.dumps({"site": "works", "seq": 3, **SEAL}))
    with running_victoria_metrics(tmp_path) as database:
        async with InfluxSink(InfluxConfig(url=database.url), folder=tmp_path).session() as session:
            await session.send([sent])
        series = await found(database, '{__name__="seal_root_prefix"}')

    assert [int(value) for entry in series for value in entry["values"]] == [0xFEDCBA987654]
