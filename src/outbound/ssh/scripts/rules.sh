# look_at_rules: `rules yes` or `rules no`: whether what egress.sh set is as it was then. Nothing is said where nobody can
# tell, such as on a full disk or where an older egress.sh is. Only root may ask the kernel, and the account's one way to
# be root is a container: it has the host's programs to read, the host's network, and rights over that alone.
look_at_rules() {
  image=previewbot-nothing
  patient docker image inspect "$image" >/dev/null 2>&1 ||
    tar -c -T /dev/null | patient docker import - "$image" >/dev/null 2>&1 || return 0
  shown=
  # Names of protocols are part of the words of rules.
  for system in /usr /bin /sbin /lib /lib64 /etc/alternatives /etc/protocols; do
    [ ! -e "$system" ] || shown="$shown --mount type=bind,source=$system,target=$system,readonly"
  done
  said=$(patient docker run --rm --log-driver none --network host --read-only --tmpfs /run --cap-drop ALL \
    --cap-add NET_ADMIN --cap-add NET_RAW --security-opt no-new-privileges --pids-limit 64 --memory 64m $shown \
    --env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$image" /bin/sh /usr/local/lib/previewbot/egress.sh look) || return 0
  if [ "$said" = "$(cat /run/previewbot/egress.rules)" ]; then echo 'rules yes'; else echo 'rules no'; fi
} 2>/dev/null </dev/null
