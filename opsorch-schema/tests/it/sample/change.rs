//! What callers change.

use opsorch_schema::*;

use super::{Sample, time, url, value};

impl Sample for CreateIncident {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("api is down"))
            .description(text("since the last deployment"))
            .status(text("triggered"))
            .severity(text("sev1"))
            .service(text("api"))
            .field(text("priority"), value(end))
            .metadata(text("from"), value(end))
    }

    fn minimal() -> Self {
        Self::new("api is down")
    }
}

impl Sample for UpdateIncident {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("I-1"))
            .title(text("api is slow"))
            .description(text(""))
            .status(text("monitoring"))
            .severity(text("sev3"))
            .service(text("gateway"))
            .field(text("priority"), value(end))
            .metadata(text("from"), value(end))
    }

    fn minimal() -> Self {
        Self::new("I-1")
    }
}

impl Sample for TimelineAppend {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("I-1"), text("note"), text("rolled back"))
            .at(time(1))
            .actor(text("name"), text("Alice"))
            .metadata(text("from"), value(end))
    }

    fn minimal() -> Self {
        Self::new("I-1", "note", "rolled back")
    }
}

impl Sample for RaiseAlert {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("disk/db-1"), text("disk full"), text("P2"))
            .description(text("no space left"))
            .service(text("db"))
            .source(text("db-1"))
            .field(text("mount"), value(end))
            .metadata(text("class"), value(end))
    }

    fn minimal() -> Self {
        Self::new("disk/db-1", "disk full", SeverityLevel::High)
    }
}

impl Sample for AcknowledgeAlert {
    fn full(end: &str) -> Self {
        Self::new(format!("A-1{end}")).reason(format!("on it{end}"))
    }

    fn minimal() -> Self {
        Self::new("A-1")
    }
}

impl Sample for ResolveAlert {
    fn full(end: &str) -> Self {
        Self::new(format!("A-1{end}")).reason(format!("disk replaced{end}"))
    }

    fn minimal() -> Self {
        Self::new("A-1")
    }
}

impl Sample for SilenceAlert {
    fn full(end: &str) -> Self {
        Self::new(format!("A-1{end}"), time(1)).reason(format!("maintenance{end}"))
    }

    fn minimal() -> Self {
        Self::new("A-1", time(1))
    }
}

impl Sample for CreateTicket {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("add a disk"))
            .description(text("db-1 needs one"))
            .field(text("priority"), value(end))
            .metadata(text("project"), value(end))
    }

    fn minimal() -> Self {
        Self::new("add a disk")
    }
}

impl Sample for UpdateTicket {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("10012"))
            .title(text("add two disks"))
            .description(text(""))
            .status(text("Done"))
            .assignees([text("alice"), text("bob")])
            .field(text("priority"), value(end))
            .metadata(text("notify"), value(end))
    }

    fn minimal() -> Self {
        Self::new("10012")
    }
}

impl Sample for CommentTicket {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("10012"), text("ordered")).metadata(text("visibility"), value(end))
    }

    fn minimal() -> Self {
        Self::new("10012", "ordered")
    }
}

impl Sample for Message {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("#ops"), text("disk full on db-1"))
            .metadata(text("unfurl"), value(end))
            .thread_ref(text("1700000000.000100"))
            .block(Block::header(text("Disk full")))
            .block(Block::full(end))
            .block(Block::divider())
    }

    fn minimal() -> Self {
        Self::new("#ops", "disk full on db-1")
    }
}

impl Sample for Block {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("section")).text(text("no space left")).field(text("host"), text("db-1"))
    }

    fn minimal() -> Self {
        Self::divider()
    }
}

impl Sample for UpdateMessage {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("1700000000.000100"), text("C024BE91L"), text("disk replaced"))
            .block(Block::section(text("all good")))
            .metadata(text("unfurl"), value(end))
    }

    fn minimal() -> Self {
        Self::new("1700000000.000100", "C024BE91L", "disk replaced")
    }
}

impl Sample for RecordDeployment {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("api"), text("production"), text("v1.4.2"), text("succeeded"))
            .started_at(time(1))
            .finished_at(time(2))
            .url(url("deployments/7"))
            .field(text("sha"), value(end))
            .metadata(text("pipeline"), value(end))
    }

    fn minimal() -> Self {
        Self::new("api", "production", "v1.4.2", "running")
    }
}

impl Sample for StartRun {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("P-1")).field(text("region"), value(end)).metadata(text("from"), value(end))
    }

    fn minimal() -> Self {
        Self::new("P-1")
    }
}

impl Sample for CompleteStep {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("R-1"), text("check")).actor(text("alice")).note(text("calm"))
    }

    fn minimal() -> Self {
        Self::new("R-1", "check")
    }
}

impl Sample for CancelRun {
    fn full(end: &str) -> Self {
        Self::new(format!("R-1{end}")).reason(format!("not needed{end}"))
    }

    fn minimal() -> Self {
        Self::new("R-1")
    }
}
