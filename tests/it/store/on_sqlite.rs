//! Every rule on a file of its own, and what only a file can suffer.

use super::*;

type Bench = super::Bench<false>;

#[path = "assessing.rs"]
mod assessing;
#[path = "deliveries.rs"]
mod deliveries;
#[path = "destroying.rs"]
mod destroying;
#[path = "environments.rs"]
mod environments;
#[path = "expiry.rs"]
mod expiry;
#[path = "folders.rs"]
mod folders;
#[path = "full_disk.rs"]
mod full_disk;
#[path = "hosts.rs"]
mod hosts;
#[path = "limits.rs"]
mod limits;
#[path = "load.rs"]
mod load;
#[path = "making_way.rs"]
mod making_way;
#[path = "opening.rs"]
mod opening;
#[path = "queue.rs"]
mod queue;
#[path = "reports.rs"]
mod reports;
#[path = "rescue.rs"]
mod rescue;
#[path = "second_chances.rs"]
mod second_chances;
#[path = "state.rs"]
mod state;
#[path = "trust.rs"]
mod trust;
