# end_runs FOLDER EPOCH NAME…: ends runs and all that they started; prints the numbers of what cannot be ended.
folder=$1 epoch=$2
shift 2
hold "$folder" "$epoch"
for name; do
  run=$folder/runs/$name
  read -r id 2>/dev/null <"$run/id" || continue
  # A group is believed only while its leader is ours: numbers are given out again.
  if supervised "$run"; then group=$pid; else group=; fi
  end_all "PREVIEWBOT_RUN=$id" "$group"
done
