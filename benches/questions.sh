#!/usr/bin/env bash
# Questions to a database of a year, asked of hitmap and of ClickHouse's engine over the same page views, in one run:
# prints a markdown table, and checks that the answers agree.
#
#     benches/questions.sh [--lines N] [--runs N]
#
# The log is that of the bench `database` (15 M lines in 365 days unless said otherwise), without odd lines, since SQL's
# view of those differs. A question to hitmap is a process of its own, from its start to the last byte of the JSON. The
# engine (chdb from PyPI, in a virtual environment) has its MergeTree table open, sorted and merged, and is timed from
# the query to its rows; it is not asked for all that hitmap's report has. Both use 2 threads and take turns; medians of 5
# runs count. All files stay in ${XDG_CACHE_HOME:-~/.cache}/hitmap-bench.
set -euo pipefail
lines=15000000 runs=5
while (($#)); do
    case $1 in
        --lines) lines=$2 ;;
        --runs) runs=$2 ;;
        *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift 2
done
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/hitmap-bench
mkdir -p "$cache"
export PYTHONPATH=$PWD/benches PYTHONDONTWRITEBYTECODE=1
python=$cache/venv/bin/python
[[ -x $python ]] || python3 -m venv "$cache/venv"
"$python" -c 'import chdb' 2>/dev/null || "$cache/venv/bin/pip" install --quiet 'chdb==4.*' >&2

cargo build --release --locked --quiet
hitmap=${CARGO_TARGET_DIR:-target}/release/hitmap
log=$cache/year-$lines.log
if [[ ! -f $log ]]; then
    "$hitmap" generate --quiet --lines "$lines" --days 365 --visitors 2000000 --seed 9 --bad 0 -o "$log.part"
    mv "$log.part" "$log"
fi
database=$cache/questions.db
rm -f "$database" "$database"-*
"$hitmap" analyze --quiet --db "$database" "$log"

exec "$python" - "$hitmap" "$database" "$log" "$runs" <<'PYTHON'
import json, os, statistics, subprocess, sys, tempfile, time
from importlib.metadata import version
from chdb import session
from clickhouse import select_page_views, sql

hitmap, database, log, runs = sys.argv[1:]
runs = int(runs)
folder = tempfile.TemporaryDirectory(dir=os.path.dirname(log))
engine = session.Session(folder.name)

def query(text):
    answer = engine.query(f"{text} SETTINGS max_threads = 2", "JSONCompact").bytes()
    return json.loads(answer)["data"] if answer else []

# ---- the page views ----------------------------------------------------------------------------------------------------
engine.query("CREATE DATABASE bench ENGINE = Atomic")
# The visitor's hash has 64 bits, which is faster than an exact one.
engine.query("CREATE TABLE bench.views (minute DateTime('UTC'), page LowCardinality(String), "
             "section LowCardinality(String), visitor UInt64) ENGINE = MergeTree "
             "PARTITION BY toYYYYMM(minute) ORDER BY (toDate(minute), section, page, minute)")
started = time.monotonic()
engine.query(f"INSERT INTO bench.views {select_page_views(log, 'sipHash64')} SETTINGS max_threads = 2")
engine.query("OPTIMIZE TABLE bench.views FINAL")
print(f"chdb took {time.monotonic() - started:.1f} s to read and merge", file=sys.stderr)
[[first]] = query("SELECT min(toDate(minute)) FROM bench.views")
day = lambda number: query(f"SELECT toDate({sql(first)}) + {number}")[0][0]

# ---- the questions ----------------------------------------------------------------------------------------------------
def range_of(since, until):
    options = ["--since", since, "--until", until]
    if "T" not in since:
        return options, f"toDate(minute) BETWEEN {sql(since)} AND {sql(until)}"
    since, until = (text.replace("T", " ") + ":00" for text in (since, until))
    return options, f"minute BETWEEN {sql(since)} AND {sql(until)}"

[[section]] = query("SELECT section FROM bench.views GROUP BY section ORDER BY count() DESC LIMIT 1")
[[page]] = query("SELECT page FROM bench.views GROUP BY page ORDER BY count() DESC LIMIT 1")
questions = {
    "everything": ([], "1", None),
    "three months": (*range_of(day(88), day(179)), None),
    "a year cut at minutes": (*range_of(day(1) + "T07:30", day(352) + "T20:15"), None),
    f"the section {section}": (["--section", section], f"section = {sql(section)}", None),
    f"the page {page}": (["--page", page], f"page = {sql(page)}", None),
    "by week": (["--by", "week"], "1", "toStartOfWeek(minute, 1)"),
}

def ask_engine(condition, bucket):
    where = f"FROM bench.views WHERE {condition}"
    both = "count() AS pv, uniqExact(visitor) AS uv"
    answer = {
        "totals": query(f"SELECT {both} {where}"),
        "days": query(f"SELECT {both} {where} GROUP BY toDate(minute) AS day ORDER BY day"),
        "hours": query(f"SELECT {both} {where} GROUP BY toStartOfHour(minute) AS hour ORDER BY hour"),
        "sections": query(f"SELECT section, {both} {where} GROUP BY section ORDER BY pv DESC, section LIMIT 10"),
        "pages": query(f"SELECT page, {both} {where} GROUP BY page ORDER BY pv DESC, page LIMIT 10"),
    }
    if bucket:
        answer["by"] = query(f"SELECT {both} {where} GROUP BY {bucket} AS bucket ORDER BY bucket")
    numbers = lambda row: [value if isinstance(value, str) and not value.isdigit() else int(value) for value in row]
    return {name: [numbers(row) for row in rows] for name, rows in answer.items()}

def ask_hitmap(options, bucket):
    command = [hitmap, "report", "--json", "-j", "2", "--db", database, *options]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    both = lambda row: [row["pv"], row["uv"]]
    totals = report["totals"]
    answer = {
        "totals": [[totals["page_views"], totals["unique_visitors"]]],
        "days": [both(row) for row in report["days"]],
        "hours": [both(row) for row in report["hours"]],
        "sections": [[row["section"], *both(row)] for row in report["sections"]],
        "pages": [[row["page"], *both(row)] for row in report["pages"]],
    }
    if bucket:
        answer["by"] = [both(row) for row in report["database"]["buckets"]]
    # The engine has no rows of hours and weeks without page views.
    return {part: [row for row in rows if row[-2] > 0] for part, rows in answer.items()}

# ---- asking ------------------------------------------------------------------------------------------------------------
def timed(ask):
    started = time.monotonic()
    answer = ask()
    return time.monotonic() - started, answer

errors = []
print(f"{os.path.getsize(database) / 1e6:.0f} MB hitmap; {version('chdb')} chdb\n")
print("| question | hitmap | ClickHouse's engine | ratio |")
print("|---|---:|---:|---:|")
for name, (options, condition, bucket) in questions.items():
    ours, theirs = [], []
    for _ in range(runs):
        seconds, answer = timed(lambda: ask_hitmap(options, bucket))
        ours.append(seconds)
        seconds, expected = timed(lambda: ask_engine(condition, bucket))
        theirs.append(seconds)
        for part, rows in expected.items():
            if answer[part] != rows:
                errors.append(f"{name}: {part} differ: hitmap {answer[part][:3]}, chdb {rows[:3]}")
    one, other = statistics.median(ours), statistics.median(theirs)
    print(f"| {name} | {one:.3f} s | {other:.3f} s | {other / one:.1f} |")
print("\n" + ("\n".join(errors) or "The answers agree: totals, days, hours, sections, pages and weeks."))
sys.exit(bool(errors))
PYTHON
