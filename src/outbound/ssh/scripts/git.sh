# admin_of DIRECTORY: the folder in the repository that belongs to a checkout. The repository's own list counts, never
# the file in the checkout, which a hook may have written.
admin_of() {
  for entry in "$repository"/worktrees/*/gitdir; do
    read -r link 2>/dev/null <"$entry" || continue
    [ "$link" != "$1/.git" ] || printf '%s\n' "${entry%/gitdir}"
  done
}

# lock_repository: one at a time changes the list of worktrees.
lock_repository() {
  exec 8>>"$repository.lock" || fail "$BROKEN" "cannot write $repository.lock"
  flock 8
}

attempt() {
  said=$("$@" 2>&1 8>&- 9>&-) || fail "$BROKEN" "$said"
}
