#!/usr/bin/env bash
# Runs Table 1 (--quick) in shards on a real Slurm of one node, and compares with the undivided run: one step is killed,
# one index is submitted again, and the merge names what is missing in between. Needs slurm-wlm and munge; installs them
# where it may. No service of the system is used or touched: all daemons are its own, on ports and sockets of their own.
set -euo pipefail
cd "$(dirname "$0")/.."
fmr=$PWD/target/release/fmr
[[ -x $fmr ]] || { echo "build first: cargo build --release --workspace --bins" >&2; exit 1; }
if ! command -v slurmctld >/dev/null && ! [[ -x /usr/sbin/slurmctld ]]; then
  apt-get update -q && apt-get install -yq --no-install-recommends slurm-wlm slurmctld slurmd slurm-client munge
fi

D=$(mktemp -d)
H=$(hostname -s)
getent hosts "$H" >/dev/null || { echo "the host's name $H must resolve" >&2; exit 1; }
mkdir -p "$D"/{state,spool,log,munge}
chmod 700 "$D/munge"
(umask 077; dd if=/dev/urandom of="$D/munge/key" bs=1024 count=1 status=none)
cat >"$D/slurm.conf" <<CONF
ClusterName=fmrtest
SlurmctldHost=$H(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$D/munge/socket,cred_expire=5
CryptoType=crypto/munge
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$D/state
SlurmdSpoolDir=$D/spool
SlurmctldPidFile=$D/slurmctld.pid
SlurmdPidFile=$D/slurmd.pid
SlurmctldLogFile=$D/log/slurmctld.log
SlurmdLogFile=$D/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
JobRequeue=1
SlurmctldTimeout=10
SlurmdTimeout=10
KillWait=5
MinJobAge=3600
NodeName=$H NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=main Nodes=$H Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$D/slurm.conf PATH=$PATH:/usr/sbin
stop() {
  for file in slurmd.pid slurmctld.pid munge/pid; do
    [[ -s $D/$file ]] && kill "$(cat "$D/$file")" 2>/dev/null || true
  done
}
trap stop EXIT
munged --force --key-file="$D/munge/key" --socket="$D/munge/socket" --pid-file="$D/munge/pid" \
  --log-file="$D/log/munged.log" --seed-file="$D/munge/seed"
slurmctld -c -f "$SLURM_CONF"
slurmd -c -f "$SLURM_CONF"
for _ in $(seq 60); do
  sinfo -h -o %T | grep -qE 'idle|mixed' && break
  sleep 0.5
done

fail() {
  echo "$*" >&2
  tail -n 20 "$D"/jobs/logs/*.log "$D"/log/*.log >&2
  exit 1
}
# Waits until no job is left, at most so many seconds.
settled() {
  for _ in $(seq "$1"); do
    [[ -z $(squeue -h) ]] && return
    sleep 1
  done
  squeue >&2
  fail "jobs did not end"
}

export TMPDIR=$D/disk
mkdir -p "$TMPDIR"
table=(experiments/table1.toml --quick --set run.lanes=1)
"$fmr" launch slurm "${table[@]}" --shards 4 --cpus 1 --time 00:20:00 --folder "$D/jobs" >/dev/null
submitted=$(sh "$D/jobs/submit.sh")
echo "$submitted"
shards=$(sed -n 's/^shards: job \([0-9]*\);.*/\1/p' <<<"$submitted")
# Kills the first shard that is at work, as the system does to one that takes too much memory. Slurm does not start it again.
for _ in $(seq 120); do
  victim=$(pgrep -f -- "--publish $D/jobs/shards" | head -n 1 || true)
  [[ -n $victim ]] && break
  sleep 0.2
done
[[ -n $victim ]] || fail "no shard began"
killed=$(tr '\0' ' ' <"/proc/$victim/cmdline" | sed -n 's/.*--shard \([0-9]*\)\/4.*/\1/p')
kill -9 "$victim"
settled 600
[[ ! -e $D/jobs/run ]] || fail "a run was merged without shard $killed"
grep -q "shard $killed of 4 was not given" "$D"/jobs/logs/merge-*.log || fail "the merge did not say that shard $killed is missing"
echo "shard $killed was killed, and the merge said so"

# One index alone is the same shard of four.
again=$(sbatch --parsable --array="$killed" "$D/jobs/shards.sh")
sbatch --parsable --dependency=afterany:"${again%%;*}" "$D/jobs/merge.sh" >/dev/null
settled 600
[[ -e $D/jobs/run/run.sqlite ]] || fail "the shards were not merged"

"$fmr" run "${table[@]}" --out "$D/whole" >/dev/null
for run in "$D/whole" "$D/jobs/run"; do "$fmr" export "$run" >/dev/null; done
for file in samples.csv steps.csv samples.jsonl; do
  cmp "$D/whole/export/$file" "$D/jobs/run/export/$file" || fail "$file differs from the undivided run's"
done
echo "job $shards: 4 shards, one killed and submitted again, are the undivided run, bit for bit"
stop
trap - EXIT
rm -rf "$D"
