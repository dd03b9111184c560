# figures ROOT DOCKER RULES: free KiB and size of the fuller of two disks, that of ROOT and that of Docker's folder; free
# memory; whether previews are kept from private networks. DOCKER is Docker's folder as it was told before; empty: Docker
# is asked for it, and for its address pools. RULES is `look` where the kernel is to be asked for the rules, too.
root=$1 docker=$2 rules=$3
# A program that hangs, such as docker without its engine, must not hold up all else.
patient() { if command -v timeout >/dev/null; then timeout 5 "$@"; else "$@"; fi; }
# Written by egress.sh, and gone after a boot, as its rules are. What somebody removed since only the kernel knows; it is
# asked meanwhile, since that takes as long as Docker does.
looking=
if [ -s /run/previewbot/egress ]; then
  echo 'confined yes'
  if [ "$rules" = look ]; then
    look_at_rules &
    looking=$!
  fi
fi
if [ -z "$docker" ] && said=$(patient docker info --format '{{.DockerRootDir}} {{json .DefaultAddressPools}}' 2>/dev/null); then
  docker=${said% *}
  printf 'docker_root %s\npools %s\n' "$docker" "${said##* }"
  # As the kernel tells them: address and mask, in hexadecimal digits, the last byte first.
  routes=
  while read -r interface to gateway flags references uses metric mask rest; do
    routes="$routes $to/$mask"
  done </proc/net/route
  printf 'routes%s\n' "${routes# Destination/Mask}"
fi
while [ ! -e "$root" ]; do
  root=${root%/*}
  [ -n "$root" ] || root=/
done
least=
for folder in "$root" "$docker"; do
  room=$(df -kP -- "$folder" 2>/dev/null | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2,4)
  [ -n "$room" ] || continue
  [ -n "$least" ] && [ "${least#* }" -le "${room#* }" ] || least=$room
done
[ -z "$least" ] || printf 'disk %s\ndisk_size %s\n' "${least#* }" "${least% *}"
while read -r name size unit; do
  [ "$name" != MemAvailable: ] || printf 'memory %s\n' "$size"
done </proc/meminfo
[ -z "$looking" ] || wait "$looking"
