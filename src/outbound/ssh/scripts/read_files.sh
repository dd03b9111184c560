# read_files LIMIT PATH…: before each file a line with its size, or `-` where there is none.
limit=$1
shift
for path; do
  if [ ! -e "$path" ]; then
    printf -- '-\n'
    continue
  fi
  [ -f "$path" ] || fail "$REFUSED" "$path is no regular file"
  size=$(stat -L -c %s -- "$path")
  [ "$size" -le "$limit" ] || fail "$REFUSED" "$path is larger than $limit bytes"
  printf '%s\n' "$size"
  head -c "$size" -- "$path" || fail "$BROKEN" "cannot read $path"
done
