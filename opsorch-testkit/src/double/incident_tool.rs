//! An incident tool.

use std::collections::BTreeMap;
use std::sync::Arc;

use opsorch::{Clock, Time};
use serde_json::{Map, Value};

/// An incident tool in memory: incidents with their timeline, and alerts that a key joins.
///
/// Ids are `INC1`, `ALERT1` and so on, times come from the clock. Status and severity are the vendor's own words; a new
/// incident is `triggered`. Nothing is refused but what is not there: a vendor's rules are its wire's to tell.
///
/// ```
/// use opsorch::ManualClock;
/// use opsorch_testkit::double::IncidentTool;
///
/// let mut tool = IncidentTool::new(ManualClock::default());
/// let id = tool.create("disk full").id.clone();
/// tool.update(&id, |incident| incident.status = "acknowledged".to_owned());
/// tool.note(&id, "annotate", "ada", "looking into it");
/// assert_eq!(tool.incident(&id).unwrap().timeline[0].text, "looking into it");
///
/// tool.raise("db-1/disk", "disk full");
/// assert_eq!(tool.raise("db-1/disk", "disk full").count, 2, "one alert, told twice");
/// assert!(tool.resolve("db-1/disk").is_some());
/// assert!(tool.resolve("db-1/disk").is_none(), "nothing is open");
/// assert_eq!(tool.raise("db-1/disk", "disk full").id, "ALERT2");
/// ```
#[derive(Debug)]
pub struct IncidentTool {
    clock: Arc<dyn Clock>,
    first_status: String,
    incidents: Vec<Incident>,
    alerts: Vec<Alert>,
    notes: usize,
    once: BTreeMap<String, String>,
}

/// An incident of an [`IncidentTool`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Incident {
    /// The id, such as `INC1`.
    pub id: String,
    /// The number that people use, from 1.
    pub number: usize,
    /// The title.
    pub title: String,
    /// The vendor's word.
    pub status: String,
    /// The vendor's word.
    pub severity: Option<String>,
    /// Everything else, as the vendor keeps it.
    pub fields: Map<String, Value>,
    /// In the order in which it was written.
    pub timeline: Vec<Note>,
    /// When it was made.
    pub created: Time,
    /// When it last changed; a note is a change.
    pub updated: Time,
}

/// A note in the timeline of an [`Incident`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Note {
    /// Distinct in the whole tool, from `NOTE1`.
    pub id: String,
    /// The vendor's word for what happened, such as `annotate`.
    pub kind: String,
    /// Who wrote it.
    pub author: String,
    /// What it says.
    pub text: String,
    /// When it was written.
    pub created: Time,
}

/// An alert of an [`IncidentTool`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Alert {
    /// The id, such as `ALERT1`.
    pub id: String,
    /// What joins the reports of one trouble.
    pub dedup_key: String,
    /// What it says.
    pub summary: String,
    /// How many times it was raised.
    pub count: usize,
    /// When somebody took it.
    pub acknowledged: Option<Time>,
    /// When it ended.
    pub resolved: Option<Time>,
    /// Everything else, as the vendor keeps it.
    pub fields: Map<String, Value>,
    /// When it was first raised.
    pub created: Time,
    /// When it last changed.
    pub updated: Time,
}

impl IncidentTool {
    /// A tool without incidents and alerts.
    pub fn new(clock: impl Clock) -> Self {
        Self {
            clock: Arc::new(clock),
            first_status: "triggered".to_owned(),
            incidents: Vec::new(),
            alerts: Vec::new(),
            notes: 0,
            once: BTreeMap::new(),
        }
    }

    /// Sets the status of a new incident.
    pub fn first_status(mut self, status: impl Into<String>) -> Self {
        self.first_status = status.into();
        self
    }

    /// Makes an incident.
    pub fn create(&mut self, title: impl Into<String>) -> &mut Incident {
        let (number, now) = (self.incidents.len() + 1, self.clock.now());
        self.incidents.push(Incident {
            id: format!("INC{number}"),
            number,
            title: title.into(),
            status: self.first_status.clone(),
            severity: None,
            fields: Map::new(),
            timeline: Vec::new(),
            created: now,
            updated: now,
        });
        #[allow(clippy::indexing_slicing)] // it was just put there
        &mut self.incidents[number - 1]
    }

    /// Makes an incident, or gives the one that was made with this idempotency key, as it is now.
    pub fn create_once(&mut self, key: &str, title: impl Into<String>) -> &mut Incident {
        let made = self.once.get(key).and_then(|id| self.incidents.iter().position(|known| known.id == *id));
        let place = made.unwrap_or_else(|| {
            let id = self.create(title).id.clone();
            self.once.insert(key.to_owned(), id);
            self.incidents.len() - 1
        });
        #[allow(clippy::indexing_slicing)] // it was found there, or just put there
        &mut self.incidents[place]
    }

    /// The incident of this id.
    pub fn incident(&self, id: &str) -> Option<&Incident> {
        self.incidents.iter().find(|incident| incident.id == id)
    }

    /// The incidents in the order in which they were made.
    pub fn incidents(&self) -> impl DoubleEndedIterator<Item = &Incident> {
        self.incidents.iter()
    }

    /// Changes an incident; it is updated now. `None` where there is none of this id.
    pub fn update(&mut self, id: &str, change: impl FnOnce(&mut Incident)) -> Option<&Incident> {
        let now = self.clock.now();
        let incident = self.incidents.iter_mut().find(|incident| incident.id == id)?;
        change(incident);
        incident.updated = now;
        Some(incident)
    }

    /// Writes into the timeline of an incident; `None` where there is none of this id.
    pub fn note(
        &mut self,
        id: &str,
        kind: impl Into<String>,
        author: impl Into<String>,
        text: impl Into<String>,
    ) -> Option<&Note> {
        let note = Note {
            id: format!("NOTE{}", self.notes + 1),
            kind: kind.into(),
            author: author.into(),
            text: text.into(),
            created: self.clock.now(),
        };
        self.update(id, |incident| incident.timeline.push(note))?;
        self.notes += 1;
        self.incident(id)?.timeline.last()
    }

    /// Raises an alert: one more report of the open alert with this key, or a new one.
    pub fn raise(&mut self, dedup_key: &str, summary: impl Into<String>) -> &mut Alert {
        let now = self.clock.now();
        let place = self.open(dedup_key).unwrap_or_else(|| {
            self.alerts.push(Alert {
                id: format!("ALERT{}", self.alerts.len() + 1),
                dedup_key: dedup_key.to_owned(),
                summary: summary.into(),
                count: 0,
                acknowledged: None,
                resolved: None,
                fields: Map::new(),
                created: now,
                updated: now,
            });
            self.alerts.len() - 1
        });
        #[allow(clippy::indexing_slicing)] // it was found there, or just put there
        let alert = &mut self.alerts[place];
        alert.count += 1;
        alert.updated = now;
        alert
    }

    /// Takes the open alert with this key; `None` where none is open. Taking it again keeps the first time.
    pub fn acknowledge(&mut self, dedup_key: &str) -> Option<&Alert> {
        self.change_open(dedup_key, |alert, now| {
            alert.acknowledged.get_or_insert(now);
        })
    }

    /// Ends the open alert with this key; `None` where none is open.
    pub fn resolve(&mut self, dedup_key: &str) -> Option<&Alert> {
        self.change_open(dedup_key, |alert, now| alert.resolved = Some(now))
    }

    /// The alerts in the order in which they were first raised.
    pub fn alerts(&self) -> impl DoubleEndedIterator<Item = &Alert> {
        self.alerts.iter()
    }

    fn open(&self, dedup_key: &str) -> Option<usize> {
        self.alerts.iter().position(|alert| alert.resolved.is_none() && alert.dedup_key == dedup_key)
    }

    fn change_open(&mut self, dedup_key: &str, change: impl FnOnce(&mut Alert, Time)) -> Option<&Alert> {
        let (place, now) = (self.open(dedup_key)?, self.clock.now());
        let alert = self.alerts.get_mut(place)?;
        change(alert, now);
        alert.updated = now;
        Some(alert)
    }
}
