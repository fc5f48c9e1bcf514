"""Modbus units of pymodbus, for tests of our reader.

    pymodbus_server.py PORT POINTS

POINTS has lines "TABLE ADDRESS TYPE ORDER VALUE". What pymodbus can encode itself is encoded by it, and compared with what
Python's struct makes of it. A read that begins at holding register 60000 + n is answered with exception n; unit 99 says
nothing. Each request is told on stdout.
"""

import asyncio
import struct
import sys

from pymodbus import constants
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.payload import BinaryPayloadBuilder
from pymodbus.register_read_message import ReadHoldingRegistersRequest
from pymodbus.server import StartAsyncTcpServer

SILENT = 99
EXCEPTIONS = 60000
PACKED = {
    "u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "u64": ">Q", "i64": ">q", "f16": ">e", "f32": ">f", "f64": ">d",
}
BUILDERS = {
    "u16": "add_16bit_uint", "i16": "add_16bit_int", "u32": "add_32bit_uint", "i32": "add_32bit_int",
    "u64": "add_64bit_uint", "i64": "add_64bit_int", "f16": "add_16bit_float", "f32": "add_32bit_float",
    "f64": "add_64bit_float",
}
# Bytes and words, big or little end first.
ORDERS = {"abcd": (">", ">"), "cdab": (">", "<"), "badc": ("<", ">"), "dcba": ("<", "<")}


def words(data, order):
    """Registers of a value that is written down big-endian."""
    byte_end, word_end = ORDERS[order]
    registers = list(struct.unpack(byte_end + "H" * (len(data) // 2), data))
    return registers[::-1] if word_end == "<" else registers


def built(kind, order, number):
    """Registers of a number as pymodbus builds them."""
    byte_end, word_end = ORDERS[order]
    ends = {">": constants.Endian.Big, "<": constants.Endian.Little}
    builder = BinaryPayloadBuilder(byteorder=ends[byte_end], wordorder=ends[word_end])
    getattr(builder, BUILDERS[kind])(number)
    return builder.to_registers()


def registers(kind, order, value):
    """Registers of a point."""
    if kind == "bcd":
        return words(bytes.fromhex(value), order)
    if kind == "string":
        return words(value.encode(), order)
    if kind == "word":
        return words(struct.pack(">H", int(value, 0)), order)
    number = float(value) if kind.startswith("f") else int(value, 0)
    made = words(struct.pack(PACKED[kind], number), order)
    theirs = built(kind, order, number)
    if made != theirs:
        sys.exit(f"{kind} {order} {value}: {made} by hand, {theirs} by pymodbus")
    return made


class Told(ModbusSlaveContext):
    """Tells each request that it answers."""

    unit = 0

    def validate(self, fc_as_hex, address, count=1):
        print(self.unit, fc_as_hex, address, count, flush=True)
        return super().validate(fc_as_hex, address, count)


def tables(path):
    """What stands where."""
    found = {"coil": {}, "discrete": {}, "holding": {}, "input": {}}
    for line in open(path, encoding="ascii"):
        table, address, kind, order, value = line.split()
        values = [int(value)] if table in ("coil", "discrete") else registers(kind, order, value)
        for n, one in enumerate(values):
            found[table][int(address) + n] = one
    # All that is not said is zero.
    return {table: ModbusSequentialDataBlock(0, [known.get(n, 0) for n in range(65536)]) for table, known in found.items()}


def refusing(execute):
    """Refuses the reads that ask for it."""

    def answer(self, context):
        code = self.address - EXCEPTIONS
        if 1 <= code <= 11:
            print(self.unit_id, 3, self.address, self.count, flush=True)
            return self.doException(code)
        return execute(self, context)

    return answer


async def main():
    port, path = int(sys.argv[1]), sys.argv[2]
    ReadHoldingRegistersRequest.execute = refusing(ReadHoldingRegistersRequest.execute)
    known = tables(path)
    units = {}
    for unit in (1, 2):
        blocks = {"co": known["coil"], "di": known["discrete"], "hr": known["holding"], "ir": known["input"]}
        units[unit] = Told(zero_mode=True, **blocks)
        units[unit].unit = unit
    context = ModbusServerContext(slaves=units, single=False)
    await StartAsyncTcpServer(context, address=("127.0.0.1", port), ignore_missing_slaves=True)


asyncio.run(main())
