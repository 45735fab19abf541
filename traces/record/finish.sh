#!/bin/sh
# Makes a trace of what one of the scripts here printed:
#
#   sh finish.sh raw.txt ["what the guest did"] > trace.csv.gz
#
# bpftrace reads a buffer a CPU, so its lines are nearly, and not quite, in order of time: they are sorted. How many there are is known only
# at the end: what the script counted moves up into the header. A file that the script did not end, or in which records are missing that it
# counted, is told on stderr.
set -eu
LC_ALL=C
export LC_ALL

raw=${1:?usage: sh finish.sh RAW [WHAT THE GUEST DID] > TRACE.csv.gz}
workload=${2:-not told}
fail() {
	echo "finish.sh: $raw: $*" >&2
	exit 1
}
[ -r "$raw" ] || fail "cannot be read"

record='^[0-9]+,vcpu[0-9]+,to-(shared|private),[0-9]+,[0-9]+$'
# Besides records and header lines bpftrace prints these, and empty lines where it prints maps.
noise='^(Attaching [0-9]+ probes?\.\.\.|Attached [0-9]+ probes?|Lost [0-9]+ events|@[a-z]+(\[[0-9]+\])?: [0-9]+)?$'
strange=$(grep -E -v -e "$record" -e "$noise" -e '^# [a-z0-9_]+: ' "$raw" | head -n 1 || true)
[ -z "$strange" ] || fail "this line is none of a recording: $strange"
counted=$(sed -n 's/^# recorded: //p' "$raw")
[ -n "$counted" ] || fail "it has no line '# recorded', so the recording was not ended: stop bpftrace with Ctrl-C or kill -INT"
records=$(grep -E -c -e "$record" "$raw" || true)
lost=$((counted - records))
[ "$lost" -ge 0 ] || fail "it has $records records, and the script counted $counted"
[ "$lost" -eq 0 ] || echo "finish.sh: $raw: $lost of $counted records were lost; record again with BPFTRACE_PERF_RB_PAGES=1024" >&2

{
	grep -E '^# [a-z0-9_]+: ' "$raw" | grep -E -v '^# recorded: '
	echo "# workload: $workload"
	echo "# lost_events: $lost"
	echo "# records: $records"
	echo "# columns: t_ns,actor,op,gfn,npages"
	echo "t_ns,actor,op,gfn,npages"
	grep -E -e "$record" "$raw" | sort -s -t, -k1,1n || true
} | gzip -n -9
