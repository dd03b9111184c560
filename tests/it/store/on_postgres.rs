//! Every rule on a database of its own on a server.

use super::*;

type Bench = super::Bench<true>;

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
#[path = "hosts.rs"]
mod hosts;
#[path = "limits.rs"]
mod limits;
#[path = "load.rs"]
mod load;
#[path = "making_way.rs"]
mod making_way;
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
