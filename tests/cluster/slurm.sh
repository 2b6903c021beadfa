#!/usr/bin/env bash
# A SLURM of one node and two processors on this machine, for the tests marked `slurm`. Needs root, slurm-wlm and munge.
#   tests/cluster/slurm.sh start    starts what does not run yet, and prints the line that lets commands find it:
#   eval "$(tests/cluster/slurm.sh start)"
#   tests/cluster/slurm.sh stop     ends it with its jobs, and removes its folder
set -euo pipefail

folder=${TMPDIR:-/tmp}/convpipe-slurm
export SLURM_CONF=$folder/slurm.conf

own_folder() {  # anybody can make a folder of this name where it is expected, and root's files would go where it points
  mkdir -m 755 "$folder" 2>/dev/null || true
  if [ -L "$folder" ] || [ ! -d "$folder" ] || [ ! -O "$folder" ]; then
    echo "slurm.sh: $folder is not a folder of this user's own: remove it, or set TMPDIR to another place" >&2
    exit 1
  fi
}

runs() {  # whether the process that a file names lives
  [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null
}

wait_for() {
  for _ in $(seq 300); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "slurm.sh: this did not come true within thirty seconds: $*; see the logs in $folder" >&2
  exit 1
}

configure() {
  mkdir -p "$folder"/{state,spool,munge}
  chmod 755 "$folder" "$folder/munge"
  [ -f "$folder/munge/key" ] || head -c 1024 /dev/urandom > "$folder/munge/key"
  chmod 400 "$folder/munge/key"
  chown -R munge: "$folder/munge"
  cat > "$folder/slurm.conf" <<CONF
ClusterName=convpipe
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
JobRequeue=1
ReturnToService=2
KillWait=15
SchedulerParameters=sched_interval=2,bf_interval=2
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
  printf 'CgroupPlugin=cgroup/v1\nIgnoreSystemd=yes\n' > "$folder/cgroup.conf"
}

start() {
  trap 'if [ $? != 0 ]; then stop; fi' EXIT
  configure
  local munge=$folder/munge
  if ! runs "$munge/pid"; then
    runuser -u munge -- munged --key-file="$munge/key" --socket="$munge/socket" --pid-file="$munge/pid" \
      --log-file="$munge/log" --seed-file="$munge/seed" >/dev/null
  fi
  wait_for munge --no-input --socket="$munge/socket"
  runs "$folder/slurmctld.pid" || slurmctld >/dev/null
  wait_for scontrol ping
  runs "$folder/slurmd.pid" || slurmd >/dev/null
  wait_for eval 'sinfo --noheader --format %t | grep -Eq "idle|mix|alloc"'
  echo "export SLURM_CONF=$SLURM_CONF"
}

stop() {
  if runs "$folder/slurmctld.pid"; then
    scancel --user=root || true
    wait_for eval '[ -z "$(squeue --noheader)" ]'
  fi
  for pid in "$folder"/slurmctld.pid "$folder"/slurmd.pid "$folder"/munge/pid; do
    if runs "$pid"; then
      local number; number=$(cat "$pid")
      kill "$number"
      wait_for eval "! kill -0 $number"
    fi
  done
  rm -rf "$folder"
}

case ${1:-} in
  start | stop) own_folder && "$1" ;;
  *) echo "slurm.sh start, or slurm.sh stop" >&2; exit 2 ;;
esac
