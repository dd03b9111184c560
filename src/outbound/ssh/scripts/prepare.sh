# prepare USER ROOT EGRESS RESTART KEY: makes this machine a host for previews. EGRESS is `public` or `none`, rules that
# keep previews from private networks or from everything outside, or `-`; RESTART is `yes` where docker may be restarted
# although containers run; KEY is the public key that may log in as USER, or empty. Needs root. Safe to run again: what
# is as it should be stays untouched. It prints what was done, and what remains to be done by somebody who knows better.
set -eu
umask 022
LC_ALL=C
export LC_ALL

DAEMON=/etc/docker/daemon.json
LIBRARY=/usr/local/lib/previewbot

# Ranges for Docker's networks, the first that nothing on this machine leads to yet; each gives 4,096 networks.
RANGES="10.208.0.0/12 10.192.0.0/12 10.176.0.0/12 10.160.0.0/12 10.144.0.0/12 172.16.0.0/12"

refuse() {
  printf '%s\n' "$*" >&2
  exit 1
}
done_now() { printf 'done: %s\n' "$*"; }
is_so() { printf 'kept: %s\n' "$*"; }
remains() { printf 'TO DO: %s\n' "$*"; }
has() { command -v "$1" >/dev/null 2>&1; }

need_programs() {
  missing=
  for program in git docker setsid flock runuser useradd; do has "$program" || missing="$missing $program"; done
  [ "$egress" = - ] || for program in iptables ip6tables ip; do has "$program" || missing="$missing $program"; done
  [ -z "$missing" ] || refuse "install first, and then run this again:$missing
(Debian: apt-get install git docker.io docker-compose-plugin util-linux iptables iproute2)"
  getent group docker >/dev/null || refuse "there is no group docker: install Docker from a package of the distribution"
}

make_account() {
  if id -u -- "$user" >/dev/null 2>&1; then
    is_so "the account $user"
  else
    shell=/bin/sh
    [ ! -x /bin/bash ] || shell=/bin/bash
    # A password that nobody can have: with none at all the account would be locked, and sshd lets nobody into that.
    useradd --create-home --shell "$shell" --password '*' -- "$user"
    done_now "the account $user"
  fi
  if id -nG -- "$user" | tr ' ' '\n' | grep -qxF docker; then
    is_so "$user is in the group docker"
  else
    usermod --append --groups docker -- "$user"
    done_now "$user is in the group docker from its next login on: restart a bot that is logged in"
  fi
}

# As the account itself: nothing in its home may lead root elsewhere.
let_in() {
  [ -n "$key" ] || return 0
  said=$(runuser -u "$user" -- sh -c '
    cd && umask 077 && mkdir -p .ssh && touch .ssh/authorized_keys || exit
    if grep -qF -e "$1" .ssh/authorized_keys; then echo kept; exit; fi
    [ -z "$(tail -c 1 .ssh/authorized_keys)" ] || echo >>.ssh/authorized_keys
    printf "%s previewbot\n" "$1" >>.ssh/authorized_keys
    echo added' sh "$key") || refuse "cannot write to .ssh/authorized_keys of $user"
  case $said in
    kept) is_so "the bot's key may log in as $user" ;;
    *) done_now "the bot's key may log in as $user" ;;
  esac
}

make_root() {
  if [ -d "$root" ] && runuser -u "$user" -- test -w "$root"; then
    is_so "the folder $root"
    return 0
  fi
  [ ! -e "$root" ] || [ -d "$root" ] || refuse "$root is no folder: name another root in the settings"
  install -d -m 755 -o "$user" -g "$(id -gn -- "$user")" -- "$root"
  done_now "the folder $root belongs to $user"
}

# number A.B.C.D
number() {
  old=$IFS
  IFS=.
  # shellcheck disable=SC2086
  set -- $1
  IFS=$old
  echo "$((($1 << 24) + (${2:-0} << 16) + (${3:-0} << 8) + ${4:-0}))"
}

# overlap A/N B/M: whether two networks have an address in common.
overlap() {
  one=${1#*/} other=${2#*/}
  case $1 in */*) ;; *) one=32 ;; esac
  case $2 in */*) ;; *) other=32 ;; esac
  least=$one
  [ "$other" -ge "$least" ] || least=$other
  [ "$(($(number "${1%/*}") >> (32 - least)))" = "$(($(number "${2%/*}") >> (32 - least)))" ]
}

# The first range that no route leads to; those of Docker's own bridges do not count.
free_range() {
  routes=$(ip -4 route show table all 2>/dev/null | while read -r to rest; do
    case $to in local | broadcast | unreachable | blackhole | prohibit) to=${rest%% *} ;; esac
    case " $rest " in *" dev docker"* | *" dev br-"* | *" dev lo "*) continue ;; esac
    case $to in [0-9]*) printf '%s\n' "$to" ;; esac
  done)
  for range in $RANGES; do
    taken=
    for route in $routes; do
      if overlap "$range" "$route"; then taken=$route; fi
    done
    if [ -z "$taken" ]; then
      printf '%s\n' "$range"
      return 0
    fi
  done
  return 1
}

# merged KEY VALUE: the daemon's configuration with a setting in it, by whatever here can be trusted with JSON.
merged() {
  if [ ! -s "$DAEMON" ]; then
    printf '{\n  "%s": %s\n}\n' "$1" "$2"
  elif has jq; then
    jq --arg key "$1" --argjson value "$2" '. + { ($key): $value }' "$DAEMON"
  elif has python3; then
    python3 -c 'import json, sys
settings = json.load(open(sys.argv[3]))
settings[sys.argv[1]] = json.loads(sys.argv[2])
print(json.dumps(settings, indent=2))' "$1" "$2" "$DAEMON"
  elif has perl && perl -MJSON::PP -e 1 2>/dev/null; then
    perl -MJSON::PP -0777 -e 'my ($key, $value, $file) = @ARGV;
open(my $in, "<", $file) or die "$file: $!\n";
my $settings = decode_json(<$in>);
$settings->{$key} = JSON::PP->new->allow_nonref->decode($value);
print JSON::PP->new->pretty->canonical->encode($settings);' "$1" "$2" "$DAEMON"
  else
    return 3
  fi
}

# configure KEY VALUE WHAT: gives Docker a setting that it has not yet.
configure() {
  code=0
  mkdir -p "${DAEMON%/*}"
  (merged "$1" "$2" >"$DAEMON.new") || code=$?
  if [ "$code" != 0 ] || [ ! -s "$DAEMON.new" ]; then
    rm -f "$DAEMON.new"
    failed=yes
    remains "$DAEMON has other settings, and there is no jq, python3 or perl here to add to them safely: add this line
  \"$1\": $2"
    return 0
  fi
  if dockerd --help 2>/dev/null | grep -qF -e --validate && ! dockerd --validate --config-file "$DAEMON.new" 2>&1; then
    rm -f "$DAEMON.new"
    refuse "docker does not take its settings with $3: $DAEMON is as it was"
  fi
  if [ -e "$DAEMON" ]; then
    chmod --reference="$DAEMON" "$DAEMON.new"
    # As it was before all of this, not before its last part.
    [ -n "$kept" ] || cp -p "$DAEMON" "$DAEMON.before-previewbot"
  fi
  kept=yes
  mv -f "$DAEMON.new" "$DAEMON"
  done_now "$3 in $DAEMON"
}

widen_pools() {
  if [ -s "$DAEMON" ] && grep -qF '"default-address-pools"' "$DAEMON"; then
    is_so "address pools for Docker's networks in $DAEMON"
    return 0
  fi
  range=$(free_range) || {
    remains "every range for Docker's networks is in use here: set default-address-pools in $DAEMON yourself"
    return 0
  }
  configure default-address-pools "[{ \"base\": \"$range\", \"size\": 24 }]" "address pools for Docker's networks ($range)"
}

# Docker keeps containers and the steps of builds below one control group; which is the operator's to say.
choose_group() {
  [ "$egress" != - ] || return 0
  group=$(sed -n 's/.*"cgroup-parent"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' "$DAEMON" 2>/dev/null | head -n 1)
  if [ -n "$group" ]; then
    is_so "the control group $group for Docker's containers and builds in $DAEMON"
    return 0
  fi
  case $(docker info --format '{{.CgroupDriver}}' 2>/dev/null) in
    systemd) group=previewbot.slice ;;
    *) group=/previewbot ;;
  esac
  configure cgroup-parent "\"$group\"" "the control group $group for Docker's containers and builds"
}

# Docker reads its settings when it begins, and writes its number then.
restart_docker() {
  pools=$(docker info --format '{{json .DefaultAddressPools}}' 2>/dev/null) || pools=
  case $pools in
    *'"Base"'*)
      [ "$DAEMON" -nt /run/docker.pid ] || return 0
      what='new settings'
      ;;
    *)
      [ -s "$DAEMON" ] && grep -qF '"default-address-pools"' "$DAEMON" || return 0
      what='new address pools'
      ;;
  esac
  running=$(docker ps --quiet 2>/dev/null | wc -l)
  if [ "$running" != 0 ] && [ "$restart" != yes ]; then
    remains "restart docker for its $what, which ends $running containers for a moment: run this again with --restart-docker"
  elif [ ! -d /run/systemd/system ]; then
    remains "restart docker for its $what: there is no systemd here to ask"
  elif systemctl restart docker; then
    done_now "docker was restarted for its $what"
  else
    if [ -e "$DAEMON.before-previewbot" ]; then mv -f "$DAEMON.before-previewbot" "$DAEMON"; else rm -f "$DAEMON"; fi
    systemctl restart docker || :
    refuse "docker did not start with its $what: $DAEMON is as it was"
  fi
}

# replace FILE MODE: writes what it reads, where that differs; whether it did.
replace() {
  cat >"$1.new"
  chmod "$2" "$1.new"
  if cmp -s "$1.new" "$1"; then
    rm -f "$1.new"
    return 1
  fi
  mv -f "$1.new" "$1"
}

# at_boot NAME WHAT ORDER COMMAND…: lets systemd run a script of ours now and at every boot, before docker: containers
# that it starts again at boot are never without. Where there is no systemd, it runs now, and somebody must see to boots.
at_boot() {
  name=$1 what=$2 order=$3
  shift 3
  if [ -d /run/systemd/system ]; then
    replace "/etc/systemd/system/$name.service" 644 <<UNIT || :
[Unit]
Description=$what
${order}Before=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh $*

[Install]
WantedBy=multi-user.target docker.service
UNIT
    systemctl daemon-reload
    systemctl --quiet enable "$name.service"
    systemctl restart "$name.service" || refuse "$what cannot be set: see journalctl -u $name"
  else
    sh "$@" || refuse "$what cannot be set"
    remains "there is no systemd here: let every boot run this before docker starts: sh $*"
  fi
}

confine() {
  [ "$egress" != - ] || return 0
  mkdir -p "$LIBRARY"
  egress_script | replace "$LIBRARY/egress.sh" 755 || :
  at_boot previewbot-egress "where previews may open connections to" "Wants=network-online.target
After=network-online.target
" "$LIBRARY/egress.sh" "$user" "$egress"
  done_now "previews may open connections to: $egress"
  [ -n "$group" ] || return 0
  limits_script | replace "$LIBRARY/limits.sh" 755 || :
  at_boot previewbot-limits "what previews and builds may take together" "" "$LIBRARY/limits.sh" "$group"
  is_so "bounds for previews and builds together, in the control group $group"
}

prepare() {
  user=$1 root=$2 egress=$3 restart=$4 key=$5
  failed= kept= group=
  [ "$(id -u)" = 0 ] || refuse "this needs root"
  need_programs
  make_account
  let_in
  make_root
  widen_pools
  choose_group
  restart_docker
  confine
  [ -z "$failed" ] || exit 1
}

# Whole, before anything of it runs; and none of its programs reads on where the shell reads it from.
prepare "$@" </dev/null
