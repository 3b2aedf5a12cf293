//! What providers answer.

use opsorch_schema::*;

use super::{Sample, time, url, value};

impl Sample for Incident {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        let mut incident = Self::new(text("I-1"), text("api is down"), text("triggered"), text("SEV-1"))
            .description(text("since the last deployment"))
            .service(text("api"))
            .url(url("incidents/I-1"))
            .created_at(time(1))
            .updated_at(time(2))
            .field(text("priority"), value(end))
            .metadata(text("incidentKey"), value(end))
            .status_raw(text("TRIGGERED"))
            .severity_raw(text("urgent"));
        incident.provider = Some(text("pagerduty").into());
        incident
    }

    fn minimal() -> Self {
        Self::new("I-1", "api is down", IncidentStatusLevel::Open, SeverityLevel::Critical)
    }
}

impl Sample for TimelineEntry {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        let mut entry = Self::new(text("E-1"), text("I-1"), text("note"), text("rolled back"))
            .at(time(1))
            .actor(text("name"), text("Alice"))
            .metadata(text("channel"), value(end));
        entry.provider = Some(text("pagerduty").into());
        entry
    }

    fn minimal() -> Self {
        Self::new("E-1", "I-1", "note", "rolled back")
    }
}

impl Sample for Alert {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        let mut alert = Self::new(text("A-1"), text("disk full"), text("active"), text("page"))
            .description(text("no space left"))
            .service(text("db"))
            .url(url("alerts/A-1"))
            .created_at(time(1))
            .updated_at(time(2))
            .field(text("labels"), value(end))
            .metadata(text("fingerprint"), value(end))
            .status_raw(text("ACTIVE"))
            .severity_raw(text("P1"));
        alert.provider = Some(text("alertmanager").into());
        alert
    }

    fn minimal() -> Self {
        Self::new("A-1", "disk full", AlertStatusLevel::Firing, SeverityLevel::High)
    }
}

impl Sample for LogEntry {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        let mut entry = Self::new(time(1), text("connection refused"))
            .severity(text("ERROR"))
            .service(text("api"))
            .label(text("region"), text("eu"))
            .field(text("attempt"), value(end))
            .metadata(text("index"), value(end))
            .severity_raw(text("3"));
        entry.provider = Some(text("elastic").into());
        entry
    }

    fn minimal() -> Self {
        Self::new(time(1), "connection refused")
    }
}

impl Sample for MetricSeries {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        let points = vec![MetricPoint::full(end), MetricPoint::new(time(2), -0.5).unwrap()];
        let mut series = Self::new(text("http_requests_total"), points)
            .service(text("api"))
            .label(text("code"), value(end))
            .url(url("graph"))
            .metadata(text("query"), value(end));
        series.provider = Some(text("prometheus").into());
        series
    }

    fn minimal() -> Self {
        Self::new("up", Vec::new())
    }
}

impl Sample for MetricPoint {
    fn full(_: &str) -> Self {
        Self::new(time(1), 1.0).unwrap()
    }

    fn minimal() -> Self {
        Self::new(time(1), 0.1).unwrap()
    }
}

impl Sample for MetricDescriptor {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        let mut descriptor = Self::new(text("http_requests_total"), text("counter"))
            .description(text("requests so far"))
            .label(text("code"))
            .label(text("method"))
            .unit(text("requests"))
            .url(url("graph"))
            .metadata(text("help"), value(end));
        descriptor.provider = Some(text("prometheus").into());
        descriptor
    }

    fn minimal() -> Self {
        Self::new("up", MetricKindLevel::Unknown)
    }
}

impl Sample for Ticket {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        let mut ticket = Self::new(text("10012"), text("add a disk"), text("In Progress"))
            .key(text("OPS-12"))
            .description(text("db-1 needs one"))
            .assignee(text("alice"))
            .assignee(text("bob"))
            .reporter(text("carol"))
            .url(url("browse/OPS-12"))
            .created_at(time(1))
            .updated_at(time(2))
            .field(text("labels"), value(end))
            .metadata(text("issueType"), value(end))
            .status_raw(text("Doing"));
        ticket.provider = Some(text("jira").into());
        ticket
    }

    fn minimal() -> Self {
        Self::new("10012", "add a disk", TicketStatusLevel::InProgress)
    }
}

impl Sample for Comment {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        let mut comment = Self::new(text("C-1"), text("10012"), text("ordered"))
            .author(text("alice"))
            .created_at(time(1))
            .url(url("browse/OPS-12#C-1"))
            .metadata(text("visibility"), value(end));
        comment.provider = Some(text("jira").into());
        comment
    }

    fn minimal() -> Self {
        Self::new("C-1", "10012", "ordered")
    }
}

impl Sample for MessageResult {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        let mut result = Self::new(text("1700000000.000100"), text("C024BE91L"))
            .sent_at(time(1))
            .url(url("archives/C024BE91L"))
            .metadata(text("team"), value(end));
        result.provider = Some(text("slack").into());
        result
    }

    fn minimal() -> Self {
        Self::new("1700000000.000100", "C024BE91L")
    }
}

impl Sample for Service {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        let mut service = Self::new(text("S-1"), text("api"))
            .url(url("services/S-1"))
            .tag(text("tier"), text("1"))
            .metadata(text("summary"), value(end));
        service.provider = Some(text("pagerduty").into());
        service
    }

    fn minimal() -> Self {
        Self::new("S-1", "api")
    }
}

impl Sample for Deployment {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        let mut deployment = Self::new(text("D-1"), text("success"))
            .service(text("api"))
            .environment(text("production"))
            .version(text("v1.2.3"))
            .started_at(time(1))
            .finished_at(time(2))
            .url(url("runs/D-1"))
            .actor(text("login"), text("alice"))
            .field(text("branch"), value(end))
            .metadata(text("attempt"), value(end))
            .status_raw(text("completed"));
        deployment.provider = Some(text("github").into());
        deployment
    }

    fn minimal() -> Self {
        Self::new("D-1", DeploymentStatusLevel::Running)
    }
}

impl Sample for Team {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        let mut team = Self::new(text("T-1"), text("platform"))
            .parent(text("T-0"))
            .url(url("teams/T-1"))
            .tag(text("region"), text("eu"))
            .metadata(text("privacy"), value(end));
        team.provider = Some(text("github").into());
        team
    }

    fn minimal() -> Self {
        Self::new("T-1", "platform")
    }
}

impl Sample for TeamMember {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        let mut member = Self::new(text("M-1"))
            .name(text("Alice"))
            .email(text("alice@example.com"))
            .handle(text("al"))
            .role(text("oncall"))
            .metadata(text("until"), value(end));
        member.provider = Some(text("pagerduty").into());
        member
    }

    fn minimal() -> Self {
        Self::new("M-1")
    }
}

impl Sample for Plan {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        let mut plan = Self::new(text("P-1"), text("fail over"))
            .description(text("to the other region"))
            .step(Step::full(end))
            .url(url("plans/P-1"))
            .version(text("3"))
            .tag(text("team"), text("platform"))
            .field(text("owner"), value(end))
            .metadata(text("source"), value(end));
        plan.provider = Some(text("runbooks").into());
        plan
    }

    fn minimal() -> Self {
        Self::new("P-1", "fail over")
    }
}

impl Sample for Step {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("check"), text("look at the dashboard"))
            .kind(text("observe"))
            .description(text("is it calm?"))
            .depends_on(text("drain"))
            .depends_on(text("switch"))
            .field(text("dashboard"), value(end))
            .metadata(text("source"), value(end))
    }

    fn minimal() -> Self {
        Self::new("check", "look at the dashboard")
    }
}

impl Sample for Run {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        let mut run = Self::new(text("R-1"), text("P-1"), text("running"))
            .plan(Plan::minimal())
            .service(text("api"))
            .team(text("platform"))
            .environment(text("production"))
            .step(StepState::full(end))
            .created_at(time(1))
            .updated_at(time(2))
            .url(url("runs/R-1"))
            .field(text("reason"), value(end))
            .metadata(text("source"), value(end))
            .status_raw(text("RUNNING"));
        run.provider = Some(text("runbooks").into());
        run
    }

    fn minimal() -> Self {
        Self::new("R-1", "P-1", RunStatusLevel::Created)
    }
}

impl Sample for StepState {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("check"), text("succeeded"))
            .actor(text("alice"))
            .note(text("calm"))
            .started_at(time(1))
            .finished_at(time(2))
            .updated_at(time(3))
            .field(text("screenshot"), value(end))
            .metadata(text("source"), value(end))
    }

    fn minimal() -> Self {
        Self::new("check", StepStatusLevel::Pending)
    }
}

impl Sample for SourceFailure {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("jira-eu"), text("timeout"), text("no answer in 30 s")).retryable(true)
    }

    fn minimal() -> Self {
        Self::new("jira-eu", "forbidden", "the token may not read tickets")
    }
}

impl<T: Sample> Sample for Page<T> {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(vec![T::full(end), T::minimal()])
            .next(Some(Cursor::new(text("page-2"))))
            .truncated(text("the vendor stops at 10 000 items"))
            .warning(text("the step was widened to 5 minutes"))
            .failure(SourceFailure::full(end))
            .duplicate(Duplicate::new(
                Origin::new(text("pagerduty"), Some(text("S-1"))),
                Origin::new(text("local"), None),
                text("service: name"),
            ))
            .url(Some(url("search")))
    }

    fn minimal() -> Self {
        Self::new(Vec::new())
    }
}
