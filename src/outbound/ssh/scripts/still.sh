# still FOLDER EPOCH CHAMBER pause|unpause: what hooks left running in their container stands still, or goes on.
hold "$1" "$2"
[ -d "$1/hooks" ] || exit 0
said=$(docker "$4" "$3" 2>&1 9>&-) || case $said in
  *"No such container"* | *"is not running"* | *"already paused"* | *"is not paused"*) ;;
  *) fail "$BROKEN" "the container of the hooks cannot be made to $4: $said" ;;
esac
