"""Requests as they go over the wire. pymodbus encodes them; of one that was made before only its number is new."""

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from drivers import identification
from drivers.guard import Asked, data_bytes
from drivers.reading import Block
from drivers.transaction import Transactions

_DECODER = DecodePDU(is_server=False)
_FRAMER = {True: FramerRTU(_DECODER), False: FramerSocket(_DECODER)}
"""By whether frames are those of a serial line; they build frames and keep nothing."""
_REQUESTS = {
    1: ReadCoilsRequest,
    2: ReadDiscreteInputsRequest,
    3: ReadHoldingRegistersRequest,
    4: ReadInputRegistersRequest,
}
_NUMBER_BYTES = 2
"""At the head of a frame with MBAP header stands its transaction number; the rest of a request is always the same."""
_MOST_KNOWN = 1024
"""Requests that are kept encoded; a scan of a line asks for more than come again."""


class Requests:
    """Makes the requests of one line."""

    __slots__ = ("_known", "_serial", "_transactions")

    def __init__(self, *, serial: bool) -> None:
        self._serial = serial
        self._transactions = Transactions()
        self._known: dict[tuple[int, Block], Asked] = {}

    def make(self, unit: int, block: Block) -> Asked:
        """Return a request; over Modbus/TCP its number is one that nobody can guess."""
        known = self._known.get((unit, block))
        if known is None:
            known = encoded(unit, block, serial=self._serial)
            if len(self._known) < _MOST_KNOWN:
                self._known[unit, block] = known
        if self._serial:
            return known
        number = self._transactions.draw().to_bytes(_NUMBER_BYTES, "big")
        return Asked(number + known.request[_NUMBER_BYTES:], unit, block.function, known.data_bytes)


def encoded(unit: int, block: Block, *, serial: bool, number: int = 0) -> Asked:
    """Return a request as pymodbus encodes it; with a transaction number unless the line is `serial`."""
    frame = _FRAMER[serial].buildFrame(_pdu(unit, block, number))
    return Asked(frame, unit, block.function, data_bytes(block))


def number_of(asked: Asked) -> int:
    """Return the transaction number of a request with MBAP header."""
    return int.from_bytes(asked.request[:_NUMBER_BYTES], "big")


def _pdu(unit: int, block: Block, number: int) -> ModbusPDU:
    if block.function == identification.FUNCTION:
        return ReadDeviceInformationRequest(
            read_code=block.count, object_id=block.address, dev_id=unit, transaction_id=number
        )
    return _REQUESTS[block.function](dev_id=unit, transaction_id=number, address=block.address, count=block.count)
