# write_private FOLDER EPOCH PARENT NAME BYTES: a file that nobody else may read.
hold "$1" "$2"
cd -- "$3" || fail "$BROKEN" "there is no folder $3"
[ ! -f "./$4" ] || chmod 600 -- "./$4"
put "$4" "$5" 600
