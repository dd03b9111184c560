# supervised RUN: whether the run's supervisor lives: number, start time, boot and mark agree. Leaves its number in `pid`.
supervised() {
  read -r pid start boot 2>/dev/null <"$1/state/process" || return 1
  read -r now </proc/sys/kernel/random/boot_id
  read -r id 2>/dev/null <"$1/id" || return 1
  [ "$boot" = "$now" ] && [ "$(start_of "$pid")" = "$start" ] &&
    grep -qzxF -- "PREVIEWBOT_RUN=$id" "/proc/$pid/environ" 2>/dev/null
}
