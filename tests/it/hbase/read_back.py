"""read_back.py PORT TRANSPORT TABLE...: all cells of hitmap's tables, one JSON object a line, as in `--cells`.

Written from the contract alone. A table is named PREFIX_GRANULARITY. A row key is SALT SITE 00 DIMENSION 00 GROUP 00
BUCKET, where NUL and % inside of a name stand as %00 and %25. A column's qualifier is the page, and empty for the row's
own total. A value is PV and UV, each of eight bytes, big-endian. What is zero is not there.
"""

import json
import re
import struct
import sys
import zlib

import happybase

GRANULARITIES = ["minute", "hour", "day", "week", "month", "all"]


def unescape(name):
    escaped = {b"%00": b"\0", b"%25": b"%"}
    return re.sub(rb"%(..)?", lambda found: escaped[found[0]], name, flags=re.DOTALL).decode()


def decode(key):
    """Site, group and bucket of a row key of the dimension `page`."""
    salt, rest = key[:1], key[1:]
    parts = rest.split(b"\0")
    assert len(parts) == 4, f"{len(parts)} parts in the row key {key!r}"
    hash = zlib.crc32(b"\0".join(parts[:3])) & 15
    assert salt == b"%x" % hash, f"the salt of {key!r} is not {hash:x}"
    site, dimension, group, bucket = map(unescape, parts)
    assert dimension == "page", f"another dimension in {key!r}"
    return site, group, bucket


def cells(connection, name):
    granularity = name.rsplit("_", 1)[1]
    assert granularity in GRANULARITIES, name
    for key, columns in connection.table(name).scan(batch_size=50):
        site, group, bucket = decode(key)
        for column, value in sorted(columns.items()):
            family, qualifier = column.split(b":", 1)
            assert family == b"c", f"another family in {key!r}: {column!r}"
            assert len(value) == 16, f"{len(value)} bytes in {key!r}, {column!r}"
            pv, uv = struct.unpack(">QQ", value)
            if pv or uv:
                yield {
                    "site": site,
                    "granularity": granularity,
                    "bucket": bucket,
                    "section": group or None,
                    "page": qualifier.decode() or None,
                    "pv": pv,
                    "uv": uv,
                }


port, transport, tables = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
connection = happybase.Connection("127.0.0.1", port, timeout=180_000, transport=transport)
for table in tables:
    for cell in cells(connection, table):
        print(json.dumps(cell, ensure_ascii=False, separators=(",", ":")))
