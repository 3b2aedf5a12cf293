//! Faults of times.

use std::time::Duration;

use opsorch::{Action, Response, Result, Time};
use opsorch_testkit::MemoryProvider;

use super::Fault::Write;
use super::{Flaw, Properly};

pub const FLAWS: &[Flaw] =
    &[Flaw { name: "takes local times for UTC", caught_by: &["TK-032"], fault: Write(takes_local_times_for_utc) }];

/// As late as it is in India.
fn local(time: Option<Time>) -> Option<Time> {
    time.map(|time| time + Duration::from_secs(19_800))
}

fn takes_local_times_for_utc(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    let mut response = properly()?;
    if let (Action::IncidentCreate(_), Response::Incident(incident)) = (action, &mut response) {
        incident.created_at = local(incident.created_at);
        memory.seed_incident(incident.clone());
    }
    Ok(response)
}
