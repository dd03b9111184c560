#!/bin/sh
# limits.sh GROUP: bounds for all containers and builds of this machine together, and narrower ones for builds, in the
# control group GROUP that Docker keeps them below: they leave the machine enough to answer. What is bounded already
# stays as it is. Needs root; safe to run again.
set -eu
group=${1#/}
mark=/run/previewbot/limits
rm -f -- "$mark"

while read -r name kib unit; do
  [ "$name" != MemTotal: ] || total=$((kib * 1024))
done </proc/meminfo
reserve=$((512 * 1024 * 1024))
[ "$total" -gt $((2 * reserve)) ] || reserve=$((total / 2))
memory=$((total - reserve))
# Whole: what is below /proc/sys cannot be read byte by byte, as some shells do.
pids=$(cat /proc/sys/kernel/threads-max)
most=$(cat /proc/sys/kernel/pid_max)
[ "$pids" -le "$most" ] || pids=$most
pids=$((pids / 2))

# bound FILE VALUE: where nothing is bounded yet, which the kernel tells by a word or by a number that no machine has.
bound() {
  now=$(cat "$1")
  case $now in
    max) ;;
    *) [ "${#now}" -ge 18 ] || return 0 ;;
  esac
  printf '%s\n' "$2" >"$1"
}

# unified GROUP MEMORY PIDS WEIGHT: where all controllers are in one tree; each level must hand them on to the next.
unified() {
  folder=/sys/fs/cgroup rest=$1
  while [ -n "$rest" ]; do
    printf '+memory +pids +cpu\n' >"$folder/cgroup.subtree_control"
    folder=$folder/${rest%%/*}
    mkdir -p "$folder"
    case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
  done
  bound "$folder/memory.max" "$2"
  bound "$folder/pids.max" "$3"
  printf '%s\n' "$4" >"$folder/cpu.weight"
}

# apart GROUP MEMORY PIDS WEIGHT: where each controller has a tree of its own.
apart() {
  for controller in memory pids cpu; do mkdir -p "/sys/fs/cgroup/$controller/$1"; done
  bound "/sys/fs/cgroup/memory/$1/memory.limit_in_bytes" "$2"
  bound "/sys/fs/cgroup/pids/$1/pids.max" "$3"
  printf '%s\n' "$(($4 * 1024 / 100))" >"/sys/fs/cgroup/cpu/$1/cpu.shares"
}

if [ -e /sys/fs/cgroup/cgroup.controllers ]; then kind=unified; else kind=apart; fi
case $group in
  # systemd's own: it would put back what it was not told.
  *.slice)
    systemctl start "$group"
    for property in "MemoryMax=$memory" "TasksMax=$pids" CPUWeight=50; do
      case $(systemctl show --property "${property%%=*}" --value "$group") in
        infinity | '[not set]' | 18446744073709551615) systemctl set-property --runtime "$group" "$property" ;;
      esac
    done
    ;;
esac
$kind "$group" "$memory" "$pids" 50
# Where Docker's builder puts the steps of a Dockerfile.
$kind "$group/buildkit" "$((memory / 2))" "$((pids / 4))" 25
mkdir -p -- "${mark%/*}"
printf '%s\n' "$group" >"$mark.new"
chmod 644 -- "$mark.new"
mv -f -- "$mark.new" "$mark"
