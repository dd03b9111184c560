# reserve INSTALLATION PORT…: marks ports for other bots on the machine, all or none; prints those that another one has.
# Between the look whether a port is free and the moment a preview listens on it, minutes may pass. A mark counts for an
# hour; from then on whoever uses the port is seen listening.
installation=$1
shift
marks=/tmp/previewbot-ports-$(id -u)
mkdir -m 700 -- "$marks" 2>/dev/null
# Where nothing can be marked, nothing is held back.
[ -O "$marks" ] && [ -d "$marks" ] && [ ! -L "$marks" ] || exit 0
lock "$marks"
# Those that count no more go, save what a bot on this very machine holds.
for mark in $(find "$marks" -maxdepth 1 -type f ! -name lock -mmin +60); do
  flock -n "$mark" rm -f -- "$mark"
done
taken=
for port; do
  # A bot on this very machine holds a lock as long as it lives.
  if [ -e "$marks/$port" ] && ! flock -n "$marks/$port" true; then taken="$taken $port"; continue; fi
  read -r owner 2>/dev/null <"$marks/$port" || owner=
  [ -z "$owner" ] || [ "$owner" = "$installation" ] || [ -z "$(find "$marks/$port" -mmin -60)" ] || taken="$taken $port"
done
if [ -n "$taken" ]; then
  printf '%s\n' "$taken"
  exit 0
fi
for port; do printf '%s\n' "$installation" >"$marks/$port"; done
