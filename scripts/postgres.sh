#!/usr/bin/env bash
# Starts a private PostgreSQL for tests, on a Unix socket only and without durability, and prints the URL of its first
# database. What runs already is left alone. Usage: postgres.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/packages.sh
. "$here/packages.sh"

folder=${PREVIEWBOT_TEST_POSTGRES:-/tmp/previewbot-test-postgres-$(id -u)}
programs() { find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1; }

if [ -z "$(programs)" ]; then
  # The package would make and start a cluster of its own.
  mkdir -p /etc/postgresql-common/createcluster.d
  echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/no-main.conf
  need_packages postgresql >&2
fi
bin=$(programs)
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
if [ "$(id -u)" = 0 ]; then
  chown postgres "$folder"
  as_owner() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }
else
  as_owner() { "$@"; }
fi
cd "$folder"
if [ ! -s data/PG_VERSION ]; then
  as_owner "$bin/initdb" -D data -U postgres -A trust -E UTF8 --no-locale --no-sync >initdb.log 2>&1 || { cat initdb.log >&2; exit 1; }
fi
if ! as_owner "$bin/pg_ctl" -D data status >/dev/null 2>&1; then
  options="-k $folder -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=300"
  # The server must not hold the lock that this script ends with.
  as_owner "$bin/pg_ctl" -D data -l log -w -o "$options" start >/dev/null 9>&- || { tail log >&2; exit 1; }
fi
echo "postgres:///postgres?host=$folder&user=postgres"
