# Looks at a run (`folder`, `name`, `id`) until it has ended, `seconds` have passed, or it printed more than `limit`
# bytes. Prints how it is; of one that ended, also the ends of its outputs.
run=$folder/runs/$name
began=$(date +%s)
look=0
size() { stat -c %s -- "$run/$1" 2>/dev/null || printf '0\n'; }
ended() {
  read -r code 2>/dev/null <"$run/state/exit" || return 1
  length=$(size stdout)
  [ "$length" -le 1048577 ] || length=1048577
  printf 'exit %s\n%s\n' "$code" "$length"
  # A daemon that was left behind may print on: no more than was said is handed over.
  tail -c "$length" -- "$run/stdout" | head -c "$length"
  tail -c 16385 -- "$run/stderr"
  exit 0
}
while :; do
  ended
  if ! supervised "$run"; then
    ended
    printf 'gone\n'
    exit 0
  fi
  if [ "$((look % 10))" = 0 ]; then
    [ "$(($(size stdout) + $(size stderr)))" -le "$limit" ] || { printf 'large\n'; exit 0; }
    [ "$(($(date +%s) - began))" -lt "$seconds" ] || { printf 'running\n'; exit 0; }
  fi
  look=$((look + 1))
  if [ "$look" -le 10 ]; then sleep 0.02; else sleep 0.1; fi
done
