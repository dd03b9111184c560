# read_beneath ROOT LIMIT (PARENT NAME)…: regular files beneath ROOT: before each a line with its size, or `-` where there
# is none.
root=$1 limit=$2
shift 2
read_one() {
  enter "$root" "$1" look || exit "$MISSING"
  leads_in "$2" || fail "$REFUSED" "path $1/$2 leaves $root, or has links in a circle"
  [ -e "./$2" ] || exit "$MISSING"
  [ -f "./$2" ] || fail "$REFUSED" "$1/$2 is no regular file"
  size=$(stat -L -c %s -- "./$2")
  [ "$size" -le "$limit" ] || fail "$REFUSED" "$1/$2 is larger than $limit bytes"
  # One that cannot be read is told of before its size is.
  exec 7<"./$2" || fail "$REFUSED" "$1/$2 cannot be read"
  printf '%s\n' "$size"
  head -c "$size" <&7
}
while [ "$#" -gt 0 ]; do
  (read_one "$1" "$2") || {
    code=$?
    [ "$code" = "$MISSING" ] || exit "$code"
    printf -- '-\n'
  }
  shift 2
done
