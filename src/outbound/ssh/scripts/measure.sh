# measure: what environments use of this machine's disk. The input has a line `life checkout folder` for each. Printed are
# facts to be put together: folders in KiB, which containers, volumes and images bear whose label, and how large Docker
# says that these are. Everything is bounded in time, and makes way for all other work.
gentle='nice -n 19'
! ionice -c 3 true 2>/dev/null || gentle="ionice -c 3 $gentle"
while read -r life checkout folder; do
  kib=0
  for path in "$checkout" "$folder"; do
    [ -d "$path" ] || continue
    # What a container left as root cannot be read by all: du complains and counts the rest.
    said=$($gentle timeout 60 du -skx -- "$path" 2>/dev/null </dev/null)
    case $? in 124) said=- ;; esac
    said=$(printf '%s' "$said" | tail -n 1 | cut -f 1)
    case $said in
      -) kib=- ;;
      [0-9]*) [ "$kib" = - ] || kib=$((kib + said)) ;;
    esac
  done
  printf 'folders %s %s\n' "$life" "$kib"
  timeout 10 docker image ls --quiet --no-trunc --filter "label=previewbot.environment=$life" 2>/dev/null </dev/null |
    while read -r image; do printf 'image %s %s\n' "$life" "$image"; done
done
command -v docker >/dev/null || exit 0
timeout 10 docker ps --all --no-trunc --filter label=previewbot.environment \
  --format 'container {{.Label "previewbot.environment"}} {{.ID}} {{.Mounts}}' 2>/dev/null </dev/null
timeout 10 docker volume ls --filter label=previewbot.environment \
  --format 'volume {{.Label "previewbot.environment"}} {{.Name}}' 2>/dev/null </dev/null
said=$(timeout 90 docker system df --verbose --format '{{range .Containers}}size {{.ID}} {{.Size}}
{{end}}{{range .Volumes}}size {{.Name}} {{.Size}}
{{end}}{{range .Images}}size {{.ID}} {{.UniqueSize}}
{{end}}' 2>&1 </dev/null) || { printf 'unknown %s\n' "$(printf '%s' "$said" | tail -n 1)"; exit 0; }
printf '%s\n' "$said"
