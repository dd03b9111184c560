# end_marked FOLDER EPOCH NAME=VALUE CHAMBER: ends what bears the mark, and the container of the hooks where one is named and
# was ever made; prints the numbers of what cannot be ended.
hold "$1" "$2"
if [ -n "$4" ] && [ -d "$1/hooks" ]; then
  said=$(docker rm -f "$4" 2>&1 9>&-) || case $said in
    *"No such container"*) ;;
    *) fail "$BROKEN" "the container of the hooks cannot be removed: $said" ;;
  esac
fi
end_all "$3"
