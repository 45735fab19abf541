#!/usr/bin/env bash
# The array job on a Slurm of one node, this one, with one of its tasks killed and queued again in the middle; what it merges has to be
# the record of one undisturbed run, but for the machine and its clock.
#
#   apt-get install -y slurm-wlm munge
#   npm ci && examples/slurm/one-node.sh      as root; in a container too: no systemd, no cgroups
#
# Everything is in a folder of its own, and the daemons end with the script.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
repository="$(cd "$here/../.." && pwd)"
folder="$(mktemp -d)"
host="$(hostname -s)"
export SLURM_CONF="$folder/slurm.conf"
export FOLIOBENCH="node $repository/dist/src/cli/main.js"
# Long enough that a task can be killed in the middle.
export OPTIONS="${OPTIONS:---policy all --workload ping-pong,dma-storm,fixed-buffers,many-mappings --memory 16MiB --accesses 5000}"
export BASELINE="$folder/undisturbed.json"

say() { printf '%s  %s\n' "$(date +%T)" "$*"; }

daemons=()
finish() {
  for ((index = ${#daemons[@]} - 1; index >= 0; index--)); do
    kill "${daemons[index]}" 2>/dev/null || true
    wait "${daemons[index]}" 2>/dev/null || true
  done
  if [[ -z "${KEEP:-}" ]]; then rm -rf "$folder"; else say "kept: $folder"; fi
}
trap finish EXIT

# cred_expire: a task that was queued again may begin after that many seconds; 120 by default.
cat >"$SLURM_CONF" <<CONF
ClusterName=foliobench
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
mkdir "$folder/state" "$folder/spool" "$folder/parts"

dd if=/dev/urandom of="$folder/munge.key" bs=128 count=1 status=none
chmod 400 "$folder/munge.key"
munged --force --foreground --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
  --pid-file="$folder/munge.pid" --seed-file="$folder/munge.seed" >"$folder/munged.log" 2>&1 &
daemons+=($!)
until [[ -S "$folder/munge.socket" ]]; do sleep 0.2; done
slurmctld -D -f "$SLURM_CONF" >"$folder/slurmctld.out" 2>&1 &
daemons+=($!)
slurmd -D -f "$SLURM_CONF" >"$folder/slurmd.out" 2>&1 &
daemons+=($!)
until sinfo --noheader --format=%T 2>/dev/null | grep -q idle; do sleep 0.5; done
say "$(slurmd -V): $(sinfo --noheader --format='node %n is %T, %c CPUs')"

say 'one undisturbed run'
$FOLIOBENCH compare $OPTIONS -o "$BASELINE" --quiet

cd "$folder/parts"
array="$(sbatch --parsable "$here/shards.sbatch")"
judge="$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes "$here/judge.sbatch")"
say "array job $array, judged by job $judge once all of it is well"

cells_of_task_2() { if [[ -f part-2.json.partial.jsonl ]]; then grep -c '"key"' part-2.json.partial.jsonl || true; else echo 0; fi; }
until (($(cells_of_task_2) >= 2)); do sleep 0.1; done
scontrol requeue "${array}_2"
say "task 2 killed and queued again after $(cells_of_task_2) cells"

while squeue --noheader --jobs="$array,$judge" 2>/dev/null | grep -q .; do sleep 0.5; done
restarts="$(scontrol show job "${array}_2" | grep -o 'Restarts=[0-9]*')"
say "task 2: $restarts"
[[ "$restarts" == Restarts=1 ]]
cat judge.log
head -n 1 judge.log | grep -qx PASS

# Byte for byte, without the machine and its clock.
node --input-type=module - "$BASELINE" whole.json <<'JS'
import { readFileSync } from 'node:fs';
const [whole, merged] = process.argv.slice(2).map((path) => {
  const { environment, cells, ...rest } = JSON.parse(readFileSync(path, 'utf8'));
  return JSON.stringify({ ...rest, cells: cells.map(({ wallClock, ...cell }) => cell) });
});
if (whole !== merged) throw new Error('the merged record is not that of one run');
console.log(`${whole.length} characters are the same`);
JS
say 'the merged record is that of one run'
