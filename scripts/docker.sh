#!/usr/bin/env bash
# Makes a Docker engine with the Compose v2 plugin available: installs both from Debian's packages where they are
# missing and starts the daemon. Never touches a daemon that answers.
set -euo pipefail
# shellcheck source=scripts/packages.sh
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/packages.sh"

engine_answers() { docker info >/dev/null 2>&1; }
compose_answers() { docker compose version >/dev/null 2>&1; }

engine_answers && compose_answers && exit 0
[ "$(id -u)" = 0 ] || die "the tests need Docker with the Compose v2 plugin (run as root once, or install it yourself)"
# shellcheck disable=SC2046 # several words on purpose
need_packages $(docker_packages) iptables ca-certificates

# A release whose own docker-compose package is still version 1 gets the plugin out of a newer release's package;
# nothing else of that release is installed.
take_plugin_from_newer_release() {
  local suite=trixie mirror folder
  need_packages debian-archive-keyring
  mirror=$(debian_mirror)
  if ! apt-get indextargets --format '$(CODENAME)' 'Created-By: Packages' | grep -qx "$suite"; then
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$suite" \
      >"/etc/apt/sources.list.d/$suite.list"
  fi
  printf 'Package: *\nPin: release n=%s\nPin-Priority: 50\n' "$suite" >"/etc/apt/preferences.d/$suite"
  apt_get update -qq >&2
  folder=$(mktemp -d)
  chmod 755 "$folder"
  (cd "$folder" && apt_get download -qq "docker-compose/$suite" >/dev/null && dpkg-deb -x docker-compose_*.deb files)
  install -D -m 755 "$(find "$folder/files" -path '*cli-plugins/docker-compose' -type f)" \
    /usr/libexec/docker/cli-plugins/docker-compose
  rm -rf "$folder"
}

compose_answers || take_plugin_from_newer_release
compose_answers || die "the Compose plugin does not run"

if ! engine_answers; then
  log "starting the Docker engine"
  setsid nohup dockerd >"${TMPDIR:-/tmp}/dockerd.log" 2>&1 </dev/null &
  for _ in $(seq 120); do
    engine_answers && break
    sleep 0.25
  done
  engine_answers || { tail -20 "${TMPDIR:-/tmp}/dockerd.log" >&2; die "the Docker engine did not come up"; }
fi
