"""ready.py PORT TRANSPORT: exits with 0 once a cell can be written and read through the gateway."""

import sys
import time

import happybase

port, transport = int(sys.argv[1]), sys.argv[2]
end = time.monotonic() + 60
while True:
    try:
        connection = happybase.Connection("127.0.0.1", port, timeout=20_000, transport=transport)
        table, row = connection.table("check"), str(time.time_ns()).encode()
        table.put(row, {b"c:": row})
        assert table.row(row) == {b"c:": row}
        break
    except Exception:
        if time.monotonic() > end:
            raise
        time.sleep(0.1)
