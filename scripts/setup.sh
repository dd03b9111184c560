#!/usr/bin/env bash
# Installs what building and testing need on a Debian machine, and starts what tests talk to. What is there already
# is left alone. Usage: setup.sh [build] [test] [deny]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/packages.sh
. "$here/packages.sh"

for part in "$@"; do
  case $part in
    build)
      need_commands cc:gcc make:make git:git ld:binutils
      command -v cargo >/dev/null || die "no Rust toolchain: install one from your distribution or with rustup"
      ;;
    test)
      need_commands git:git ssh:openssh-client flock:util-linux
      command -v nginx >/dev/null || need_programs nginx-light || log "no nginx: its tests are skipped"
      [ -x /usr/sbin/sshd ] || need_programs openssh-server
      "$here/postgres.sh" >/dev/null
      "$here/docker.sh"
      "$here/test-image.sh"
      "$here/host-image.sh"
      if [ -n "${CONTRACT_DIR:-}" ]; then
        need_commands python3:python3
        python3 -c 'import ensurepip, venv' 2>/dev/null || need_packages python3-venv
        "$here/contract-mock.sh" "$CONTRACT_DIR" "${CARGO_TARGET_DIR:-$here/../target}/contract-venv" >/dev/null
      fi
      ;;
    deny)
      command -v cargo-deny >/dev/null || {
        log "installing cargo-deny (some minutes)"
        CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$here/../target}/tools" cargo install --locked --quiet cargo-deny
      }
      ;;
    *) die "unknown part: $part" ;;
  esac
done
