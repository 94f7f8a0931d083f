"""count.py PORT TRANSPORT TABLE...: the number of cells, zeros not counted, and the sums of PV and of UV."""

import struct
import sys

import happybase

port, transport, tables = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
connection = happybase.Connection("127.0.0.1", port, timeout=60_000, transport=transport)
cells, page_views, visitors = 0, 0, 0
for table in tables:
    for _, columns in connection.table(table).scan(batch_size=500):
        for value in columns.values():
            pv, uv = struct.unpack(">QQ", value)
            cells += pv > 0
            page_views += pv
            visitors += uv
print(cells, page_views, visitors)
