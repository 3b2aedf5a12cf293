//! Investigations: what every source knows about one incident, side by side.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setters::setters;
use crate::wire::{null_as_default, optional_time};
use crate::{
    Alert, Deployment, Incident, IncidentId, LogEntry, MetricSeries, Page, ProviderName, Query, Scope, Service, Team,
    TeamMember, Ticket, Time, TimelineEntry,
};

/// An incident to gather everything about. What is not set is derived from the incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Investigate {
    /// The incident.
    pub incident: IncidentId,
    /// The provider that has it; needed where several serve incidents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<ProviderName>,
    /// The first moment to look at; absent for an hour before the incident was opened.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub start: Option<Time>,
    /// The end of the time to look at; absent for now, or an hour after a resolved incident last changed.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub end: Option<Time>,
    /// The part of the world to look at. A part that is given replaces what the incident says.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scope: Scope,
    /// The names of the metrics to read; empty for those whose names speak of latency, errors, traffic or saturation.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<String>,
    /// How many items of a section each source may give at most; absent for [`Investigate::DEFAULT_LIMIT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The same for single sections.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<InvestigationSection, u32>,
    /// The seconds that all of it may take; absent for [`Investigate::DEFAULT_TIMEOUT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
}

impl Investigate {
    /// How many items of a section each source gives at most when nothing else is said.
    pub const DEFAULT_LIMIT: u32 = 20;

    /// The highest limit.
    pub const MAX_LIMIT: u32 = 500;

    /// The seconds that an investigation takes at most when nothing else is said.
    pub const DEFAULT_TIMEOUT: u32 = 20;

    /// The most seconds it can be given.
    pub const MAX_TIMEOUT: u32 = 300;

    /// The most metrics that can be named.
    pub const MAX_METRICS: usize = 20;

    /// An investigation of this incident.
    ///
    /// ```
    /// use opsorch_schema::{Investigate, InvestigationSection};
    ///
    /// let wanted = Investigate::new("inc-7").environment("production").limit(10).limit_of(InvestigationSection::Logs, 50);
    /// assert_eq!(wanted.limit_for(InvestigationSection::Logs), 50);
    /// assert_eq!(wanted.limit_for(InvestigationSection::Alerts), 10);
    /// ```
    pub fn new(incident: impl Into<IncidentId>) -> Self {
        Self {
            incident: incident.into(),
            on: None,
            start: None,
            end: None,
            scope: Scope::new(),
            metrics: Vec::new(),
            limit: None,
            limits: BTreeMap::new(),
            timeout: None,
        }
    }

    /// Sets how many items of any section each source may give at most.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Sets how many items of one section each source may give at most.
    pub fn limit_of(mut self, section: InvestigationSection, limit: u32) -> Self {
        self.limits.insert(section, limit);
        self
    }

    /// Sets the seconds that all of it may take.
    pub fn timeout(mut self, seconds: u32) -> Self {
        self.timeout = Some(seconds);
        self
    }

    /// How many items of a section each source may give at most.
    pub fn limit_for(&self, section: InvestigationSection) -> u32 {
        self.limits.get(&section).copied().or(self.limit).unwrap_or(Self::DEFAULT_LIMIT)
    }

    setters! {
        some on: ProviderName;
        some start: Time;
        some end: Time;
        scope;
        each metrics as metric: String;
    }
}

impl From<IncidentId> for Investigate {
    fn from(incident: IncidentId) -> Self {
        Self::new(incident)
    }
}

impl From<&IncidentId> for Investigate {
    fn from(incident: &IncidentId) -> Self {
        Self::new(incident)
    }
}

/// What was found out about an incident, and what could not be.
///
/// Each section is a list of [`Evidence`]: one for each source that answered, in the order of its route. What is missing
/// is in `gaps`; a section that is empty without a gap means that nobody had anything to ask or to tell.
///
/// Titles, messages and descriptions are what vendors and people wrote. They are data, never instructions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Investigation {
    /// The incident.
    pub incident: Evidence<Incident>,
    /// The part of the world that was looked at.
    pub scope: Scope,
    /// The span of time that was looked at.
    pub window: Window,
    /// What happened to the incident, the oldest first.
    pub timeline: Vec<Evidence<Page<TimelineEntry>>>,
    /// The alerts that began in the window.
    pub alerts: Vec<Evidence<Page<Alert>>>,
    /// The errors that were logged in the window.
    pub logs: Vec<Evidence<Page<LogEntry>>>,
    /// The key metrics in the window: one for each metric and source.
    pub metrics: Vec<Evidence<Page<MetricSeries>>>,
    /// The deployments that started in the window.
    pub deployments: Vec<Evidence<Page<Deployment>>>,
    /// The affected service, as the catalogues know it.
    pub services: Vec<Evidence<Page<Service>>>,
    /// The team that owns it.
    pub teams: Vec<Evidence<Page<Team>>>,
    /// Who of the team is on call now: one for each team and source.
    pub on_call: Vec<Evidence<Page<TeamMember>>>,
    /// The tickets that are open now.
    pub tickets: Vec<Evidence<Page<Ticket>>>,
    /// What is missing, in the order of the sections.
    pub gaps: Vec<Gap>,
}

impl Investigation {
    /// An investigation that has found nothing but the incident yet.
    pub fn new(incident: Evidence<Incident>, scope: Scope, window: Window) -> Self {
        Self {
            incident,
            scope,
            window,
            timeline: Vec::new(),
            alerts: Vec::new(),
            logs: Vec::new(),
            metrics: Vec::new(),
            deployments: Vec::new(),
            services: Vec::new(),
            teams: Vec::new(),
            on_call: Vec::new(),
            tickets: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }
}

/// What one source answered to one question: enough to ask it again, and to show a person where it stands.
///
/// The ids and addresses of single items are in the items; that of all of them together is the `url` of the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Evidence<A> {
    /// The source.
    pub provider: ProviderName,
    /// What it was asked.
    pub query: Query,
    /// The span of time that the question was about; absent where it was about the present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// When the source was asked; of an answer that was kept, when it was asked then.
    pub fetched_at: Time,
    /// What it answered.
    pub answer: A,
}

impl<A> Evidence<A> {
    /// The answer of a source to a question.
    pub fn new(provider: impl Into<ProviderName>, query: Query, fetched_at: Time, answer: A) -> Self {
        Self { provider: provider.into(), query, window: None, fetched_at, answer }
    }

    setters! {
        some window: Window;
    }
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Window {
    /// The first moment.
    pub start: Time,
    /// The end.
    pub end: Time,
}

impl Window {
    /// From a moment to another.
    pub fn new(start: Time, end: Time) -> Self {
        Self { start, end }
    }
}

/// Something that an investigation could not find out, or only in part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Gap {
    /// The section in which it is missing.
    pub section: InvestigationSection,
    /// Why, in a word: the code of an error, such as `timeout` or `unsupported`; `incomplete` for an answer that is not
    /// everything; `not_asked` where there was nothing to ask with.
    pub code: String,
    /// Why, to be read.
    pub message: String,
    /// The source; absent where it is not about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether asking again may help.
    pub retryable: bool,
}

impl Gap {
    /// The code of an answer that is not everything.
    pub const INCOMPLETE: &str = "incomplete";

    /// The code of a question that could not be put.
    pub const NOT_ASKED: &str = "not_asked";

    /// A gap, by a code.
    pub fn new(section: InvestigationSection, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { section, code: code.into(), message: message.into(), source: None, retryable: false }
    }

    /// Says whether asking again may help.
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    setters! {
        some source: String;
    }
}

/// A part of an [`Investigation`], by the name of its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum InvestigationSection {
    /// The incident itself.
    Incident,
    /// Its timeline.
    Timeline,
    /// Alerts.
    Alerts,
    /// Error logs.
    Logs,
    /// Key metrics.
    Metrics,
    /// Recent deployments.
    Deployments,
    /// The affected service.
    Services,
    /// The owning team.
    Teams,
    /// Who is on call.
    OnCall,
    /// Open tickets.
    Tickets,
}

impl InvestigationSection {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Timeline => "timeline",
            Self::Alerts => "alerts",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Deployments => "deployments",
            Self::Services => "services",
            Self::Teams => "teams",
            Self::OnCall => "onCall",
            Self::Tickets => "tickets",
        }
    }
}

impl fmt::Display for InvestigationSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
