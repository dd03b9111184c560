# write_files FOLDER EPOCH ROOT (PARENT NAME BYTES MODE)…: writes files beneath ROOT, or removes those of `-` bytes.
folder=$1 epoch=$2 root=$3
shift 3
hold "$folder" "$epoch"
while [ "$#" -gt 0 ]; do
  enter "$root" "$1"
  if [ "$3" = - ]; then
    rm -f -- "./$2" || fail "$REFUSED" "cannot remove $1/$2"
  else
    put "$2" "$3" "$4"
  fi
  shift 4
done
