"""write.py PORT TRANSPORT TABLE: makes a table as hitmap does."""

import struct
import sys
import zlib

import happybase

port, transport, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]
connection = happybase.Connection("127.0.0.1", port, timeout=60_000, transport=transport)
connection.create_table(name, {"c": {"max_versions": 1}})
table = connection.table(name)
for group, columns in [
    (b"", {b"": (9, 3)}),
    (b"/100%25/", {b"": (5, 2), "/100%/ü:x".encode(): (5, 2), b"/gone": (0, 0)}),
]:
    names = b"\0".join([b"example.org", b"page", group])
    row = b"%x%s\0%s" % (zlib.crc32(names) & 15, names, b"2018-03-05")
    table.put(row, {b"c:" + page: struct.pack(">QQ", *cell) for page, cell in columns.items()})
