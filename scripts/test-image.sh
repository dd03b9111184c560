#!/usr/bin/env bash
# Makes the image that tests run in containers, from nothing but Debian's static busybox: previewbot-test/busybox:local.
set -euo pipefail
# shellcheck source=scripts/packages.sh
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/packages.sh"

tag=previewbot-test/busybox:local
docker image inspect "$tag" >/dev/null 2>&1 && exit 0
need_packages busybox-static
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder"/{bin,tmp,www}
# Where merged, /bin is /usr/bin.
cp "$(dpkg -L busybox-static | grep -m1 'bin/busybox$')" "$folder/bin/busybox"
for applet in sh cat echo false httpd ls nc sleep test touch true wget; do ln -s busybox "$folder/bin/$applet"; done
echo "hello from a container" >"$folder/www/index.html"
tar -C "$folder" -c . | docker import -c 'CMD ["httpd","-f","-p","80","-h","/www"]' -c 'ENV PATH=/bin' - "$tag" >/dev/null
