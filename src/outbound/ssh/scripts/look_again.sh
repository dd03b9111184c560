folder=$1 name=$2 id=$3 seconds=$4 limit=$5
read -r begun 2>/dev/null <"$folder/runs/$name/id" || begun=
[ "$begun" = "$id" ] || { printf 'gone\n'; exit 0; }
