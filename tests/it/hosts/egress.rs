//! Where previews of a host for untrusted work may open connections to, tried from within them.

use std::fmt;

use previewbot::outbound::ssh::{Look, SshHost};
use tokio::net::TcpListener;

use super::desk::Desk;
use super::prepare::{let_root_in, sandbox};
use crate::machine::bench::options;
use crate::support::bot::eventually;
use crate::support::host::vm::Vm;

const IMAGE: &str = "previewbot-test/busybox:local";

/// A world outside of the host, in a network namespace of its own: an address of the internet, the metadata service, a
/// machine of the operator's private network, and a name server there. Each serves the same page.
const WORLD: &str = r#"set -e
id=$(docker create "$1")
docker cp "$id:/bin/busybox" /usr/local/bin/busybox
docker rm "$id"
mkdir -p /srv/www
echo outside >/srv/www/index.html
sysctl -q -w net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0
ip netns add world
ip link add world0 type veth peer name eth0 netns world
ip addr add 203.0.113.1/24 dev world0
ip link set world0 up
ip netns exec world sh -c '
ip link set lo up
ip link set eth0 up
ip addr add 203.0.113.10/24 dev eth0
ip route add default via 203.0.113.1
ip -6 addr add 2001:db8::10/64 dev eth0 nodad
ip -6 addr add fd00:99::10/64 dev eth0 nodad
ip -6 route add default via 2001:db8::1'
ip -6 addr add 2001:db8::1/64 dev world0 nodad
ip -6 route add fd00:99::/64 dev world0
for address in 169.254.169.254 10.99.0.10 10.99.0.53; do
  ip netns exec world ip addr add "$address/32" dev eth0
  ip route add "$address/32" dev world0
done
cat >/srv/names.pl <<'PERL'
use IO::Socket::INET;
$socket = IO::Socket::INET->new(LocalAddr => "10.99.0.53", LocalPort => 53, Proto => "udp") or die "$!";
while ($socket->recv($query, 512)) {
  $end = index($query, "\0", 12) + 5;
  $is_a = substr($query, $end - 4, 2) eq "\0\1";
  $answer = $is_a ? pack("nnnNnC4", 0xc00c, 1, 1, 5, 4, 203, 0, 113, 10) : "";
  $socket->send(substr($query, 0, 2) . pack("n5", 0x8180, 1, $is_a, 0, 0) . substr($query, 12, $end - 12) . $answer);
}
PERL
setsid ip netns exec world perl /srv/names.pl >/dev/null 2>&1 </dev/null &
ip netns exec world sysctl -q -w net.ipv6.conf.all.disable_ipv6=0
setsid ip netns exec world busybox httpd -p 80 -h /srv/www >/dev/null 2>&1 </dev/null
echo 'nameserver 10.99.0.53' >/etc/resolv.conf
sysctl -q -w net.ipv6.conf.all.forwarding=1
docker network create mine
docker network create another
docker network create --opt com.docker.network.bridge.name=odd0 odd
docker network create --ipv6 --subnet fd00:9::/64 six
docker run -d --network mine --name client "$1"
docker run -d --network mine --name web -p 8080:80 "$1"
docker run -d --network another --name neighbour -p 8081:80 "$1"
docker run -d --network odd --name strange "$1"
docker run -d --network six --name sixth "$1""#;

/// What became of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Somebody answered.
    Open,
    /// Refused at once.
    Refused,
    /// Something else, such as silence: curl's exit code.
    Other(i32),
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Refused => f.write_str("refused"),
            Self::Other(code) => write!(f, "curl's exit code {code}"),
        }
    }
}

/// Who connects.
#[derive(Debug, Clone, Copy)]
enum Client {
    Container(&'static str),
    Hook,
    World,
}

struct Place {
    vm: Vm,
    /// Of the bot's machine.
    port: u16,
}

impl Place {
    async fn start() -> Self {
        let vm = Vm::start("egress").await;
        vm.load_image(IMAGE).await;
        vm.says(&["sh", "-c", WORLD, "sh", IMAGE]).await;
        let bot = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = bot.local_addr().unwrap().port();
        // Whoever comes is let in and sent away again.
        tokio::spawn(async move {
            loop {
                drop(bot.accept().await);
            }
        });
        Self { vm, port }
    }

    async fn curl(&self, from: Client, url: &str) -> Seen {
        let curl = r#"curl --silent --output /dev/null --max-time 20 "$1""#;
        let code = match from {
            Client::Container(name) => {
                let script =
                    r#"nsenter --target "$(docker inspect -f '{{.State.Pid}}' "$2")" --net -- sh -c "$3" sh "$1""#;
                self.vm.exec(&["sh", "-c", script, "sh", url, name, curl]).await.status.code()
            }
            Client::Hook => self.vm.login().run(&curl.replace("$1", url)).await.status.code(),
            Client::World => {
                self.vm.exec(&["ip", "netns", "exec", "world", "sh", "-c", curl, "sh", url]).await.status.code()
            }
        };
        match code {
            // A page, or what is no HTTP: somebody is there.
            Some(0 | 1 | 52 | 56) => Seen::Open,
            Some(7) => Seen::Refused,
            code => Seen::Other(code.unwrap_or(-1)),
        }
    }

    async fn address(&self, container: &str) -> String {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        self.vm.says(&["docker", "inspect", "-f", format, container]).await
    }

    /// What a container's resolver, Docker's, answers.
    async fn resolves(&self, name: &str, address: &str) -> bool {
        let script = r#"nsenter --target "$(docker inspect -f '{{.State.Pid}}' client)" --net -- \
            busybox nslookup -type=a "$1" 127.0.0.11"#;
        let output = self.vm.exec(&["sh", "-c", script, "sh", name]).await;
        String::from_utf8_lossy(&output.stdout).contains(address)
    }

    /// Who may connect to what: with no rules, where previews may reach the internet, and where they may reach nothing.
    async fn table(&self) -> Vec<(Client, String, [Seen; 3])> {
        use Client::{Container, Hook, World};
        use Seen::{Open, Refused};
        let (web, neighbour) = (self.address("web").await, self.address("neighbour").await);
        let gateway = self.vm.says(&["sh", "-c", "ip route show default | cut -d ' ' -f 3"]).await;
        let bot = format!("{gateway}:{}", self.port);
        let own = Container("client");
        // Docker keeps its networks apart by silence.
        let apart = Seen::Other(28);
        let row = |from, at: &str, seen| (from, format!("http://{at}/"), seen);
        vec![
            row(own, "203.0.113.10", [Open, Open, Refused]),
            row(own, "169.254.169.254", [Open, Refused, Refused]),
            row(own, "10.99.0.10", [Open, Refused, Refused]),
            row(own, &bot, [Open, Refused, Refused]),
            row(own, "203.0.113.1:22", [Open, Refused, Refused]),
            row(own, "203.0.113.1:8081", [Open, Refused, Refused]),
            row(own, &neighbour, [apart, Refused, Refused]),
            row(own, &web, [Open, Open, Open]),
            row(Container("sixth"), "[fd00:9::1]:22", [Open, Refused, Refused]),
            row(Container("sixth"), "[2001:db8::10]", [Open, Open, Refused]),
            row(Container("sixth"), "[fd00:99::10]", [Open, Refused, Refused]),
            row(Hook, "[2001:db8::10]", [Open, Open, Refused]),
            row(Hook, "[fd00:99::10]", [Open, Refused, Refused]),
            row(Container("strange"), "10.99.0.10", [Open, Refused, Refused]),
            row(Container("strange"), "203.0.113.1:22", [Open, Refused, Refused]),
            row(World, "203.0.113.1:8080", [Open, Open, Open]),
            row(Hook, "203.0.113.10", [Open, Open, Refused]),
            row(Hook, "169.254.169.254", [Open, Refused, Refused]),
            row(Hook, "10.99.0.10", [Open, Refused, Refused]),
            row(Hook, &web, [Open, Refused, Refused]),
            row(Hook, "127.0.0.1:8080", [Open, Open, Open]),
        ]
    }

    /// Holds everything against one column of the table.
    async fn holds(&self, column: usize, when: &str) {
        let mut wrong = Vec::new();
        for (from, url, expected) in self.table().await {
            let seen = self.curl(from, &url).await;
            if seen != expected[column] {
                wrong.push(format!("{from:?} to {url}: {seen:?}, and not {:?}", expected[column]));
            }
        }
        assert!(wrong.is_empty(), "{when}:\n{}", wrong.join("\n"));
        let web = self.address("web").await;
        assert!(self.resolves("web", &web).await, "{when}: services of a network know each other");
        assert_eq!(
            self.resolves("outside.example", "203.0.113.10").await,
            column < 2,
            "{when}: names of the world"
        );
    }

    /// Whether the bot takes the host for one that keeps previews in.
    async fn is_confined(&self) -> bool {
        let host = SshHost::new(options(self.vm.login()));
        let told = host.figures(Look { root: "/srv/previews", docker_root: None, rules: true }).await.unwrap();
        told.figures.confined && told.rules_hold == Some(true)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn previews_of_a_sandbox_host_reach_what_they_may_and_nothing_else() {
    let place = Place::start().await;
    let vm = &place.vm;
    let_root_in(vm).await;
    let desk = Desk::new(&[sandbox(vm)]);
    let identity = vm.login().identity.to_string_lossy().into_owned();
    let prepare = ["hosts", "prepare", "vm-1", "--user", "root", "--identity-file", &identity];
    place.holds(0, "without rules").await;
    assert!(!place.is_confined().await);

    let told = desk.says(&prepare).await;
    assert!(told.contains("done: previews may open connections to: public\n"), "{told}");
    place.holds(1, "after the host was prepared").await;
    assert!(place.is_confined().await);

    vm.stop_engine().await;
    vm.start_engine().await;
    vm.says(&["docker", "start", "client", "web", "neighbour", "strange", "sixth"]).await;
    place.holds(1, "after docker began anew").await;
    // Whoever puts rules of their own first does not undo ours for good.
    vm.says(&["iptables", "-I", "INPUT", "1", "-j", "ACCEPT"]).await;
    desk.says(&prepare).await;
    place.holds(1, "after the host was prepared again").await;

    for removal in [
        "iptables -D INPUT -j PREVIEWBOT-INPUT",
        "iptables -D PREVIEWBOT-JUDGE -d 169.254.0.0/16 -j PREVIEWBOT-REJECT",
        "iptables -I PREVIEWBOT-JUDGE 1 -j RETURN",
        "ip6tables -F PREVIEWBOT-OUTPUT",
        "iptables -I DOCKER-USER 1 -j ACCEPT",
        "iptables -I FORWARD 1 -j ACCEPT",
    ] {
        vm.says(&["sh", "-c", removal]).await;
        assert!(!place.is_confined().await, "{removal}");
        let found = desk.findings().await;
        assert!(found["egress"].contains("are not in force now"), "{removal}: {found:?}");
        desk.says(&prepare).await;
        assert!(place.is_confined().await, "{removal}, and prepared again");
    }

    desk.says(&[&prepare[..], &["--egress", "none"]].concat()).await;
    place.holds(2, "with nothing outside").await;
    assert!(place.is_confined().await);

    vm.reboot().await;
    assert!(!place.is_confined().await, "rules do not outlive a boot");
    let found = desk.findings().await;
    assert!(found["egress"].starts_with("failed: no rules keep previews from private networks"), "{found:?}");
    let again = vm.says(&["sh", "/usr/local/lib/previewbot/egress.sh", "preview", "public"]).await;
    let confined = || async { place.is_confined().await.then_some(()) };
    eventually("rules after a boot", || again.clone(), confined).await;
}
