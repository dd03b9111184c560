# remove_checkout FOLDER EPOCH REPOSITORY DIRECTORY LIFE: removes a checkout, takes it off the repository's list and lets go
# of its commits. A repository that no checkout uses any more goes too.
folder=$1 epoch=$2 repository=$3 directory=$4 life=$5
hold "$folder" "$epoch"
remove_all "$directory"
[ -e "$repository/HEAD" ] || exit 0
lock_repository
admin=$(admin_of "$directory")
[ -z "$admin" ] || rm -rf -- "$admin"
git --git-dir="$repository" for-each-ref --format='delete %(refname)' "refs/previewbot/$life/" |
  git --git-dir="$repository" update-ref --stdin || fail "$BROKEN" "cannot let go of the commits in $repository"
for entry in "$repository"/worktrees/*; do
  [ ! -e "$entry" ] || exit 0
done
[ -z "$(git --git-dir="$repository" for-each-ref --count=1 refs/previewbot/)" ] || exit 0
rm -rf -- "$repository" "$repository.lock"
rmdir -- "${repository%/*}" 2>/dev/null || :
