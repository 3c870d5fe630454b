"""What stands around a Modbus frame in a packet, so that Wireshark knows it for what it is: pure.

Modbus/TCP stands in IPv4 and TCP, as one endless connection without its beginning. What the agent does not know, the
addresses and ports in between, is made up: the gateway is 192.0.2.0 (an address for documentation, RFC 5737) and the
device has the address of its URL, or one of that kind if the URL has a name. The device's port is always 502, for
which Wireshark needs no settings; the real one stands in the URL. Checksums are left out, as network cards do that
compute them on the way out.

RTU frames stand behind the tags of LINKTYPE_WIRESHARK_UPPER_PDU: the dissector `mbrtu`, and made-up addresses that
keep the lines of one capture apart.

Source: RFC 791, RFC 9293; Wireshark, wsutil/exported_pdu_tlvs.h.
"""

import ipaddress
import struct

MODBUS_PORT = 502
IP_HEAD, TCP_HEAD = 20, 20
TCP_AT = IP_HEAD + TCP_HEAD
_GATEWAY = ipaddress.IPv4Address("192.0.2.0").packed
_DO_NOT_FRAGMENT, _LIFETIME, _TCP = 0x4000, 64, 6
_WINDOW = 64240
_PUSH_ACK = 0x5018  # five words of header; PSH and ACK are set
_IP = struct.Struct(">BBHHHBBH4s4s")
_PORTS = struct.Struct(">HH")
TAIL = struct.pack(">HHHH", _PUSH_ACK, _WINDOW, 0, 0)
"""What stands in a TCP header behind its sequence numbers."""
_TAG_NAME, _TAG_FROM, _TAG_TO = 12, 20, 21
_TAG = struct.Struct(">HH")


def made_up(number: int) -> bytes:
    """Return the address of the device with this number, counted from 1, whose real one is not known."""
    return ipaddress.IPv4Address(int.from_bytes(_GATEWAY, "big") + 1 + (number - 1) % 254).packed


def address_of(host: str, number: int) -> bytes:
    """Return the four bytes of an IPv4 address; for a name and for IPv6 those of a made-up one."""
    try:
        return ipaddress.IPv4Address(host).packed
    except ValueError:
        return made_up(number)


def ip_and_ports(device: bytes, port: int, size: int, *, outbound: bool) -> bytes:
    """Return the IPv4 header and the ports of a packet with `size` bytes behind its headers.

    `port` is the gateway's, `outbound` from the gateway to the device.
    """
    ends = (_GATEWAY, device) if outbound else (device, _GATEWAY)
    ports = (port, MODBUS_PORT) if outbound else (MODBUS_PORT, port)
    head = (0x45, 0, TCP_AT + size, 0, _DO_NOT_FRAGMENT, _LIFETIME, _TCP)
    checksum = _checksum(_IP.pack(*head, 0, *ends))
    return _IP.pack(*head, checksum, *ends) + _PORTS.pack(*ports)


def upper_pdu(device: bytes, *, outbound: bool) -> bytes:
    """Return the tags that stand before an RTU frame."""
    sender, receiver = (_GATEWAY, device) if outbound else (device, _GATEWAY)
    tags = ((_TAG_NAME, b"mbrtu\0\0\0"), (_TAG_FROM, sender), (_TAG_TO, receiver), (0, b""))
    return b"".join(_TAG.pack(tag, len(value)) + value for tag, value in tags)


def _checksum(head: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(head) // 2}H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
