# collect FOLDER EPOCH NAME KEPT BYTES-OF-STDOUT BYTES-OF-STDERR: a run's result was handed on. Its outputs are cut to
# KEPT bytes, head and end; where there is something to hide, the input has what to keep of them instead.
folder=$1 epoch=$2 name=$3 kept=$4 out=$5 err=$6
hold "$folder" "$epoch"
cd -- "$folder/runs/$name" || fail "$MISSING" "nothing is known of the run"
half=$((kept / 2))
for output in stdout stderr; do
  size=$(stat -c %s "$output")
  # Asked again, it finds them cut.
  [ "$size" -gt "$kept" ] && [ ! -e collected ] || continue
  # In place: a daemon that still writes to the file goes on behind it.
  tail -c "$half" "$output" >end && truncate -s "$half" "$output" &&
    printf '\n[%s bytes left out]\n' "$((size - kept))" >>"$output" && cat end >>"$output"
  rm -f end
done
if [ "$out" != - ]; then
  head -c "$out" >masked && cat masked >stdout && head -c "$err" >masked && cat masked >stderr
  rm -f masked
fi
: >collected
