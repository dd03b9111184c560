# begin FOLDER EPOCH NAME ID DIRECTORY LIFE BYTES-OF-RECORD BYTES-OF-SCRIPT SUPERVISOR: starts a hook under the
# supervisor; behind record and script, the input has the lines that set its variables. Asked again with the same id, it
# goes on with the run that was begun.
folder=$1 epoch=$2 name=$3 id=$4 directory=$5 life=$6 record=$7 script=$8 supervisor=$9
seconds=${10} limit=${11}
hold "$folder" "$epoch"
run=$folder/runs/$name
read -r begun 2>/dev/null <"$run/id" || begun=
if [ "$begun" != "$id" ] || [ ! -e "$run/state/process" ]; then
  [ -d "$directory" ] || fail "$REFUSED" "its folder $directory is missing"
  rm -rf -- "$run" && mkdir -p -- "$run/state" && cd -- "$run" || fail "$BROKEN" "cannot make $run: is the disk full?"
  head -c "$record" >record.new && head -c "$script" >script && cat >environment && : >stdout && : >stderr &&
    printf '%s\n' "$id" >id && [ "$(stat -c %s script)" = "$script" ] && mv record.new record ||
    fail "$BROKEN" "cannot write to $run: is the disk full?"
  cd -- "$directory" || fail "$REFUSED" "its folder $directory cannot be entered"
  # The variables come from a file: what stands on a command line, everybody on the host can read.
  launch='run=$1
. "$run/environment"
umask 022
rm -f "$run/environment"
PREVIEWBOT_SUPERVISOR=$run
'$supervisor
  setsid env -i PATH="$PATH" LANG="${LANG:-C.UTF-8}" PREVIEWBOT_RUN="$id" PREVIEWCTL_ENVIRONMENT_ID="$life" \
    /bin/sh -c "$launch" previewbot-supervisor "$run" </dev/null >>"$run/stdout" 2>>"$run/stderr" 9>&- &
  while [ ! -e "$run/state/process" ] && kill -s 0 "$!" 2>/dev/null; do sleep 0.01; done
  [ -e "$run/state/process" ] || fail "$BROKEN" "it cannot be started: $(tail -n 3 "$run/stderr")"
fi
exec 9>&-
