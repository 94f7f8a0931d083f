#!/usr/bin/env bash
# hitmap against what else answers its question, on one log, in one run: prints a markdown table and checks that the
# answers agree where they can.
#
#     benches/compare.sh [--lines N] [--runs N] [--log FILE]
#
# The log is generated without odd lines (5 M lines unless said otherwise), since SQL's view of those differs. Every
# program runs as a process of its own with 2 threads, in turns, on a file just read; the median of 3 runs counts.
# What takes over 30 s runs once. The peers: GoAccess (Debian's package, installed if missing) and ClickHouse's engine
# in a process (chdb from PyPI, in a virtual environment). All files stay in ${XDG_CACHE_HOME:-~/.cache}/hitmap-bench.
set -euo pipefail
lines=5000000 runs=3 log='' threads=2
while (($#)); do
    case $1 in
        --lines) lines=$2 ;;
        --runs) runs=$2 ;;
        --log) log=$(realpath "$2") ;;
        *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift 2
done
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/hitmap-bench
mkdir -p "$cache"
export PYTHONPATH=$PWD/benches PYTHONDONTWRITEBYTECODE=1

# ---- what is needed -------------------------------------------------------------------------------------------------
install() { # COMMAND PACKAGE
    command -v "$1" >/dev/null && return
    apt-get install -y "$2" >&2 || { apt-get update >&2 && apt-get install -y "$2" >&2; }
}
install /usr/bin/time time
install goaccess goaccess
python=$cache/venv/bin/python
[[ -x $python ]] || python3 -m venv "$cache/venv"
"$python" -c 'import chdb' 2>/dev/null || "$cache/venv/bin/pip" install --quiet 'chdb==4.*' >&2

cargo build --release --locked --quiet
target=${CARGO_TARGET_DIR:-target}
hitmap=$target/release/hitmap
newlines=$(cargo bench --locked --no-run --bench newlines --message-format json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*\/newlines-[^"]*\)".*/\1/p')

if [[ -z $log ]]; then
    log=$cache/easy-$lines.log
    [[ -f $log ]] || { "$hitmap" generate --quiet --lines "$lines" --bad 0 -o "$log.part" && mv "$log.part" "$log"; }
fi
out=$cache/out
mkdir -p "$out"

# ---- the SQL engine --------------------------------------------------------------------------------------------------
cat >"$cache/cube.py" <<'PYTHON'
import json, sys, time
from chdb import session
from clickhouse import select_page_views

log, threads = sys.argv[1], sys.argv[2]
started = time.monotonic()
engine = session.Session()
query = lambda text: json.loads(engine.query(text, "JSONCompact").bytes() or b'{"data": []}')["data"]
settings = f"SETTINGS max_threads = {threads}"
query("CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic")
query("CREATE TABLE bench.views (minute DateTime('UTC'), page LowCardinality(String), section LowCardinality(String), "
      "visitor FixedString(16)) ENGINE = Memory")
query(f"INSERT INTO bench.views {select_page_views(log, 'sipHash128')} {settings}")
read = time.monotonic()
answer = {}
for granularity, bucket in ("day", "toDate(minute)"), ("hour", "toStartOfHour(minute)"), ("minute", "minute"):
    answer[granularity] = {}
    for level, keys in ("site", ""), ("section", ", section"), ("page", ", page"):
        [row] = query(f"""
            SELECT count(), sum(pv), sum(uv) FROM
                (SELECT count() AS pv, uniqExact(visitor) AS uv FROM bench.views GROUP BY {bucket} AS bucket{keys})
            {settings}""")
        answer[granularity][level] = [int(value) for value in row]
answer["seconds"] = {"read": read - started, "queries": time.monotonic() - read}
print(json.dumps(answer))
PYTHON

# ---- running --------------------------------------------------------------------------------------------------------
declare -A command=(
    [newlines]="$newlines $log $threads"
    [wc]="wc -l $log"
    [hitmap]="$hitmap analyze --json --quiet -j $threads $log"
    [chdb]="$python $cache/cube.py $log $threads"
    [goaccess]="goaccess $log --log-format=COMBINED --no-global-config --no-progress -o $out/goaccess.json"
)
goaccess --help | grep -q -- '--jobs' && command[goaccess]+=" -j $threads"
order=(newlines wc hitmap chdb goaccess)
: >"$out/times"
for ((run = 1; run <= runs; run++)); do
    for name in "${order[@]}"; do
        if ((run > 1)) && awk -v n="$name" '$1 == n && $2 > 30 { slow = 1 } END { exit !slow }' "$out/times"; then
            continue
        fi
        cat "$log" >/dev/null
        echo "run $run: $name" >&2
        start=$EPOCHREALTIME
        # Words of the commands hold no blanks but for the caller's paths.
        # shellcheck disable=SC2086
        /usr/bin/time -f %M -o "$out/memory" ${command[$name]} >"$out/$name.out"
        end=$EPOCHREALTIME
        awk -v n="$name" -v s="$start" -v e="$end" '{ printf "%s %.4f %.0f\n", n, e - s, $1 / 1024 }' \
            "$out/memory" >>"$out/times"
    done
done

# ---- the answers, then the table ------------------------------------------------------------------------------------
"$python" - "$out" "$log" "$(goaccess --version | sed -n 's/^GoAccess - \([0-9.]*[0-9]\).*/\1/p')" <<'PYTHON'
import json, os, statistics, sys
from importlib.metadata import version

out, log, goaccess_version = sys.argv[1:]
load = lambda name: json.load(open(f"{out}/{name}"))
report, cube, goaccess = load("hitmap.out"), load("chdb.out"), load("goaccess.json")["general"]
lines = report["totals"]["lines"]
errors = []
def equal(what, ours, theirs):
    if ours != theirs:
        errors.append(f"{what}: hitmap {ours}, there {theirs}")

for name in "newlines", "wc":
    equal(f"lines ({name})", lines, int(open(f"{out}/{name}.out").read().split()[0]))
for granularity, levels in report["cell_sums"].items():
    for level, sums in levels.items():
        ours = [report["cells"][granularity][level], sums["pv"], sums["uv"]]
        equal(f"cells, PV and UV by {granularity} and {level} (chdb)", ours, cube[granularity][level])
equal("well-formed lines (GoAccess)", report["totals"]["hits"], goaccess["valid_requests"])

times = {}
for row in open(f"{out}/times"):
    name, seconds, memory = row.split()
    times.setdefault(name, []).append((float(seconds), int(memory)))
unit = statistics.median(seconds for seconds, _ in times["newlines"])
names = {
    "newlines": "newline count, 2 threads (the unit)",
    "wc": "`wc -l`",
    "hitmap": "`hitmap analyze --json -j 2`",
    "chdb": f"chdb {version('chdb')}, regex into a Memory table, nine GROUP BYs",
    "goaccess": f"GoAccess {goaccess_version}, JSON",
}
print(f"{lines:,} lines, {os.path.getsize(log):,} bytes\n")
print("| program | seconds (min–max, runs) | lines/s | peak MiB | x of the newline count |")
print("|---|---:|---:|---:|---:|")
for name, runs in times.items():
    seconds = sorted(seconds for seconds, _ in runs)
    median = statistics.median(seconds)
    print(f"| {names[name]} | {median:.3g} ({seconds[0]:.3g}–{seconds[-1]:.3g}, {len(runs)}) | {lines / median:,.0f} | "
          f"{max(memory for _, memory in runs)} | {median / unit:.1f} |")
inside = cube["seconds"]
print(f"\nchdb inside: {inside['read']:.2f} s reading, {inside['queries']:.2f} s for the queries.")
cells = sum(sum(levels.values()) for levels in report["cells"].values())
print("\n".join(errors) or f"The answers agree: lines with all; number, PV and UV of all {cells:,} cells' nine kinds "
      "with chdb; well-formed lines with GoAccess.")
sys.exit(bool(errors))
PYTHON
