# figures ROOT: free bytes of its disk and of memory, and which boot of the machine this is. A container's boot is told
# apart by when its first process began.
root=$1
while [ ! -e "$root" ]; do
  root=${root%/*}
  [ -n "$root" ] || root=/
done
printf 'disk %s\n' "$(df -kP -- "$root" | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4)"
while read -r name size unit; do
  [ "$name" != MemAvailable: ] || printf 'memory %s\n' "$size"
done </proc/meminfo
read -r boot </proc/sys/kernel/random/boot_id
printf 'boot %s-%s\n' "$boot" "$(start_of 1)"
