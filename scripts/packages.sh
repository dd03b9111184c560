# Sourced by the scripts beside it: Debian packages, installed only when something is missing.
# shellcheck shell=bash

log() { printf '[%s] %s\n' "$(basename "$0")" "$*" >&2; }
die() { log "error: $*"; exit 1; }

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@"; }

# need_packages PACKAGE...: installs what is not installed.
need_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  [ "$(id -u)" = 0 ] || die "missing packages: ${missing[*]} (run as root once, or install them yourself)"
  log "installing ${missing[*]}"
  apt_get update -qq >&2 || log "apt-get update reported errors; going on"
  apt_get install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# need_commands COMMAND:PACKAGE...: installs the package of each command that is not there.
need_commands() {
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  [ ${#missing[@]} -eq 0 ] || need_packages "${missing[@]}"
}

# need_programs PACKAGE...: the same for servers that tests start by themselves: none is to begin on this machine.
need_programs() {
  local policy=/usr/sbin/policy-rc.d ours='' status=0
  if [ "$(id -u)" = 0 ] && [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    ours=yes
  fi
  need_packages "$@" || status=$?
  [ -z "$ours" ] || rm -f "$policy"
  return "$status"
}

host_suite() { (. /etc/os-release && echo "${VERSION_CODENAME:?no Debian release}"); }

# Where this machine gets its own release from.
debian_mirror() {
  local mirror
  mirror=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v suite="$(host_suite)" '$1 == suite && $2 == "main" { print $3; exit }')
  # Images for clouds name a list of mirrors.
  case $mirror in mirror+file:*) mirror=$(awk '/^[^#]/ { print $1; exit }' "${mirror#mirror+file:}") ;; esac
  [ -n "$mirror" ] || die "no Debian mirror in the apt sources"
  echo "${mirror%/}"
}

# The engine and its command, which releases since trixie have in a package of its own.
docker_packages() { case $(host_suite) in bullseye | bookworm) echo docker.io ;; *) echo docker.io docker-cli ;; esac; }
