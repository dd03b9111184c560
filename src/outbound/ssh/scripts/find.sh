# find ROOT PATH…: where paths from ROOT lead: a letter each, and of a file also its real path, ended by a NUL.
cd -P -- "$1" 2>/dev/null || fail "$BROKEN" "there is no folder $1"
top=$(pwd -P)
shift
for path; do
  real=$(readlink -f -- "./$path" && printf .)
  real=${real%??}
  if [ ! -e "./$path" ]; then printf 'm'
  elif ! inside "$real"; then printf 'o'
  elif [ -f "$real" ]; then printf 'f%s' "$real"
  else printf 'x'
  fi
  printf '\0'
done
