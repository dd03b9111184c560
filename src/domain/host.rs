//! Machines that previews are placed on, and which one an environment goes to (design §6).

/// What an environment asks of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VmSpec {
    /// Labels that the host must have, all of them.
    pub labels: Vec<String>,
    /// Whether it holds untrusted work, which goes to hosts that are labelled and prepared for that.
    pub sandbox: bool,
}

/// Hosts with this label are for untrusted work: others go there only when they ask for the label.
pub const SANDBOX_LABEL: &str = "sandbox";

/// Whether a host with these labels is for untrusted work.
#[must_use]
pub fn is_sandbox(labels: &[String]) -> bool {
    labels.iter().any(|label| label == SANDBOX_LABEL)
}

/// Whether a host takes environments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostState {
    /// It does.
    Ready,
    /// It keeps those that it has and gets no new ones.
    Draining,
    /// It could not be reached when it was last looked at: why.
    Down(String),
}

impl HostState {
    /// The word for people.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Down(_) => "down",
        }
    }
}

/// What a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmInfo {
    /// Its name in the settings.
    pub name: String,
    /// What projects choose it by.
    pub labels: Vec<String>,
    /// Environments at most; `None`: no bound.
    pub capacity: Option<u32>,
    /// Environments that are placed on it.
    pub environments: u32,
    /// Whether it takes more.
    pub state: HostState,
    /// Free bytes of its disk, when it was last looked at.
    pub disk_free: Option<u64>,
    /// Bytes of its disk that are to stay free.
    pub disk_floor: u64,
    /// Networks that Docker can still make, when it was last looked at.
    pub networks_free: Option<u64>,
    /// Bytes of memory that programs could have, when it was last looked at.
    pub memory_free: Option<u64>,
    /// Whether what runs there was kept from reaching inside networks, when it was last looked at.
    pub confined: bool,
}

/// A host with less free memory gets no new environment, in bytes.
pub const LEAST_MEMORY: u64 = 256 * 1024 * 1024;
/// A host whose Docker can make fewer networks gets no new environment: one may have several.
pub const LEAST_NETWORKS: u64 = 3;

impl VmInfo {
    fn suits(&self, spec: &VmSpec) -> bool {
        let is_asked_for = spec.sandbox || is_sandbox(&spec.labels);
        spec.labels.iter().all(|label| self.labels.contains(label)) && is_sandbox(&self.labels) == is_asked_for
    }

    /// Why it gets no new environment now; `None` when it does.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let name = &self.name;
        match &self.state {
            // Why, with addresses and paths, is the operator's business alone.
            HostState::Down(_) => return Some(format!("{name} is down")),
            HostState::Draining => return Some(format!("{name} is being drained")),
            HostState::Ready => {}
        }
        if is_sandbox(&self.labels) && !self.confined {
            return Some(format!("{name} is not prepared for a sandbox: run `previewbot hosts prepare {name}`"));
        }
        match self.capacity {
            Some(capacity) if self.environments >= capacity => {
                return Some(format!("{name} is full ({} of {capacity})", self.environments));
            }
            _ => {}
        }
        if self.disk_free.is_some_and(|free| free < self.disk_floor) {
            return Some(format!("{name} has too little free disk"));
        }
        if let Some(free) = self.networks_free.filter(|free| *free < LEAST_NETWORKS) {
            return Some(format!(
                "{name} has too few networks left ({free}): `previewbot hosts prepare {name}` gives it more"
            ));
        }
        self.memory_free
            .is_some_and(|free| free < LEAST_MEMORY)
            .then(|| format!("{name} has too little free memory"))
    }

    /// How much of it is taken, in parts of 65,536; without a bound each environment counts as one of a hundred.
    fn load(&self) -> u64 {
        u64::from(self.environments) * 65_536 / u64::from(self.capacity.unwrap_or(100).max(1))
    }
}

/// Why no host takes an environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoHost {
    /// No host of the settings is meant for it: nothing helps but other settings.
    #[error("no host has the labels {}: see hosts in the project's settings and labels of [[hosts]]", .0.join(", "))]
    NoneSuits(Vec<String>),
    /// All hosts are for untrusted work, and this is none.
    #[error("all hosts are for the sandbox: add one to [[hosts]] without the label {SANDBOX_LABEL}")]
    OnlySandboxes,
    /// None has room now.
    #[error("no host has room: {}", .0.join("; "))]
    NoRoom(Vec<String>),
}

/// The host that an environment goes to: the least loaded of those that suit it and take more, the first by name of
/// several.
///
/// # Errors
/// See [`NoHost`].
pub fn choose<'a>(hosts: &'a [VmInfo], spec: &VmSpec) -> Result<&'a VmInfo, NoHost> {
    let suiting: Vec<&VmInfo> = hosts.iter().filter(|host| host.suits(spec)).collect();
    if suiting.is_empty() {
        return Err(none_suits(spec));
    }
    let open = suiting.iter().filter(|host| host.refusal().is_none());
    match open.min_by(|one, other| (one.load(), &one.name).cmp(&(other.load(), &other.name))) {
        Some(host) => Ok(host),
        None => Err(NoHost::NoRoom(suiting.iter().filter_map(|host| host.refusal()).collect())),
    }
}

/// The same for an environment that has a place on a host already, and keeps it unless that host takes no more.
///
/// # Errors
/// See [`NoHost`].
pub fn choose_again<'a>(hosts: &'a [VmInfo], spec: &VmSpec, before: Option<&str>) -> Result<&'a VmInfo, NoHost> {
    let without = |host: &VmInfo| VmInfo { environments: host.environments.saturating_sub(1), ..host.clone() };
    let stays = |host: &&VmInfo| {
        Some(host.name.as_str()) == before && host.suits(spec) && without(host).refusal().is_none()
    };
    hosts.iter().find(stays).map_or_else(|| choose(hosts, spec), Ok)
}

fn none_suits(spec: &VmSpec) -> NoHost {
    let sandbox = spec.sandbox.then(|| SANDBOX_LABEL.to_owned());
    let labels: Vec<String> = spec.labels.iter().cloned().chain(sandbox).collect();
    if labels.is_empty() { NoHost::OnlySandboxes } else { NoHost::NoneSuits(labels) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, environments: u32, capacity: u32) -> VmInfo {
        VmInfo {
            name: name.to_owned(),
            labels: vec!["preview".to_owned()],
            capacity: Some(capacity),
            environments,
            state: HostState::Ready,
            disk_free: None,
            disk_floor: 1000,
            networks_free: None,
            memory_free: None,
            confined: false,
        }
    }

    fn chosen(hosts: &[VmInfo]) -> Result<String, String> {
        choose(hosts, &VmSpec::default()).map(|host| host.name.clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_least_loaded_host_by_its_own_measure_is_chosen() {
        assert_eq!(chosen(&[host("a", 3, 20), host("b", 1, 2)]).unwrap(), "a");
        assert_eq!(chosen(&[host("b", 1, 20), host("a", 1, 20)]).unwrap(), "a");
    }

    #[test]
    fn a_host_that_takes_no_more_is_passed_over_and_the_reasons_are_told() {
        let draining = VmInfo { state: HostState::Draining, ..host("a", 0, 9) };
        let down = VmInfo { state: HostState::Down("no route".to_owned()), ..host("b", 0, 9) };
        let poor = VmInfo { disk_free: Some(999), ..host("c", 0, 9) };
        let small = VmInfo { memory_free: Some(LEAST_MEMORY - 1), ..host("d", 0, 9) };
        let full = host("e", 9, 9);
        let crowded = VmInfo { networks_free: Some(LEAST_NETWORKS - 1), ..host("f", 0, 9) };
        let mut hosts = vec![draining, down, poor, small, full, crowded];
        assert_eq!(
            chosen(&hosts).unwrap_err(),
            "no host has room: a is being drained; b is down; c has too little free disk; d has too little \
             free memory; e is full (9 of 9); f has too few networks left (2): `previewbot hosts prepare f` gives it more"
        );
        hosts.push(host("z", 8, 9));
        assert_eq!(chosen(&hosts).unwrap(), "z");
    }

    #[test]
    fn every_label_is_asked_for() {
        let big = VmInfo { labels: vec!["preview".to_owned(), "big".to_owned()], ..host("b", 5, 9) };
        let hosts = [host("a", 0, 9), big];
        let spec = |labels: &[&str]| VmSpec {
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            ..VmSpec::default()
        };
        assert_eq!(choose(&hosts, &spec(&["big", "preview"])).unwrap().name, "b");
        let error = choose(&hosts, &spec(&["gpu"])).unwrap_err();
        assert_eq!(error, NoHost::NoneSuits(vec!["gpu".to_owned()]));
    }

    #[test]
    fn untrusted_work_and_all_other_have_hosts_of_their_own() {
        let labels = vec![SANDBOX_LABEL.to_owned()];
        let unprepared = VmInfo { labels: labels.clone(), ..host("a", 0, 9) };
        let prepared = VmInfo { labels, confined: true, ..host("b", 5, 9) };
        let hosts = [unprepared.clone(), prepared.clone(), host("c", 8, 9)];
        let sandbox = VmSpec { sandbox: true, ..VmSpec::default() };
        assert_eq!(choose(&hosts, &sandbox).unwrap().name, "b");
        assert_eq!(choose(&hosts, &VmSpec::default()).unwrap().name, "c");
        let asked = VmSpec { labels: vec![SANDBOX_LABEL.to_owned()], sandbox: false };
        assert_eq!(choose(&hosts, &asked).unwrap().name, "b", "an operator may place trusted work there too");
        assert_eq!(
            choose(&[unprepared], &sandbox).unwrap_err().to_string(),
            "no host has room: a is not prepared for a sandbox: run `previewbot hosts prepare a`"
        );
        assert_eq!(choose(&[prepared], &VmSpec::default()).unwrap_err(), NoHost::OnlySandboxes);
        let error = choose(&[host("c", 0, 9)], &sandbox).unwrap_err();
        assert_eq!(error, NoHost::NoneSuits(vec![SANDBOX_LABEL.to_owned()]));
    }

    #[test]
    fn a_place_is_kept_as_long_as_its_host_takes_environments() {
        let again = |hosts: &[VmInfo], before| {
            choose_again(hosts, &VmSpec::default(), before).map(|host| host.name.clone()).unwrap()
        };
        let hosts = [host("a", 0, 9), host("b", 9, 9)];
        assert_eq!(again(&hosts, Some("b")), "b", "its own place is there");
        assert_eq!(again(&hosts, Some("gone")), "a");
        let draining = VmInfo { state: HostState::Draining, ..host("b", 1, 9) };
        assert_eq!(again(&[host("a", 0, 9), draining], Some("b")), "a");
    }
}
