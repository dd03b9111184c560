# still FOLDER EPOCH LABEL pause|unpause: what bears the label, the container of the hooks and services that may write to the
# checkout, stands still, or goes on.
hold "$1" "$2"
[ -d "$1/hooks" ] || [ -e "$1/application.json" ] || exit 0
if [ "$4" = pause ]; then state=running; else state=paused; fi
found=$(docker ps --quiet --filter "label=$3" --filter "status=$state" 2>&1 9>&-) ||
  fail "$BROKEN" "the preview's containers cannot be found: $found"
for container in $found; do
  said=$(docker "$4" "$container" 2>&1 9>&-) || case $said in
    *"No such container"* | *"is not running"* | *"already paused"* | *"is not paused"*) ;;
    *) fail "$BROKEN" "a container of the preview cannot be made to $4: $said" ;;
  esac
done
