//! The disk of a host: how much of it stays free, what one environment may use of it, and which environment makes way.

use super::checkup::Bytes;
use super::compose::MIB;
use super::environment::EnvironmentId;

const GIB: u64 = 1024 * MIB;

/// How much of a disk stays free unless the operator says otherwise: a twentieth, but 1 GiB to 10 GiB.
#[must_use]
pub fn usual_floor(size: Option<u64>) -> u64 {
    (size.unwrap_or_default() / 20).clamp(GIB, 10 * GIB)
}

/// How a host's disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskRoom {
    /// Free bytes.
    pub free: u64,
    /// Bytes that are to stay free.
    pub floor: u64,
}

impl DiskRoom {
    /// Whether less is free than should be.
    #[must_use]
    pub const fn is_short(self) -> bool {
        self.free < self.floor
    }
}

/// What an environment may use of its host's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskTerms {
    /// Bytes that it may use.
    pub allowed: u64,
    /// Whether its code is the team's own. Data of an untrusted one is a seed, and can be had again.
    pub trusted: bool,
}

/// What an environment uses of its host's disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// Bytes that were found.
    pub bytes: u64,
    /// Whether counting had to be given up before its end: it has more files than anybody can count.
    pub uncounted: bool,
}

/// An environment on a host, as far as its disk is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Which.
    pub id: EnvironmentId,
    /// What people call it.
    pub name: String,
    /// Whether it is to run; what is stopped grows no more.
    pub runs: bool,
    /// What it may use.
    pub terms: DiskTerms,
    /// What it uses.
    pub used: DiskUse,
}

/// What is done about an environment that uses too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It is stopped: it grows no more, and its data is kept.
    Stop,
    /// It is destroyed: a stop alone would leave the others without room.
    Destroy,
}

/// Who makes way on a host, how, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakesWay {
    /// Who.
    pub id: EnvironmentId,
    /// How.
    pub remedy: Remedy,
    /// Why, for people: a sentence without its full stop.
    pub why: String,
}

/// Who makes way on this host now, one at a time; nobody where all is well or where nobody's going would help.
///
/// While there is room, only an untrusted environment above its allowance is stopped. Where the disk is short, the one
/// that uses most goes first: an untrusted one is destroyed when it is above its allowance or uses at least a quarter of
/// what should be free (smaller ones would go in vain), a trusted one is only ever stopped, and only above its
/// allowance.
#[must_use]
pub fn who_makes_way(host: &str, room: DiskRoom, tenants: &[Tenant]) -> Option<MakesWay> {
    let mut sorted: Vec<&Tenant> = tenants.iter().collect();
    sorted.sort_by_key(|tenant| {
        let used = tenant.used;
        (tenant.terms.trusted, std::cmp::Reverse((used.uncounted, used.bytes)), tenant.id)
    });
    sorted.into_iter().find_map(|tenant| Some(told(host, tenant, remedy(room, tenant)?)))
}

fn remedy(room: DiskRoom, tenant: &Tenant) -> Option<Remedy> {
    let Tenant { runs, terms, used, .. } = *tenant;
    let above = used.bytes > terms.allowed || used.uncounted;
    match (room.is_short(), terms.trusted) {
        (true, false) if above || used.bytes >= room.floor / 4 => Some(Remedy::Destroy),
        (true, true) if used.bytes > terms.allowed && runs => Some(Remedy::Stop),
        (false, false) if above && runs => Some(Remedy::Stop),
        _ => None,
    }
}

fn told(host: &str, tenant: &Tenant, remedy: Remedy) -> MakesWay {
    let Tenant { id, name, terms, used, .. } = tenant;
    let allowed = Bytes(terms.allowed);
    let amount = if used.uncounted {
        format!("it has more files than can be counted in a minute, {allowed} are allowed")
    } else if used.bytes > terms.allowed {
        format!("it used {}, {allowed} are allowed", Bytes(used.bytes))
    } else {
        format!("it used {}, more than any other there", Bytes(used.bytes))
    };
    let why = match remedy {
        Remedy::Destroy => format!("{name} filled the disk of {host}: {amount}; it was destroyed to make room"),
        Remedy::Stop => format!("{name} used too much of the disk of {host}: {amount}; it was stopped"),
    };
    MakesWay { id: *id, remedy, why: format!("{why}. Make it write less, then push or say /preview deploy") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMY: DiskRoom = DiskRoom { free: 50 * GIB, floor: GIB };
    const SHORT: DiskRoom = DiskRoom { free: 300 * MIB, floor: GIB };

    fn tenant(id: i64, trusted: bool, bytes: u64) -> Tenant {
        let terms = DiskTerms { allowed: 10 * GIB, trusted };
        let used = DiskUse { bytes, uncounted: false };
        Tenant { id: EnvironmentId(id), name: format!("pr-{id}"), runs: true, terms, used }
    }

    fn judged(room: DiskRoom, tenants: &[Tenant]) -> Option<(i64, Remedy)> {
        who_makes_way("vm-1", room, tenants).map(|way| (way.id.0, way.remedy))
    }

    #[test]
    fn while_there_is_room_only_the_untrusted_above_their_allowance_are_stopped() {
        let (large, small) = (tenant(1, false, 11 * GIB), tenant(2, false, 10 * GIB));
        assert_eq!(judged(ROOMY, &[small.clone(), large.clone()]), Some((1, Remedy::Stop)));
        assert_eq!(judged(ROOMY, &[small]), None);
        assert_eq!(judged(ROOMY, &[tenant(3, true, 90 * GIB)]), None);
        assert_eq!(judged(ROOMY, &[Tenant { runs: false, ..large }]), None, "it stands still already");
    }

    #[test]
    fn where_the_disk_is_short_the_greediest_goes_and_the_untrusted_before_all() {
        let (ours, theirs) = (tenant(1, true, 40 * GIB), tenant(2, false, 256 * MIB));
        assert_eq!(judged(SHORT, &[ours.clone(), theirs]), Some((2, Remedy::Destroy)));
        let smaller = tenant(3, false, 255 * MIB);
        assert_eq!(judged(SHORT, &[ours.clone(), smaller.clone()]), Some((1, Remedy::Stop)));
        assert_eq!(judged(SHORT, &[Tenant { runs: false, ..ours }, smaller]), None, "its data stays");
        assert_eq!(judged(SHORT, &[tenant(4, true, 10 * GIB)]), None, "within its allowance");
        let two = [tenant(5, false, 2 * GIB), tenant(6, false, 3 * GIB)];
        assert_eq!(judged(SHORT, &two), Some((6, Remedy::Destroy)));
        let stopped = Tenant { runs: false, ..tenant(7, false, 4 * GIB) };
        assert_eq!(judged(SHORT, &[stopped]), Some((7, Remedy::Destroy)), "what is stopped holds the disk, too");
    }

    #[test]
    fn whose_files_cannot_be_counted_counts_as_the_greediest() {
        let endless = Tenant { used: DiskUse { bytes: 0, uncounted: true }, ..tenant(1, false, 0) };
        let large = tenant(2, false, 9 * GIB);
        assert_eq!(judged(SHORT, &[large, endless.clone()]), Some((1, Remedy::Destroy)));
        assert_eq!(judged(ROOMY, &[endless]), Some((1, Remedy::Stop)));
    }

    #[test]
    fn people_are_told_how_much_it_was_and_what_to_do() {
        let told = |room, bytes| who_makes_way("vm-1", room, &[tenant(42, false, bytes)]).unwrap().why;
        assert_eq!(
            told(SHORT, 12 * GIB + 310 * MIB),
            "pr-42 filled the disk of vm-1: it used 12.3 GiB, 10.0 GiB are allowed; it was destroyed to make room. \
             Make it write less, then push or say /preview deploy"
        );
        assert!(told(SHORT, GIB).contains("it used 1.0 GiB, more than any other there"));
        assert!(told(ROOMY, 11 * GIB).starts_with("pr-42 used too much of the disk of vm-1: it used 11.0 GiB"));
    }

    #[test]
    fn the_usual_floor_follows_the_size_of_the_disk() {
        let floors = [None, Some(8 * GIB), Some(100 * GIB), Some(4096 * GIB)].map(usual_floor);
        assert_eq!(floors, [GIB, GIB, 5 * GIB, 10 * GIB]);
    }
}
