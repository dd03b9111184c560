# take_over ROOT FOLDER EPOCH: from now on only this epoch, or a newer one, changes anything of the environment. Prints
# which boot of the machine this is, the numbers of the account and its group, and a line for every run whose result nobody collected: folder, exit code or `-`, whether it is supervised, its record.
root=$1 folder=$2 epoch=$3
case $root in /*) ;; *) fail "$REFUSED" "the root $root is not absolute" ;; esac
mkdir -p -- "$root" 2>/dev/null && [ -w "$root" ] ||
  fail "$REFUSED" "the account $(id -un) cannot write to $root: make the folder and give it to that account"
mkdir -p -- "$folder/runs" "$folder/home" "$folder/tmp" || fail "$BROKEN" "cannot make $folder: is the disk full?"
lock "$folder"
read -r stored 2>/dev/null <"$folder/epoch" || stored=
case $stored in
  "$epoch") ;;
  *)
    [ -z "$stored" ] || [ "$stored" -lt "$epoch" ] ||
      fail "$FENCED" "epoch $epoch no longer holds this environment: epoch $stored holds it"
    # On a full disk it is written over the one that is there, which is never longer and takes no room: whatever makes
    # room must be able to begin.
    { printf '%s\n' "$epoch" >"$folder/epoch.new" && { sync -d "$folder/epoch.new" 2>/dev/null || :; } &&
      mv -f "$folder/epoch.new" "$folder/epoch"; } 2>/dev/null ||
      { rm -f "$folder/epoch.new"; [ -n "$stored" ] && printf '%s\n' "$epoch" 1<>"$folder/epoch"; } ||
      fail "$BROKEN" "cannot write $folder/epoch: is the disk full?"
    ;;
esac
boot_of_machine
printf '%s:%s\n' "$(id -u)" "$(id -g)"
for record in "$folder"/runs/*/record; do
  run=${record%/record}
  [ -e "$record" ] && [ ! -e "$run/collected" ] || continue
  read -r code 2>/dev/null <"$run/state/exit" || code=-
  if supervised "$run"; then alive=1; else alive=0; fi
  printf '%s %s %s %s\n' "${run##*/}" "$code" "$alive" "$(head -n 1 "$record")"
done
