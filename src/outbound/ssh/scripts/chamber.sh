# chamber NAME FOLDER CHECKOUT REPOSITORY MEMORY CPUS PIDS LABELS HOOK DIRECTORY TEXT INNER VARIABLE…: runs a hook in the
# container that all hooks of the environment share. It has the host's programs, read-only, and of all else on the host
# no more than the checkout; what hooks leave running there stays until the environment is stopped. This runs on the host
# itself: nothing that a hook chose may be a variable or a file of docker here.
name=$1 folder=$2 checkout=$3 repository=$4 memory=$5 cpus=$6 pids=$7 labels=$8 hook=$9
shift 9
directory=$1 text=$2 inner=$3
shift 3
set -f
HOME=$folder DOCKER_CONFIG=$folder/docker
export HOME DOCKER_CONFIG
image=previewbot-nothing

cannot() {
  printf 'the container for hooks cannot be started: %s\n' "$*" >&2
  exit 125
}

# show PATH OPTIONS: one of the host's folders at the place that it has there.
show() {
  [ ! -e "$1" ] || mounts="$mounts --mount type=bind,source=$1,target=$1$2"
}

make() {
  docker rm -f "$name" >/dev/null 2>&1
  docker image inspect "$image" >/dev/null 2>&1 || tar -c -T /dev/null | docker import - "$image" >/dev/null || return 1
  mounts=
  for system in /usr /bin /sbin /lib /lib64 /etc /opt "$folder/hooks" "$repository"; do show "$system" ,readonly; done
  for own in "$folder/home" "$folder/tmp" "$checkout"; do show "$own" ''; done
  # Its first process reaps what hooks leave behind.
  docker run --detach --name "$name" $labels --restart no --log-driver none --network host \
    --user "$(id -u):$(id -g)" --cap-drop ALL --security-opt no-new-privileges --read-only \
    --memory "$memory" --memory-swap "$memory" --cpus "$cpus" --pids-limit "$pids" --shm-size 64m \
    --tmpfs /tmp:rw,nosuid,nodev,exec,mode=1777,size=128m $mounts \
    "$image" /bin/sh -c 'trap "exit 0" TERM; while :; do sleep 86400 & wait; done' >/dev/null
}

(umask 077 && mkdir -p -- "$folder/hooks" && printf '%s' "$text" >"$folder/hooks/$hook") || cannot "$folder cannot be written"
(
  flock 9
  case $(docker container inspect --format '{{.State.Status}}' "$name" 2>/dev/null) in
    running) ;;
    paused) said=$(docker unpause "$name" 2>&1 9>&-) || cannot "$said" ;;
    *) said=$(make 2>&1 9>&-) || cannot "$said" ;;
  esac
) 9>>"$folder/hooks.lock" || exit 125
given=
for variable; do given="$given --env PREVIEWBOT_VALUE_$variable"; done
exec docker exec --workdir "$directory" --env PREVIEWBOT_RUN --env PREVIEWCTL_ENVIRONMENT_ID --env LANG \
  --env "PATH=$PATH" --env "HOME=$folder/home" --env "TMPDIR=$folder/tmp" $given \
  "$name" /bin/sh -c "$inner" previewbot-hook "$@" "$folder/hooks/$hook"
