# Runs one hook and leaves behind what is needed to find, adopt or kill it after any crash of whoever started it.
# Started as leader of its own process group, in the hook's directory, with the hook's environment and outputs.
# PREVIEWBOT_SUPERVISOR names the run's folder; below it: script (read), state/process and state/exit (written).
run=$PREVIEWBOT_SUPERVISOR
unset PREVIEWBOT_SUPERVISOR

read -r stat </proc/$$/stat || exit 125
# Field 22 is the start time; counting begins behind the name in brackets, which may hold anything.
set -- ${stat##*) }
start=${20}
read -r boot </proc/sys/kernel/random/boot_id || exit 125

# The record stands before the hook begins: a run without one has not begun.
(umask 077 && printf '%s %s %s\n' "$$" "$start" "$boot" >"$run/state/process.new") || exit 125
mv -f "$run/state/process.new" "$run/state/process" || exit 125

# A handler, not "ignore", which the hook would inherit: the group is told to end, and how the hook ended is still recorded.
trap : TERM INT HUP

# Only the hook's own process is waited for: a daemon that it leaves behind does not hold the step up.
/bin/sh "$run/script" </dev/null &
hook=$!
while :; do
    wait "$hook"
    code=$?
    kill -0 "$hook" 2>/dev/null || break
done

(umask 077 && printf '%s\n' "$code" >"$run/state/exit.new") || exit 125
mv -f "$run/state/exit.new" "$run/state/exit" || exit 125
exit 0
