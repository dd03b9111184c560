# remove_all PATH: removes a file, or a folder with all that is in it. What containers left there as root is removed by a
# container, which has nothing of its own: its programs are the host's.
by_container() {
  image=previewbot-nothing
  docker image inspect "$image" >/dev/null 2>&1 || tar -c -T /dev/null | docker import - "$image" >/dev/null || return 1
  mounts=
  for system in /usr /bin /lib /lib64; do
    [ ! -d "$system" ] || mounts="$mounts -v $system:$system:ro"
  done
  docker run --rm --network none $mounts -v "$1:/doomed" "$image" /usr/bin/find /doomed -mindepth 1 -delete
}

remove_all() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  rm -rf -- "$1" 2>/dev/null && return 0
  [ -d "$1" ] && [ ! -L "$1" ] || fail "$BROKEN" "cannot remove $1"
  said=$(by_container "$1" 2>&1 9>&-) && rm -rf -- "$1" && return 0
  said=$(printf '%s' "$said" | tail -n 2)
  fail "$BROKEN" "cannot remove all of $1, where containers may have left files as root: $said"
}
