//! Incidents.

use opsorch::{Error, Fields, Incident, IncidentStatus, IncidentStatusLevel, Result, Severity, SeverityLevel};

use crate::datadog::api::Datadog;
use crate::datadog::wire::incident as wire;
use crate::datadog::wire::resource::User;
use crate::fields::put;

/// Datadog's words for states, each after the one that a status is written as.
const STATES: [(&str, IncidentStatusLevel); 4] = [
    ("active", IncidentStatusLevel::Open),
    ("stable", IncidentStatusLevel::Mitigated),
    ("resolved", IncidentStatusLevel::Resolved),
    ("completed", IncidentStatusLevel::Resolved),
];

/// Datadog's words for severities, each after the one that a severity is written as.
const SEVERITIES: [(&str, SeverityLevel); 7] = [
    ("SEV-1", SeverityLevel::Critical),
    ("SEV-0", SeverityLevel::Critical),
    ("SEV-2", SeverityLevel::High),
    ("SEV-3", SeverityLevel::Medium),
    ("SEV-4", SeverityLevel::Low),
    ("SEV-5", SeverityLevel::Info),
    (UNKNOWN, SeverityLevel::Unknown),
];

/// Datadog's word for a severity that nobody has judged yet.
const UNKNOWN: &str = "UNKNOWN";

/// The organization's own field that says at length what is wrong.
pub(in crate::datadog) const SUMMARY: &str = "summary";

/// The one that names the services.
pub(in crate::datadog) const SERVICES: &str = "services";

/// Those that have a place of their own.
pub(in crate::datadog) const PLACED: [(&str, &str); 4] =
    [("state", "status"), ("severity", "severity"), (SUMMARY, "description"), (SERVICES, "service")];

/// An incident, and the people who are named in what was read with it.
pub(in crate::datadog) fn incident(datadog: &Datadog, incident: wire::Incident, people: &[User]) -> Incident {
    let wire::Incident { id, attributes, relationships } = incident;
    let state = attributes.state.as_deref().filter(|word| !word.is_empty()).or(attributes.field("state"));
    let severity = attributes.severity.as_deref().filter(|word| !word.is_empty()).or(attributes.field("severity"));
    let title = attributes.title.as_deref().unwrap_or_default();
    let mut mapped = Incident::new(&*id, title, status(state), severity_of(severity));
    mapped.status_raw = state.map(str::to_owned);
    mapped.severity_raw = severity.map(str::to_owned);
    mapped.description = attributes.field(SUMMARY).map(str::to_owned);
    mapped.service = attributes.field_values(SERVICES).next().map(str::to_owned);
    mapped.created_at = attributes.created;
    mapped.updated_at = attributes.modified;
    let shown = attributes.public_id.map_or_else(|| id.clone(), |number| number.to_string());
    mapped.url = Some(datadog.page(&["incidents", &shown], &[]));
    let commander = relationships.commander_user.id();
    mapped.fields = fields(&attributes, commander);
    mapped.metadata = datadog.metadata();
    let metadata = &mut mapped.metadata;
    put(metadata, "public_id", attributes.public_id);
    put(metadata, "customer_impacted", attributes.customer_impacted);
    put(metadata, "detected", attributes.detected);
    put(metadata, "resolved", attributes.resolved);
    put(metadata, "incident_type_uuid", attributes.incident_type_uuid);
    put(metadata, "is_test", attributes.is_test.filter(|is_test| *is_test));
    put(metadata, "commander", people.iter().find(|user| Some(&*user.id) == commander).map(person));
    mapped
}

/// What is given back as it was set.
fn fields(attributes: &wire::Attributes, commander: Option<&str>) -> Fields {
    let mut fields = Fields::new();
    let own = attributes.fields.iter().filter(|(name, _)| !PLACED.iter().any(|(placed, _)| placed == name));
    own.for_each(|(name, field)| put(&mut fields, name, field.as_ref().map(|field| &field.value)));
    // One service has its place; several have not.
    let services: Vec<&str> = attributes.field_values(SERVICES).collect();
    put(&mut fields, SERVICES, Some(services).filter(|services| services.len() > 1));
    put(&mut fields, "customer_impacted", attributes.customer_impacted);
    put(&mut fields, "customer_impact_scope", &attributes.customer_impact_scope);
    put(&mut fields, "customer_impact_start", attributes.customer_impact_start);
    put(&mut fields, "customer_impact_end", attributes.customer_impact_end);
    put(&mut fields, "detected", attributes.detected);
    put(&mut fields, "commander", commander);
    let handles: Vec<&str> = attributes.notification_handles.iter().filter_map(|it| it.handle.as_deref()).collect();
    put(&mut fields, "notification_handles", handles);
    fields
}

fn person(user: &User) -> Fields {
    let mut fields = Fields::new();
    put(&mut fields, "id", &user.id);
    put(&mut fields, "name", &user.attributes.name);
    put(&mut fields, "email", &user.attributes.email);
    put(&mut fields, "handle", &user.attributes.handle);
    fields
}

/// The word of the closed set, or Datadog's own where it is in no table.
fn status(raw: Option<&str>) -> IncidentStatus {
    let own = IncidentStatus::new(raw.unwrap_or_default());
    match (own.level(), raw) {
        (IncidentStatusLevel::Unknown, Some(_)) => own,
        (level, _) => level.into(),
    }
}

fn severity_of(raw: Option<&str>) -> Severity {
    let own = Severity::new(raw.unwrap_or_default());
    match (own.level(), raw) {
        (SeverityLevel::Unknown, Some(word)) if word != UNKNOWN => own,
        (level, _) => level.into(),
    }
}

/// The states that statuses are looked for by: all four for none. A word that no state can be finds nothing.
pub(in crate::datadog) fn states(statuses: &[IncidentStatus]) -> Vec<String> {
    if statuses.is_empty() {
        return STATES.map(|(word, _)| word.to_owned()).into();
    }
    let mut states = Vec::new();
    for status in statuses {
        match status.level() {
            IncidentStatusLevel::Unknown => states.push(status.as_str().trim().to_lowercase()),
            level => states.extend(STATES.iter().filter(|(_, its)| *its == level).map(|(word, _)| (*word).to_owned())),
        }
    }
    states.retain(|word| is_state(word));
    states.sort();
    states.dedup();
    states
}

/// Whether a word can stand in a search as a state.
pub(in crate::datadog) fn is_state(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// The severities that are looked for. An organization may have ten of them, beginning with `SEV-0` or `SEV-1`
/// (<https://docs.datadoghq.com/service_management/incident_management/incident_settings/information>).
pub(in crate::datadog) fn severities(wanted: &[Severity]) -> Vec<String> {
    let is_meant = |word: &str, level: SeverityLevel| {
        wanted.iter().any(|one| match one.level() {
            SeverityLevel::Unknown => one.as_str().trim().eq_ignore_ascii_case(word),
            its => its == level,
        })
    };
    let known = SEVERITIES.iter().filter(|(word, level)| is_meant(word, *level)).map(|(word, _)| (*word).to_owned());
    let is_lower = |number: &u8| (6..=10).contains(number);
    let lower = wanted.iter().filter_map(|one| {
        let number = one.as_str().trim().to_uppercase().strip_prefix("SEV-")?.parse().ok().filter(is_lower)?;
        Some(format!("SEV-{number}"))
    });
    known.chain(lower).collect()
}

/// The state that a status is written as.
///
/// # Errors
/// `Unsupported` for what no state stands for.
pub(in crate::datadog) fn state_for(status: &IncidentStatus) -> Result<&'static str> {
    let named = |(word, _): &&(&str, _)| word.eq_ignore_ascii_case(status.as_str().trim());
    let leveled = |(_, level): &&(&str, _)| *level == status.level();
    let found = STATES.iter().find(named).or_else(|| STATES.iter().find(leveled));
    found.map(|(word, _)| *word).ok_or_else(|| {
        let known = STATES.map(|(word, _)| word).join(", ");
        Error::unsupported(format!("Datadog has no state for the status `{status}`; its states are: {known}"))
    })
}

/// The severity that one is written as.
///
/// # Errors
/// `Unsupported` for what Datadog has no word for.
pub(in crate::datadog) fn severity_for(severity: &Severity) -> Result<&'static str> {
    let named = |(word, _): &&(&str, _)| word.eq_ignore_ascii_case(severity.as_str().trim());
    let leveled = |(_, level): &&(&str, _)| *level == severity.level() && *level != SeverityLevel::Unknown;
    let found = SEVERITIES.iter().find(named).or_else(|| SEVERITIES.iter().find(leveled));
    found.map(|(word, _)| *word).ok_or_else(|| {
        let known = SEVERITIES.map(|(word, _)| word).join(", ");
        Error::unsupported(format!("Datadog has no severity `{severity}`; it has: {known}"))
    })
}
