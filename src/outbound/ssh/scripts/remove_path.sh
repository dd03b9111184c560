# remove_path FOLDER EPOCH PATH
hold "$1" "$2"
remove_all "$3"
