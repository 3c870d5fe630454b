"""What a device says of itself: the objects of function 43/14, Read Device Identification. Pure.

Source: MODBUS Application Protocol V1.1b3, section 6.21.
"""

from collections.abc import Mapping

FUNCTION, MEI_TYPE = 43, 14
SIGN = bytes((FUNCTION, MEI_TYPE))
"""What requests and replies begin with."""
BASIC, REGULAR = 1, 2
"""Categories of objects: REGULAR asks for the basic ones too."""
LONGEST_PDU = 253

_HEAD = 7  # function, MEI type, category, conformity, more follows, next object, number of objects
_MORE = 0xFF


def pdu_length(pdu: bytes) -> int:
    """Return how long a reply is that starts with `pdu`; if that is not all of it, the least it can be."""
    if len(pdu) < _HEAD:
        return _HEAD
    end = _HEAD
    for _ in range(pdu[_HEAD - 1]):
        if len(pdu) < end + 2:
            return end + 2
        end += 2 + pdu[end + 1]
    return end


def objects(data: bytes) -> tuple[Mapping[int, str], int | None]:
    """Return the objects in a complete reply behind function and MEI type, and where to go on, None at the end."""
    _category, _conformity, more, following, count = data[:5]
    found = {}
    at = 5
    for _ in range(count):
        number, size = data[at], data[at + 1]
        found[number] = _text(data[at + 2 : at + 2 + size])
        at += 2 + size
    # A device that sends back where it has been would be asked for ever.
    goes_on = more == _MORE and following > max(found, default=following)
    return found, following if goes_on else None


def _text(value: bytes) -> str:
    """Return printable text: what a device says ends on terminals."""
    text = value.decode("utf-8", "replace").strip("\0 \t\r\n")
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
