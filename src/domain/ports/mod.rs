//! The hexagon's ports: what the rules need from the world, phrased in the project's own words.
//! (TCP ports are always `PortMap` / `port_map`.)

mod assessments;
mod audit;
mod clock;
mod compute;
mod compute_access;
mod containers;
mod environments;
mod folder_environments;
mod forge;
mod git;
mod hook_runner;
mod hosts;
mod housekeeping;
mod job_queue;
mod journal;
mod networking;
mod progress;
mod readiness_probe;
mod reports;
mod state;

pub use assessments::{Assessment, Assessments};
pub use audit::{Audit, AuditRecord};
pub use clock::{Clock, SystemRandom};
pub use compute::{ComputePort, CreateRequest};
pub use compute_access::{ComputeAccess, FileToWrite};
pub use containers::{ContainerTarget, Containers, LineSink, LogRequest, Part, UpRequest};
pub use environments::{EnvironmentOutcome, Environments};
pub use folder_environments::{Errand, FolderEnvironments, FolderProject};
pub use forge::{
    Check, CheckConclusion, CheckState, Comment, Deployment, DeploymentState, Forge, NewCheck, NewDeployment,
};
pub use git::{CheckoutLimits, Git};
pub use hook_runner::{HookCommand, HookExit, HookOutcome, HookOutput, HookRunner};
pub use hosts::{HostFigures, HostRecord, Hosts, Placed, Placing};
pub use housekeeping::{Housekeeping, MakeWay};
pub use job_queue::{Accepted, ClaimedJob, Heartbeat, JobFilter, JobQueue, Room};
pub use journal::Journal;
pub use networking::{NetworkingPort, PortLeases};
pub use progress::{ProgressReporter, Silent};
pub use readiness_probe::ReadinessProbe;
pub use reports::{Posted, PostedKind, REPORT_LEASE_MS, ReportLease, Reports};
pub use state::StatePort;
