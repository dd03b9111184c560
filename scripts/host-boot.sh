#!/bin/sh
# What a container of scripts/host-image.sh does in place of a VM's boot. AUTHORIZED_KEY is the public key that may log
# in as `preview`.
set -eu

# Each boot has an id of its own, as each boot of a VM does; the kernel's is that of the machine below.
cat /proc/sys/kernel/random/uuid >/run/boot_id
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id

home=/home/preview
install -d -o preview -g preview -m 700 "$home/.ssh"
printf '%s\n' "$AUTHORIZED_KEY" >"$home/.ssh/authorized_keys"
chown preview:preview "$home/.ssh/authorized_keys"

# The engine's containers are below a cgroup that bears the host's name, to be found when the host is gone.
mkdir -p /etc/docker
printf '{"cgroup-parent": "/%s"}\n' "$(hostname)" >/etc/docker/daemon.json
dockerd >>/var/log/dockerd.log 2>&1 &

# The key is made here and not in the image: no two hosts have the same, and a host keeps its own over a reboot.
key=/etc/ssh/ssh_host_ed25519_key
[ -e "$key" ] || ssh-keygen -q -t ed25519 -N '' -f "$key"
mkdir -p /run/sshd
# Many tests knock at one host at once. All else is as Debian has it.
exec /usr/sbin/sshd -D -E /var/log/sshd.log -o "HostKey=$key" -o LogLevel=VERBOSE -o MaxStartups=200
