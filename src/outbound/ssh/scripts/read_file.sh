# read_file ROOT PARENT NAME LIMIT: a regular file beneath ROOT.
enter "$1" "$2" look || exit "$MISSING"
leads_in "$3" || fail "$REFUSED" "path $2/$3 leaves $1, or has links in a circle"
[ -e "./$3" ] || exit "$MISSING"
[ -f "./$3" ] || fail "$REFUSED" "$2/$3 is no regular file"
[ "$(stat -L -c %s -- "./$3")" -le "$4" ] || fail "$REFUSED" "$2/$3 is larger than $4 bytes"
cat -- "./$3"
