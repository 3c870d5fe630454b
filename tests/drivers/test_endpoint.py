import pytest

from drivers.endpoint import Endpoint, parse_endpoint
from drivers.errors import EndpointError


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("tcp://10.20.0.5:1502", "10.20.0.5", 1502),
        ("tcp://10.20.0.5", "10.20.0.5", 502),
        ("tcp://gateway.works/", "gateway.works", 502),
        ("tcp://[fe80::1]:503", "fe80::1", 503),
        ("tcp://[::1]", "::1", 502),
        ("rtu+tcp://moxa:4001", "moxa", 4001),
        ("tls://meter.works", "meter.works", 802),
    ],
)
def test_a_network_url_names_host_and_port(url: str, host: str, port: int) -> None:
    endpoint = parse_endpoint(url)

    assert (endpoint.host, endpoint.port, endpoint.url) == (host, port, url)


def test_a_serial_url_gives_the_port_and_its_settings() -> None:
    endpoint = parse_endpoint("rtu:///dev/ttyUSB0?baud=19200&parity=E&stop=2&data=8")

    assert (endpoint.device, endpoint.baud, endpoint.parity, endpoint.stop) == ("/dev/ttyUSB0", 19200, "E", 2)


def test_a_serial_port_is_9600_8n1_unless_told_otherwise() -> None:
    endpoint = parse_endpoint("rtu:///dev/ttyS1")

    assert (endpoint.baud, endpoint.data_bits, endpoint.parity, endpoint.stop) == (9600, 8, "N", 1)


def test_file_names_in_a_url_may_be_percent_encoded() -> None:
    endpoint = parse_endpoint("tls://meter:8802?ca=/etc/my%20ca.pem&cert=/etc/a+b.crt&key=/etc/a.key")

    assert (endpoint.ca_file, endpoint.cert_file, endpoint.key_file) == ("/etc/my ca.pem", "/etc/a+b.crt", "/etc/a.key")


@pytest.mark.parametrize(
    ("url", "serial"),
    [("tcp://a", False), ("tls://a", False), ("rtu+tcp://a:1", True), ("rtu:///dev/ttyS0", True)],
)
def test_rtu_frames_are_told_from_those_with_a_transaction_number(url: str, serial: bool) -> None:  # noqa: FBT001 - a parameter set
    assert parse_endpoint(url).serial is serial


def test_transfer_times_follow_from_baud_rate_and_character_format() -> None:
    slow = parse_endpoint("rtu:///dev/ttyS0?baud=9600&parity=E")
    fast = parse_endpoint("rtu:///dev/ttyS0?baud=115200")

    assert (slow.bits_per_char, fast.bits_per_char) == (11, 10)
    assert slow.char_seconds == pytest.approx(11 / 9600)
    # 8 bytes out, 9 back, and 3.5 characters of silence behind each
    assert slow.transfer_seconds(8, 9) == pytest.approx((8 + 9 + 7) * 11 / 9600)
    # above 19200 baud the silence is 1.75 ms, whatever the rate
    assert fast.transfer_seconds(8, 9) == pytest.approx(17 * 10 / 115200 + 2 * 0.00175)


def test_a_network_takes_no_time_that_the_url_could_tell() -> None:
    assert parse_endpoint("rtu+tcp://a:1").transfer_seconds(8, 9) == 0


@pytest.mark.parametrize(
    ("url", "cause", "remedy"),
    [
        ("", "the URL is empty", "tcp://10.0.0.5:502"),
        ("10.0.0.5:502", "a line is named by a URL", "write tcp://10.0.0.5:502"),
        ("/dev/ttyUSB0", "a line is named by a URL", "write rtu:///dev/ttyUSB0"),
        ("tpc://a", "unknown scheme 'tpc'", "did you mean 'tcp'"),
        ("rtu-tcp://a:1", "unknown scheme 'rtu-tcp'", "'rtu+tcp'"),
        ("http://a", "unknown scheme 'http'", "rtu, rtu+tcp, tcp, tls"),
        ("tcp://", "the host is missing", "tcp://10.0.0.5:502"),
        ("tcp://:502", "the host is missing", "tcp://10.0.0.5:502"),
        ("tcp://a..b:502", "the host name 'a..b' is not possible", "10.0.0.5"),
        ("tcp://\udcff:502", "the host name '\udcff' is not possible", "10.0.0.5"),
        (f"tcp://{'a' * 64}.works", "is not possible", "10.0.0.5"),
        ("tcp://a:banana", "the port is wrong", "1 to 65535"),
        ("tcp://a:70000", "the port is wrong", "1 to 65535"),
        ("tcp://a:0", "port 0", "1 to 65535"),
        ("tcp://fe80::1:502", "the port is wrong", "[fe80::1]"),
        ("tcp://[fe80::1", "Invalid IPv6", "[fe80::1]"),
        ("rtu+tcp://moxa", "the port is missing", "write rtu+tcp://moxa:PORT"),
        ("tcp://me:secret@a", "no user or password", "remove"),
        ("tcp://a/unit/1", "'/unit/1' behind the host", "remove"),
        ("tcp://a#1", "'#1' has no meaning", "remove"),
        ("tcp://a?baud=9600", "unknown setting 'baud'", "tcp:// takes none"),
        ("tls://a?cafile=x", "unknown setting 'cafile'", "known: ca, cert, key"),
        ("tls://a?key=x", "key= without cert=", "name the certificate"),
        ("tls://a?ca=", "setting 'ca' has no value", "write ca=…"),
        ("rtu://dev/ttyUSB0", "absolute path", "write rtu:///dev/ttyUSB0"),
        ("rtu://", "the serial port is missing", "rtu:///dev/ttyUSB0"),
        ("rtu:///dev/ttyS0?speed=9600", "unknown setting 'speed'", "known: baud"),
        ("rtu:///dev/ttyS0?parita=E", "unknown setting 'parita'", "did you mean 'parity'"),
        ("rtu:///dev/ttyS0?baud=9601", "baud '9601'", "9600"),
        ("rtu:///dev/ttyS0?baud=fast", "baud 'fast'", "use 300"),
        ("rtu:///dev/ttyS0?parity=X", "parity 'X'", "E (even)"),
        ("rtu:///dev/ttyS0?stop=3", "stop '3'", "use 1, 2"),
        ("rtu:///dev/ttyS0?data=7", "data '7'", "use 8"),
        ("rtu:///dev/ttyS0?baud", "setting 'baud' has no value", "write baud=…"),
        ("rtu:///dev/ttyS0?baud=9600&baud=19200", "setting 'baud' stands twice", "keep one"),
    ],
)
def test_a_wrong_url_is_refused_with_cause_and_remedy(url: str, cause: str, remedy: str) -> None:
    with pytest.raises(EndpointError) as caught:
        parse_endpoint(url)

    message = str(caught.value)
    assert cause in message
    assert remedy in message
    assert "\n" not in message


def test_an_endpoint_cannot_be_changed_once_parsed() -> None:
    with pytest.raises(AttributeError):
        Endpoint(url="tcp://a", scheme="tcp", host="a").port = 1  # type: ignore[misc]  # that is what is tested
