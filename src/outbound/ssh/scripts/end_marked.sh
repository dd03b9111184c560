# end_marked FOLDER EPOCH NAME=VALUE: ends what bears the mark; prints the numbers of what cannot be ended.
hold "$1" "$2"
end_all "$3"
