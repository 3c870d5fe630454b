"""Pipes where files belong: nobody waits at them."""

import os
from pathlib import Path

import pytest

from agent.api.errors import ApiError
from agent.api.server import _token
from agent.audit.key_file import KeyFileError, load_key, own_key
from agent.board import Board
from agent.bundle.inspect import is_bundle
from agent.bundle.places import sha256_of
from agent.sections.influx import InfluxConfig
from agent.sections.mqtt import MqttConfig
from agent.sinks import SinkUnavailable
from agent.sinks.influx import InfluxSink
from agent.sinks.mqtt import MqttSink
from drivers.capture import CaptureError, CaptureWriter, read_capture
from drivers.endpoint import parse_endpoint
from drivers.errors import LineDown
from drivers.regular_file import NotRegularError, read_regular
from drivers.tls import tls_context


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "works-20261129T001225Z.pcapng"
    os.mkfifo(path, 0o600)
    return path


def test_a_file_is_read_and_a_folder_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert read_regular(tmp_path / "file") == b"content"
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path)


def test_a_key_is_no_pipe(pipe: Path) -> None:
    for load in (load_key, own_key):
        with pytest.raises(KeyFileError, match=r"pcapng: cannot be read \(is no regular file\): check the path"):
            load(pipe)


def test_secrets_and_authorities_are_no_pipes(pipe: Path) -> None:
    with pytest.raises(ApiError, match="is no regular file: check path and rights"):
        _token(pipe)
    with pytest.raises(LineDown, match=r"cannot be used \(is no regular file\): correct ca in the URL"):
        tls_context(parse_endpoint(f"tls://127.0.0.1:802?ca={pipe}"))


async def test_sinks_take_no_pipe_for_a_secret_or_an_authority(pipe: Path) -> None:
    influx = InfluxSink(InfluxConfig(url="http://127.0.0.1:1", token_file=pipe.name), folder=pipe.parent)
    with pytest.raises(SinkUnavailable, match=r"token_file .* cannot be read \(is no regular file\)"):
        async with influx.session():
            pass
    config = MqttConfig(url="mqtts://127.0.0.1:1", ca_file=pipe.name, username="u", password_file=pipe.name)
    mqtt = MqttSink(config, site="works", board=Board(), folder=pipe.parent)
    with pytest.raises(SinkUnavailable, match=r"password_file .* cannot be read \(is no regular file\)"):
        mqtt.secret(pipe.name)
    with pytest.raises(SinkUnavailable, match=r"ca_file .* cannot be used \(is no regular file\)"):
        mqtt.tls()


def test_a_pipe_named_like_a_capture_is_none_and_holds_nobody_up(pipe: Path) -> None:
    with pytest.raises(CaptureError, match="is no regular file: name a capture that can be read"):
        list(read_capture([pipe]))
    with pytest.raises(CaptureError, match="holds no capture"):
        list(read_capture([pipe.parent]))
    with pytest.raises(NotRegularError):
        sha256_of(pipe)
    assert not is_bundle(pipe)
    writer = CaptureWriter(pipe.parent, site="works", version="1", boot_id="b", max_size=1 << 30)
    writer.start()
    writer.close()
    assert (pipe.exists(), writer.status.trouble) == (True, "")
