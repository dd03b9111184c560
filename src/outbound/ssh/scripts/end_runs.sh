# end_runs FOLDER EPOCH CHAMBER NAME…: ends runs and all that they started; prints the numbers of what cannot be ended.
# CHAMBER is the container that hooks run in, or empty.
folder=$1 epoch=$2 chamber=$3
shift 3
hold "$folder" "$epoch"

# end_confined MARK: by force, while nothing in the container can start more of it.
end_confined() {
  [ -n "$(bearers "$1")" ] || return 0
  for pid in $(bearers "$1"); do kill -s TERM "$pid" 2>/dev/null; done
  sleep 0.2
  docker pause "$chamber" >/dev/null 2>&1 9>&- || return 0
  for pid in $(bearers "$1"); do kill -s KILL "$pid" 2>/dev/null; done
  docker unpause "$chamber" >/dev/null 2>&1 9>&-
}

for name; do
  run=$folder/runs/$name
  read -r id 2>/dev/null <"$run/id" || continue
  # A group is believed only while its leader is ours: numbers are given out again.
  if supervised "$run"; then group=$pid; else group=; fi
  [ -z "$chamber" ] || end_confined "PREVIEWBOT_RUN=$id"
  left=$(end_all "PREVIEWBOT_RUN=$id" "$group")
  # What is quicker than that is ended with all else that hooks left running.
  if [ -n "$left" ] && [ -n "$chamber" ]; then
    docker rm -f "$chamber" >/dev/null 2>&1 9>&-
    left=$(end_all "PREVIEWBOT_RUN=$id" "$group")
  fi
  [ -z "$left" ] || printf '%s\n' "$left"
done
