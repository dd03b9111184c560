# check ROOT: what this host has of what previews need, a line `name value` for each thing. It changes nothing, and what
# is not there is not said. The lines of figures.sh follow.
root=$1
fact() { [ -z "$2" ] || printf '%s %s\n' "$1" "$(printf '%s' "$2" | tr -s '\n\r\t' ' ')"; }
# A program that hangs, such as docker without its engine, must not hold up all else.
patient() { if command -v timeout >/dev/null; then timeout 15 "$@"; else "$@"; fi; }

fact account "$(id -un)"
fact uid "$(id -u)"

missing=
lacks() { missing="$missing $1"; }
for program in setsid flock sort tr tail cut df find mkdir mv rm chmod sleep; do
  command -v "$program" >/dev/null || lacks "$program"
done
[ "$(readlink -m / 2>/dev/null)" = / ] || lacks readlink
[ "$(stat -c %d / 2>/dev/null)" ] || lacks stat
[ "$(printf xy | head -c 1 2>/dev/null)" = x ] || lacks head
timeout 5 true 2>/dev/null || lacks timeout
printf 'a\0b\0' | grep -zqxF b 2>/dev/null || lacks grep
fact missing "${missing# }"

fact git "$(git --version 2>/dev/null)"
if command -v docker >/dev/null; then
  if said=$(patient docker version --format '{{.Server.Version}}' 2>&1); then
    fact docker "$said"
  else
    fact docker_error "${said:-it does not answer within 15 s}"
  fi
  fact compose "$(patient docker compose version --short 2>/dev/null)"
fi

if [ -d "$root" ]; then
  if [ -w "$root" ] && [ -x "$root" ]; then fact root writable; else fact root unwritable; fi
elif [ -e "$root" ]; then
  fact root file
else
  above=$root
  while [ -n "$above" ] && [ ! -e "$above" ]; do above=${above%/*}; done
  if [ -d "${above:-/}" ] && [ -w "${above:-/}" ]; then fact root creatable; else fact root missing; fi
fi
[ ! -s /usr/local/lib/previewbot/egress.sh ] || fact prepared yes
# What limits.sh bounded, as it is now.
if read -r group 2>/dev/null </run/previewbot/limits; then
  for file in "/sys/fs/cgroup/$group/memory.max" "/sys/fs/cgroup/memory/$group/memory.limit_in_bytes"; do
    if read -r most 2>/dev/null <"$file" && [ "$most" != max ] && [ "${#most}" -lt 18 ]; then fact limited "$most"; fi
  done
fi
