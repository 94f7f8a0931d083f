"""delete.py PORT TRANSPORT TABLE TIMESTAMP: deletes all cells that are not newer."""

import sys

import happybase

port, transport, name, timestamp = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
connection = happybase.Connection("127.0.0.1", port, timeout=60_000, transport=transport)
table = connection.table(name)
for row, _ in list(table.scan()):
    table.delete(row, timestamp=timestamp)
