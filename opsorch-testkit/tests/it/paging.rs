use std::cmp::Reverse;
use std::time::Duration;

use opsorch::capability::{IncidentReader, ServiceReader};
use opsorch::{Clock, Incident, IncidentQuery, IncidentStatusLevel, ManualClock, Service, ServiceQuery, SeverityLevel};
use opsorch_testkit::MemoryProvider;
use proptest::prelude::*;

use crate::{cx, done};

const STATUSES: [IncidentStatusLevel; 2] = [IncidentStatusLevel::Open, IncidentStatusLevel::Resolved];
const SEVERITIES: [SeverityLevel; 2] = [SeverityLevel::High, SeverityLevel::Low];

/// An incident of some seconds ago, or of an unknown time, with a status and a severity.
fn incident() -> impl Strategy<Value = (Option<u64>, usize, usize)> {
    (prop::option::of(0..5u64), 0..2usize, 0..2usize)
}

/// A limit, and how many incidents are opened after the page.
fn pages() -> impl Strategy<Value = Vec<(u32, usize)>> {
    prop::collection::vec((1..5u32, 0..3usize), 1..8)
}

proptest! {
    #[test]
    fn pages_together_are_the_filtered_list_whatever_is_opened_meanwhile(
        seeds in prop::collection::vec(incident(), 0..20),
        status in prop::option::of(0..2usize),
        severity in prop::option::of(0..2usize),
        since in prop::option::of(0..5u64),
        pages in pages(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let clock = ManualClock::default();
        let now = clock.now();
        let ago = |seconds: u64| now - Duration::from_secs(seconds);
        let memory = MemoryProvider::new(clock.clone());
        let mut query = IncidentQuery::new();
        query.statuses.extend(status.map(|index| STATUSES[index].into()));
        query.severities.extend(severity.map(|index| SEVERITIES[index].into()));
        query.since = since.map(ago);

        let mut expected = Vec::new();
        for (index, (age, of_status, of_severity)) in seeds.iter().enumerate() {
            let mut incident = Incident::new(format!("{index}"), "x", STATUSES[*of_status], SEVERITIES[*of_severity]);
            incident.created_at = age.map(ago);
            memory.seed_incident(incident);
            let passes = status.is_none_or(|status| status == *of_status)
                && severity.is_none_or(|severity| severity == *of_severity)
                && since.is_none_or(|since| age.is_some_and(|age| age <= since));
            if passes {
                expected.push((age.unwrap_or(u64::MAX), Reverse(index)));
            }
        }
        expected.sort();
        let expected: Vec<_> = expected.into_iter().map(|(_, Reverse(index))| index.to_string()).collect();

        let mut found = Vec::new();
        let mut opened = 0;
        for (limit, new) in pages.into_iter().cycle() {
            query.limit = Some(limit);
            let page = runtime.block_on(IncidentReader::query(&memory, &cx(), &query)).unwrap();
            prop_assert!(page.items.len() <= limit as usize);
            found.extend(page.items.into_iter().map(|incident| incident.id.to_string()));
            prop_assert!(found.len() <= expected.len(), "an item comes twice");
            for _ in 0..new {
                opened += 1;
                let incident = Incident::new(format!("new-{opened}"), "x", STATUSES[0], SEVERITIES[0]);
                memory.seed_incident(incident.created_at(now));
            }
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        prop_assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn pages_by_name_do_not_repeat_when_a_name_comes_before_the_cursor() {
    let memory = MemoryProvider::new(ManualClock::default());
    ["b", "d", "b"].iter().enumerate().for_each(|(id, name)| memory.seed_service(Service::new(id.to_string(), *name)));
    let first = done(ServiceReader::query(&memory, &cx(), &ServiceQuery::new().limit(1)).await);
    memory.seed_service(Service::new("3", "a"));
    memory.seed_service(Service::new("4", "c"));
    let rest = ServiceQuery::new().after(first.next.unwrap());
    let rest = done(ServiceReader::query(&memory, &cx(), &rest).await);
    let ids: Vec<_> = first.items.iter().chain(&rest.items).map(|service| service.id.as_str()).collect();
    assert_eq!(ids, ["0", "2", "4", "1"]);
    assert!(rest.is_complete());
}
