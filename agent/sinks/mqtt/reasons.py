"""What brokers and networks answer, and what it means for a record and for the operator."""

import socket
import ssl

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from agent.sinks import SinkUnavailable

FAILURE = 0x80
"""Reason codes from here on are failures (MQTT 5.0, 2.4)."""

TOO_LARGE = 0x95
"""Packet too large: said by us of a message that the broker's maximum packet size excludes, without sending it."""
UNSAID = 0x80
"""Unspecified error: also how paho tells of a connection that ended without a word."""
TAKEN_OVER = 0x8E
"""Session taken over: another client has connected with the same client identifier."""

# MQTT 5.0, 3.2.2.2 has this code, paho's table has not: it would fail to read the answer instead of telling of it.
ReasonCode.names = {
    **ReasonCode.names,
    0x99: {name: [*of, PacketTypes.CONNACK] for name, of in ReasonCode.names[0x99].items()},
}

# MQTT 5.0, 3.4.2.1. Any other code from 0x80 on: try again later.
_REFUSED_RECORD = {
    0x90: "topic name invalid",
    TOO_LARGE: "larger than the broker takes",
    0x99: "payload format invalid",
}
_REFUSED_CLIENT = {0x87: "not authorised to publish here: check the broker's access rules for this user"}
# MQTT 5.0, 3.2.2.2; codes that only an operator can put right.
_REFUSED_CONNECTION = {
    0x84: "it does not speak this protocol version: set version = '3.1.1'",
    0x85: "it does not accept the client identifier: set client_id",
    0x86: "user name or password is wrong: check username and password_file",
    # Mosquitto and others say so of a wrong password, too.
    0x87: "this user is not authorised: check username and password_file, and the broker's access rules",
    0x8A: "this client is banned there: ask whoever runs it",
    0x8C: "it wants another way of authentication than user name and password or a certificate",
    0x90: "it does not accept the topic of the last will: check root",
    TOO_LARGE: "it does not take a message as large as the last will: raise its maximum packet size",
    0x99: "it does not accept the content of the last will: check its rules for payloads",
    0x9A: "it does not keep retained messages",
    0x9B: "it does not offer QoS 1",
    0x9C: "another server is to be used: check url",
    0x9D: "the server has moved: check url",
}
# The same, for codes that may be over in a moment.
_NOT_NOW = {
    0x80: "it gives no reason",
    0x81: "it could not read the request",
    0x82: "it found the request against the protocol",
    0x83: "for a reason of its own",
    0x88: "server unavailable",
    0x89: "server busy",
    0x97: "a quota is exceeded",
    0x9F: "connections come faster than it allows",
}
# MQTT 5.0, 3.14.2.1: codes whose name alone says too little.
_ENDED = {
    UNSAID: "the broker has closed the connection",
    0x8D: "nothing comes through to the broker any more",
    TAKEN_OVER: "another client has taken over the session",
    TOO_LARGE: "the broker has closed the connection: a message was larger than it takes",
}

ABOUT_A_MESSAGE = {None, UNSAID, 0x81, 0x82, 0x83, 0x90, TOO_LARGE, 0x99}
"""Codes with which, or without one, a broker may end the connection for the sake of a message that it was sent."""

UNSPECIFIED = {0x80: "no reason given", 0x83: "a reason of its own"}
"""What a broker may say for a moment, or for ever of one message that it will never take."""


def judge(code: int) -> str:
    """Return why a message was refused for good, empty when it was taken; raise SinkUnavailable for anything else."""
    if code < FAILURE:
        return ""
    if code in _REFUSED_RECORD:
        return _REFUSED_RECORD[code]
    if code in _REFUSED_CLIENT:
        raise SinkUnavailable(f"the broker refuses: {_REFUSED_CLIENT[code]}", hold=True)
    raise SinkUnavailable(f"the broker cannot take more ({ReasonCode(PacketTypes.PUBACK, identifier=code)})")


def cause_of(error: OSError | UnicodeDecodeError) -> str:
    """Return what the system says about an error."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def refusal(error: aiomqtt.MqttError, place: str) -> SinkUnavailable:
    """Translate the broker's answer, or the lack of one, while connecting to `place` (host:port)."""
    if isinstance(error, aiomqtt.MqttCodeError) and isinstance(error.rc, ReasonCode):
        known = _REFUSED_CONNECTION.get(error.rc.value)
        reason = f"the broker refuses the connection: {known or _NOT_NOW.get(error.rc.value) or str(error.rc).lower()}"
        return SinkUnavailable(reason, hold=bool(known))
    # aiomqtt keeps only the text of what the system said; the error itself is its context.
    return SinkUnavailable(explain(error.__context__, place))


def ending(code: int | None) -> str:
    """Return why a connection ended, by the reason code it ended with."""
    if code is None:
        return _ENDED[UNSAID]
    return _ENDED.get(code) or f"{_ENDED[UNSAID]} ({str(ReasonCode(PacketTypes.DISCONNECT, identifier=code)).lower()})"


def explain(error: BaseException | None, place: str) -> str:
    """Return what to tell the operator about an error on the way to `place` (host:port)."""
    match error:
        case ssl.SSLCertVerificationError():
            why = error.verify_message.rstrip(".")
            found = f"the certificate of {place} is not accepted ({why}): check ca_file and the host name in url"
        case ssl.SSLError() if "CERTIFICATE_REQUIRED" in str(error) or "HANDSHAKE_FAILURE" in str(error):
            found = f"{place} asks for a client certificate it knows: check cert_file and key_file"
        case ssl.SSLError():
            found = f"no TLS with {place} ({error.reason or error}): check url and certificates"
        case socket.gaierror():
            found = f"{place} is not known ({error.strerror}): check url and the name service"
        case ConnectionRefusedError():
            found = f"nothing listens at {place}: check url, and that the broker runs"
        case TimeoutError():
            found = f"{place} does not answer: check url and the network"
        case OSError():
            found = f"{place}: {cause_of(error)}: check url and the network"
        case _:
            found = f"{place} does not answer as an MQTT broker: check url"
    return found
