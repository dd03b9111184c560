#!/usr/bin/env bash
# Makes the image that stands for a VM to put previews on: Debian with sshd, git, an own Docker engine, the Compose v2
# plugin and the unprivileged user `preview`. Nothing is pulled from a registry. Usage: host-image.sh [tag]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/packages.sh
. "$here/packages.sh"

tag=${1:-previewbot-test/host:local}
# An image of an older recipe is made again.
recipe=$(cat "$here/host-image.sh" "$here/host-boot.sh" | sha256sum | cut -c 1-16)
format='{{.Id}} {{index .Config.Labels "previewbot-test.recipe"}}'
read -r old old_recipe < <(docker image inspect -f "$format" "$tag" 2>/dev/null) || true
[ "${old_recipe:-}" != "$recipe" ] || exit 0
[ "$(id -u)" = 0 ] || die "the image $tag can only be made as root (run scripts/setup.sh test as root once)"
need_packages debootstrap

folder=$(mktemp -d)
trap 'rm -rf --one-file-system "$folder"' EXIT
root=$folder/root
log "making $tag (some minutes, once)"
debootstrap --variant=minbase \
  --include="$(docker_packages | tr ' ' ,),openssh-server,git,iptables,iproute2,ca-certificates,curl,procps" \
  "$(host_suite)" "$root" "$(debian_mirror)" >"$folder/log" 2>&1 || { tail -20 "$folder/log" >&2; die "debootstrap failed"; }

# useradd locks the password with "!", and sshd lets nobody into a locked account.
chroot "$root" useradd --create-home --shell /bin/bash --groups docker --password '*' preview
plugin=$(docker info -f '{{range .ClientInfo.Plugins}}{{if eq .Name "compose"}}{{.Path}}{{end}}{{end}}')
install -D -m 755 "$plugin" "$root/usr/libexec/docker/cli-plugins/docker-compose"
install -m 755 "$here/host-boot.sh" "$root/usr/local/sbin/host-boot"
rm -rf "$root"/etc/ssh/ssh_host_* "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* \
  "$root"/usr/share/{doc,man,info,locale}/*

# The engine's files lie on a volume, since overlayfs cannot lie on overlayfs.
tar -C "$root" --numeric-owner -c . | docker import -c 'CMD ["/usr/local/sbin/host-boot"]' \
  -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' -c 'EXPOSE 22' \
  -c 'VOLUME /var/lib/docker' -c "LABEL previewbot-test.recipe=$recipe" - "$tag" >/dev/null
# A container that still runs keeps the older one.
[ -z "${old:-}" ] || docker rmi "$old" >/dev/null 2>&1 || true
