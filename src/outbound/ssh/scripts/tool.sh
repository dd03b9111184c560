# tool DIRECTORY HOME PROGRAM ARGUMENT…: runs a program, which finds its variables exported.
directory=$1 home=$2
shift 2
umask 022
[ -z "$home" ] || {
  mkdir -p -- "$home"
  HOME=$home
  export HOME
}
cd -- "$directory" || fail "$REFUSED" "there is no folder $directory"
command -v "$1" >/dev/null || fail "$REFUSED" "cannot run \`$1\`: is it installed on the host?"
exec "$@"
