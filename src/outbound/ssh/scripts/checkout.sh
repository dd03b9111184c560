# checkout FOLDER EPOCH REPOSITORY DIRECTORY COMMIT LIFE CLONE: brings a checkout to a commit that the repository has: tracked
# files are reset, untracked ones stay. Where the commit must be pushed first, the repository to push it to is printed.
# With `clone`, a folder that the hook which made the machine cloned stays the repository that it is; else what stands in
# the checkout is never taken for one, since the code's own hooks may write there.
folder=$1 epoch=$2 repository=$3 directory=$4 commit=$5 life=$6 clone=$7
hold "$folder" "$epoch"
umask 022
command -v git >/dev/null || fail "$REFUSED" "git is needed: install it on the host"
if [ "$clone" = clone ] && [ -d "$directory/.git" ] && [ ! -L "$directory/.git" ]; then repository=$directory/.git; fi
mkdir -p -- "${repository%/*}" || fail "$BROKEN" "cannot make ${repository%/*}: is the disk full?"
lock_repository
if [ ! -e "$repository/HEAD" ]; then
  (umask 077 && attempt git init --quiet --bare --template= "$repository") || exit
fi
git --git-dir="$repository" cat-file -e "$commit^{commit}" 2>/dev/null || {
  printf '%s\n' "$repository"
  exit 0
}
attempt git --git-dir="$repository" update-ref "refs/previewbot/$life/$commit" "$commit"
if [ "$repository" = "$directory/.git" ]; then admin=$repository; else admin=$(admin_of "$directory"); fi
if [ -z "$admin" ]; then
  # It is made beside and its registration moved, so that files which a lost repository's checkout left stay.
  beside=$directory.previewbot-new
  rm -rf -- "$beside"
  stale=$(admin_of "$beside")
  [ -z "$stale" ] || rm -rf -- "$stale"
  mkdir -p -- "$directory" || fail "$BROKEN" "cannot make $directory: is the disk full?"
  attempt git --git-dir="$repository" worktree add --quiet --detach --no-checkout -- "$beside" "$commit"
  admin=$(admin_of "$beside")
  [ -n "$admin" ] || fail "$BROKEN" "cannot make the checkout $directory: git did not register it"
  printf '%s\n' "$directory/.git" >"$admin/gitdir" || fail "$BROKEN" "cannot write $admin: is the disk full?"
  rm -rf -- "$beside"
fi
exec 8>&-
# Left by a crash: nobody else works in this checkout.
rm -f -- "$admin/index.lock"
mkdir -p -- "$directory" && cd -- "$directory" || fail "$BROKEN" "cannot make $directory: is the disk full?"
attempt git --git-dir="$admin" --work-tree=. checkout --quiet --force --detach "$commit"
[ "$repository" != "$directory/.git" ] || exit 0
link="gitdir: $admin"
if [ -L .git ] || [ "$(cat .git 2>/dev/null)" != "$link" ]; then
  rm -f .git.previewbot-new
  (set -C && printf '%s\n' "$link" >.git.previewbot-new) && mv -fT .git.previewbot-new .git ||
    fail "$BROKEN" "cannot write $directory/.git"
fi
