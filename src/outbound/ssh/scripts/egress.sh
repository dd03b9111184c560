#!/bin/sh
# egress.sh USER public|none: where previews of this machine may open connections to. Containers and processes of USER
# reach no private network, no metadata service and not this machine itself; with `none` they reach nothing outside at
# all. Safe to run again: rules are replaced as a whole. Needs root, iptables and ip6tables.
# egress.sh look: the rules as the kernel has them now, in the words in which they were written down once they were set.
set -eu
CHAINS="FORWARD INPUT OUTPUT CONTAINER HOOK JUDGE REJECT"
mark=/run/previewbot/egress

PRIVATE_4="0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.168.0.0/16
  198.18.0.0/15 224.0.0.0/4 240.0.0.0/4"
PRIVATE_6="::/128 ::1/128 ::ffff:0:0/96 64:ff9b::/96 fc00::/7 fe80::/10 ff00::/8"

# Those that this machine asks for names; Docker asks them on behalf of its containers, from within their networks.
resolvers() {
  cat /etc/resolv.conf /run/systemd/resolve/resolv.conf 2>/dev/null |
    while read -r word address rest; do
      case $word:$address in nameserver:127.* | nameserver:::1 | nameserver:*%*) ;; nameserver:*) echo "$address" ;; esac
    done | sort -u
}

# Where the rest of the world is. It may be a bridge of a name like those of Docker.
ways_out() {
  { ip -4 route show default; ip -6 route show default; } 2>/dev/null |
    while read -r line; do
      case $line in *" dev "*) line=${line#* dev }; echo "${line%% *}" ;; esac
    done | sort -u
}

# rules 4|6: our chains, for iptables-restore.
rules() {
  if [ "$1" = 4 ]; then private=$PRIVATE_4; else private=$PRIVATE_6; fi
  echo '*filter'
  for chain in $CHAINS; do echo ":PREVIEWBOT-$chain - [0:0]"; done
  add() { echo "-A PREVIEWBOT-$*"; }
  for chain in FORWARD INPUT OUTPUT; do add $chain -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN; done
  # Frames between containers of one network come by here, too, where bridges call iptables.
  add FORWARD -m physdev --physdev-is-bridged -j RETURN
  from_containers() {
    add FORWARD "$@" -j PREVIEWBOT-JUDGE
    add INPUT "$@" -j PREVIEWBOT-CONTAINER
  }
  # A network may call its bridge what it likes; what its containers are connected by is always called so.
  from_containers -m physdev --physdev-in veth+
  for way in $(ways_out); do
    for chain in FORWARD INPUT; do add $chain -i "$way" -j RETURN; done
  done
  for bridge in docker+ br-+; do from_containers -i "$bridge"; done
  # Asking for a neighbour's address is what a network consists of.
  [ "$1" = 4 ] || for type in 133 134 135 136; do add CONTAINER -p icmpv6 --icmpv6-type "$type" -j RETURN; done
  [ "$mode" = none ] || for resolver in $(resolvers); do
    case $resolver in *:*) version=6 ;; *) version=4 ;; esac
    [ "$version" = "$1" ] || continue
    for protocol in udp tcp; do
      for chain in CONTAINER JUDGE; do add $chain -d "$resolver" -p "$protocol" --dport 53 -j RETURN; done
    done
  done
  add CONTAINER -j PREVIEWBOT-REJECT
  add OUTPUT -m owner --uid-owner "$(id -u -- "$user")" -j PREVIEWBOT-HOOK
  add HOOK -o lo -j RETURN
  # A published port of this machine.
  add HOOK -m conntrack --ctstate DNAT -j RETURN
  add HOOK -j PREVIEWBOT-JUDGE
  case $mode in
    none) add JUDGE -j PREVIEWBOT-REJECT ;;
    public) for network in $private; do add JUDGE -d "$network" -j PREVIEWBOT-REJECT; done ;;
  esac
  add REJECT -p tcp -j REJECT --reject-with tcp-reset
  add REJECT -j REJECT
  echo COMMIT
}

# calls_first TABLES CHAIN OURS: lets a chain begin with a jump to ours. What others put before it meanwhile comes behind;
# a jump that stood there is removed only once the new one holds.
calls_first() {
  [ "$("$1" -w -S "$2" | sed -n 2p)" != "-A $2 -j $3" ] || return 0
  "$1" -w -I "$2" 1 -j "$3"
  # The first line names the chain, the second is the new jump.
  for line in $("$1" -w -S "$2" | grep -nFx -e "-A $2 -j $3" | cut -d : -f 1 | sort -rn); do
    [ "$line" -le 2 ] || "$1" -w -D "$2" "$((line - 1))"
  done
}

apply() {
  tables=$1
  rules "$2" | "$tables-restore" -w --noflush
  # Docker keeps this chain in front of its own and leaves alone what is in it; it is made where Docker is yet to start.
  "$tables" -w -n -L DOCKER-USER >/dev/null 2>&1 || [ "$2" = 6 ] || "$tables" -w -N DOCKER-USER
  ! "$tables" -w -n -L DOCKER-USER >/dev/null 2>&1 || calls_first "$tables" DOCKER-USER PREVIEWBOT-FORWARD
  [ "$("$tables" -w -S FORWARD | sed -n 2p)" = "-A FORWARD -j DOCKER-USER" ] ||
    calls_first "$tables" FORWARD PREVIEWBOT-FORWARD
  calls_first "$tables" INPUT PREVIEWBOT-INPUT
  calls_first "$tables" OUTPUT PREVIEWBOT-OUTPUT
}

# comes_by TABLES CHAIN OURS: whether a chain comes by ours, whatever it is asked about: 0 is yes, 1 is no, 2 is that it
# leaves that to whoever called it.
comes_by() {
  "$1" -w -S "$2" 2>/dev/null | {
    while read -r rule; do
      case $rule in
        "-A $2 -j $3") exit 0 ;;
        "-A $2 -j ACCEPT") exit 1 ;;
        "-A $2 -j RETURN") exit 2 ;;
        "-A $2 -j DOCKER-USER")
          comes_by "$1" DOCKER-USER "$3" && exit 0
          [ "$?" = 2 ] || exit 1
          ;;
      esac
    done
    exit 2
  }
}

# in_force TABLES: our chains, and who comes by them.
in_force() {
  for chain in $CHAINS; do "$1" -w -S "PREVIEWBOT-$chain" 2>/dev/null || :; done
  for chain in FORWARD INPUT OUTPUT; do
    if comes_by "$1" "$chain" "PREVIEWBOT-$chain"; then echo "$1 $chain"; fi
  done
}

# look: the same of all tables; fails where the kernel does not answer, which is no word about the rules.
look() {
  iptables -w -S INPUT >/dev/null
  in_force iptables
  # A kernel without IPv6 has nothing to keep in.
  [ ! -e /proc/net/if_inet6 ] || in_force ip6tables
}

if [ "$1" = look ]; then
  look
  exit
fi
user=$1 mode=$2
case $mode in public | none) ;; *) echo "egress is public or none, not $mode" >&2; exit 2 ;; esac
id -u -- "$user" >/dev/null
# What is begun and not finished holds nothing: whoever reads the mark must not believe it.
rm -f -- "$mark" "$mark.rules"
# Bridges tell which container a packet came from only where they call iptables.
modprobe br_netfilter 2>/dev/null || :
for version in iptables ip6tables; do
  switch=/proc/sys/net/bridge/bridge-nf-call-$version
  [ ! -e "$switch" ] || [ "$(cat "$switch")" = 1 ] || echo 1 >"$switch"
done
apply iptables 4
[ ! -e /proc/net/if_inet6 ] || apply ip6tables 6
mkdir -p -- "${mark%/*}"
look >"$mark.rules"
printf '%s\n' "$mode" >"$mark.new"
chmod 644 -- "$mark.new" "$mark.rules"
mv -f -- "$mark.new" "$mark"
