# One shell on a host that runs request after request, so that the account's login files and the start of a session are
# paid for once. A request is a line `<token> <bytes of its program> <bytes of its data>`, then both. Whatever the
# program prints goes straight through; a line with the token, which no program is told, ends both outputs.
umask 077
LC_ALL=C
export LC_ALL

# How a program ends when it did not do what was asked: who asked has lost the environment; what was asked for cannot
# be; the host is in a state that may pass; the thing is not there.
FENCED=93
REFUSED=94
BROKEN=95
MISSING=96

fail() {
  code=$1
  shift
  printf '%s\n' "$*" >&2
  exit "$code"
}

# Field 22 of a process's stat is its start time; counting begins behind the name in brackets, which may hold anything.
start_of() {
  read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
  set -- ${stat##*) }
  case $1 in Z | X | x) return 1 ;; esac
  printf '%s\n' "${20}"
}

# boot_of_machine: which boot this is; a container's is told apart by when its first process began.
boot_of_machine() {
  read -r boot </proc/sys/kernel/random/boot_id
  printf '%s-%s\n' "$boot" "$(start_of 1)"
}

# Waits for a lock on a folder's file; it is held until the program ends. What goes on behind it must close 9.
lock() {
  exec 9>>"$1/lock" || fail "$BROKEN" "cannot write $1/lock"
  flock 9 || fail "$BROKEN" "cannot lock $1/lock"
}

# gather FOLDER: takes in all of a request's data. A connection that falls silent before its end must not keep a lock.
gather() {
  data=$1/data.$$
  rm -f -- "$data"
  (set -C && head -c "$length" >"$data") && [ "$(stat -c %s -- "$data")" = "$length" ] || {
    rm -f -- "$data"
    fail "$BROKEN" "cannot take the data in: is the disk full?"
  }
  exec <"$data"
  rm -f -- "$data"
}

# hold FOLDER EPOCH: takes a life's lock and checks that nobody newer has taken it over.
hold() {
  [ -d "$1" ] || fail "$FENCED" "epoch $2 no longer holds this environment: it was destroyed"
  [ "$length" = 0 ] || gather "$1"
  lock "$1"
  read -r stored 2>/dev/null <"$1/epoch" || stored=none
  [ "$stored" = "$2" ] || fail "$FENCED" "epoch $2 no longer holds this environment: epoch $stored holds it"
}

# bearers NAME=VALUE: numbers of the processes of this account that have this in their environment.
bearers() {
  for found in $(grep -lzxF -- "$1" /proc/[0-9]*/environ 2>/dev/null); do
    pid=${found#/proc/}
    pid=${pid%/environ}
    start_of "$pid" >/dev/null && printf '%s\n' "$pid"
  done
}

# members GROUP: numbers of the living processes of a group.
members() {
  for found in /proc/[0-9]*/stat; do
    read -r stat 2>/dev/null <"$found" || continue
    pid=${stat%% *}
    set -- "$1" ${stat##*) }
    case $2 in Z | X | x) continue ;; esac
    [ "$4" = "$1" ] && printf '%s\n' "$pid"
  done
}

# meant MARK GROUP: what bears the mark, and what is in the group, where one is named.
meant() {
  bearers "$1"
  [ -z "$2" ] || members "$2"
}

# clock: hundredths of a second since the machine's start, in `now`.
clock() {
  read -r now rest </proc/uptime
  now=${now%.*}${now#*.}
}

# end_all MARK [GROUP]: ends them, by force after half a second; prints those that are still there after five.
end_all() {
  told=' '
  clock
  began=$now
  while :; do
    alive=$(meant "$1" "${2:-}" | sort -u)
    [ -n "$alive" ] || return 0
    clock
    if [ "$((now - began))" -ge 500 ]; then
      printf '%s\n' "$alive"
      return 0
    fi
    for pid in $alive; do
      if [ "$((now - began))" -ge 50 ]; then
        kill -s KILL "$pid" 2>/dev/null
      else
        case $told in *" $pid "*) ;; *)
          told="$told$pid "
          kill -s TERM "$pid" 2>/dev/null ;;
        esac
      fi
    done
    sleep 0.03
  done
}

# enter ROOT FOLDER: goes to a folder beneath ROOT, making what is missing; a link out of ROOT is refused. The place is
# asked of the kernel once the folder is entered, so that nobody can exchange it behind the look.
enter() {
  cd -P -- "$1" 2>/dev/null || fail "$MISSING" "there is no folder $1"
  top=$(pwd -P)
  rest=$2
  while [ -n "$rest" ]; do
    part=${rest%%/*}
    case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
    [ -n "$part" ] || continue
    if [ ! -d "./$part" ]; then
      if [ "${3:-make}" != make ]; then
        leads_in "$part" || fail "$REFUSED" "path $2 leaves $1, or has links in a circle"
        return 1
      fi
      mkdir -m 755 -- "./$part" || fail "$REFUSED" "cannot make the folder $2"
    fi
    cd -P -- "./$part" || fail "$REFUSED" "cannot enter the folder $2"
    inside "$(pwd -P)" || fail "$REFUSED" "path $2 leaves $1"
  done
}

# inside PATH: whether a real path is that of the entered root, or beneath it.
inside() {
  case $1/ in "${top%/}"/*) return 0 ;; esac
  return 1
}

# leads_in NAME: whether a name of this folder that may be a link leads beneath the entered root, be there anything or not.
leads_in() {
  [ -L "./$1" ] || return 0
  case $(stat -L -- "./$1" 2>&1) in *"Too many levels"*) return 1 ;; esac
  inside "$(readlink -m -- "./$1")"
}

# put NAME SIZE MODE: writes as many bytes of the input to a file of this folder, whole or not at all. One that is there
# keeps its mode where that is stricter: an overwrite never shows a secret to more people.
put() {
  new=.$(printf '%.40s' "$1").previewbot-new
  rm -f -- "./$new"
  (set -C && head -c "$2" >"./$new") || {
    rm -f -- "./$new"
    fail "$BROKEN" "cannot write $1: is the disk full?"
  }
  [ "$(stat -c %s -- "./$new")" = "$2" ] || {
    rm -f -- "./$new"
    fail "$BROKEN" "cannot write $1: it came incomplete"
  }
  mode=$3
  [ -L "./$1" ] || [ ! -f "./$1" ] || mode=$(printf '%o' "$((0$3 & 0$(stat -c %a -- "./$1")))")
  chmod "$mode" -- "./$new" && { sync -d -- "./$new" 2>/dev/null || :; } && mv -fT -- "./$new" "./$1" || {
    rm -f -- "./$new"
    fail "$REFUSED" "cannot write $1"
  }
}

printf '%s %s %s\n' "$greeting" "$$" "$(start_of $$)"
unset greeting
while IFS=' ' read -r token size length; do
  program=$(head -c "$size")
  head -c "$length" | {
    (eval "$program")
    code=$?
    cat >/dev/null
    printf '\n%s %s\n' "$token" "$code"
    printf '\n%s\n' "$token" >&2
  }
done
