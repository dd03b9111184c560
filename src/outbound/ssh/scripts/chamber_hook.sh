# chamber_hook VARIABLE… SCRIPT: runs a hook's script, inside the container. Docker lets go of a command's outputs once the
# command has ended; tee does not, so that a daemon which the hook left behind does not die of its next word.
outputs=$(mktemp -d) && mkfifo "$outputs/1" "$outputs/2" || exit 125
(tee -p /dev/null <"$outputs/1" && : >"$outputs/1.read") 2>/dev/null &
(tee -p /dev/null <"$outputs/2" >&2 && : >"$outputs/2.read") 2>&2 &
(
  unset outputs HOSTNAME
  while [ "$#" -gt 1 ]; do
    eval "export $1=\"\$PREVIEWBOT_VALUE_$1\"; unset PREVIEWBOT_VALUE_$1"
    shift
  done
  exec /bin/sh "$1"
) </dev/null >"$outputs/1" 2>"$outputs/2" &
wait "$!"
code=$?
look=0
while [ "$look" -lt 20 ] && ! { [ -e "$outputs/1.read" ] && [ -e "$outputs/2.read" ]; }; do
  sleep 0.05
  look=$((look + 1))
done
rm -rf -- "$outputs"
exit "$code"
