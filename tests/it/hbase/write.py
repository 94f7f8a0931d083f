"""write.py PORT TRANSPORT TABLE [TIMESTAMP]: writes a few cells as hitmap does."""

import struct
import sys
import zlib

import happybase

port, transport, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]
timestamp = int(sys.argv[4]) if len(sys.argv) > 4 else None
connection = happybase.Connection("127.0.0.1", port, timeout=60_000, transport=transport)
table = connection.table(name)
for group, cells in {
    "": {"": (2**64 - 1, 3)},
    "/100%25/ü%00/": {"": (5, 0), "/100%25/ü:x": (5, 2), "/gone": (0, 0)},
    "/gone/": {"": (0, 0)},
}.items():
    names = f"example.org\0page\0{group}".encode()
    row = b"%x%s\0%s" % (zlib.crc32(names) & 15, names, b"2018-03-05")
    columns = {f"c:{page}".encode(): struct.pack(">QQ", *cell) for page, cell in cells.items()}
    table.put(row, columns, timestamp=timestamp)
