//! What callers ask.

use opsorch_schema::*;

use super::{Sample, time, value};

impl Sample for Scope {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new().service(text("api")).team(text("platform")).environment(text("production"))
    }

    fn minimal() -> Self {
        Self::new()
    }
}

impl Sample for IncidentQuery {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::open()
            .query(text("disk"))
            .status(text("triggered"))
            .severity(text("P1"))
            .severity(SeverityLevel::High)
            .service(text("api"))
            .team(text("platform"))
            .environment(text("production"))
            .since(time(1))
            .until(time(2))
            .limit(20)
            .after(Cursor::new(text("page-2")))
            .metadata(text("serviceId"), value(end))
    }

    fn minimal() -> Self {
        Self::new()
    }
}

impl Sample for AlertQuery {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::firing()
            .query(text("disk"))
            .status(text("alerting"))
            .severity(text("page"))
            .service(text("db"))
            .team(text("platform"))
            .environment(text("production"))
            .since(time(1))
            .until(time(2))
            .limit(20)
            .after(Cursor::new(text("page-2")))
            .metadata(text("receiver"), value(end))
    }

    fn minimal() -> Self {
        Self::new()
    }
}

impl Sample for LogQuery {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(time(1), time(2))
            .search(text("refused"))
            .filter(text("region"), LogOperatorLevel::NotEquals, text("eu"))
            .filter(text("path"), text("startsWith"), text("/v1"))
            .severity(LogSeverityLevel::Error)
            .severity(text("FATAL"))
            .service(text("api"))
            .team(text("platform"))
            .environment(text("production"))
            .limit(1000)
            .after(Cursor::new(text("page-2")))
            .metadata(text("index"), value(end))
    }

    fn minimal() -> Self {
        Self::new(time(1), time(2))
    }
}

impl Sample for LogExpression {
    fn full(end: &str) -> Self {
        LogQuery::full(end).expression.unwrap()
    }

    fn minimal() -> Self {
        Self::new()
    }
}

impl Sample for LogFilter {
    fn full(end: &str) -> Self {
        Self::new(format!("region{end}"), format!("~{end}"), format!("eu{end}"))
    }

    fn minimal() -> Self {
        Self::new("region", LogOperatorLevel::Contains, "")
    }
}

impl Sample for MetricQuery {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new(text("http_requests_total"), time(1), time(2))
            .step(60)
            .aggregation(AggregationLevel::Sum)
            .filter(text("code"), MetricOperatorLevel::Matches, text("5.."))
            .filter(text("method"), text("in"), text("GET"))
            .group_by(text("region"))
            .group_by(text("service"))
            .service(text("api"))
            .team(text("platform"))
            .environment(text("production"))
            .limit(50)
            .after(Cursor::new(text("page-2")))
            .metadata(text("tenant"), value(end))
    }

    fn minimal() -> Self {
        let mut query = Self::new("", time(1), time(2));
        query.expression = None;
        query
    }
}

impl Sample for MetricExpression {
    fn full(end: &str) -> Self {
        MetricQuery::full(end).aggregation(format!("p99{end}")).expression.unwrap()
    }

    fn minimal() -> Self {
        Self::new("up")
    }
}

impl Sample for MetricFilter {
    fn full(end: &str) -> Self {
        Self::new(format!("code{end}"), format!("in{end}"), format!("5..{end}"))
    }

    fn minimal() -> Self {
        Self::new("code", MetricOperatorLevel::NotMatches, "")
    }
}

impl Sample for TicketQuery {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::open()
            .query(text("disk"))
            .status(text("Selected for Development"))
            .assignee(text("alice"))
            .assignee(text("bob"))
            .reporter(text("carol"))
            .service(text("db"))
            .team(text("platform"))
            .environment(text("production"))
            .since(time(1))
            .until(time(2))
            .limit(20)
            .after(Cursor::new(text("page-2")))
            .metadata(text("project"), value(end))
    }

    fn minimal() -> Self {
        Self::new()
    }
}

impl Sample for ServiceQuery {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new()
            .id(text("S-1"))
            .id(text("S-2"))
            .name(text("api"))
            .tag(text("tier"), text("1"))
            .limit(20)
            .after(Cursor::new(text("page-2")))
            .service(text("api"))
            .team(text("platform"))
            .environment(text("production"))
            .metadata(text("include"), value(end))
    }

    fn minimal() -> Self {
        Self::new()
    }
}

impl Sample for DeploymentQuery {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new()
            .query(text("release"))
            .status(DeploymentStatusLevel::Failed)
            .status(text("timed_out"))
            .version(text("v1.2.3"))
            .service(text("api"))
            .team(text("platform"))
            .environment(text("production"))
            .since(time(1))
            .until(time(2))
            .limit(20)
            .after(Cursor::new(text("page-2")))
            .metadata(text("branch"), value(end))
    }

    fn minimal() -> Self {
        Self::new()
    }
}

impl Sample for TeamQuery {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new()
            .name(text("platform"))
            .tag(text("region"), text("eu"))
            .service(text("api"))
            .team(text("platform"))
            .environment(text("production"))
            .limit(20)
            .after(Cursor::new(text("page-2")))
            .metadata(text("organization"), value(end))
    }

    fn minimal() -> Self {
        Self::new()
    }
}

impl Sample for PlanQuery {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new()
            .query(text("fail over"))
            .service(text("api"))
            .team(text("platform"))
            .environment(text("production"))
            .tag(text("region"), text("eu"))
            .limit(20)
            .after(Cursor::new(text("page-2")))
            .metadata(text("folder"), value(end))
    }

    fn minimal() -> Self {
        Self::new()
    }
}

impl Sample for RunQuery {
    fn full(end: &str) -> Self {
        let text = |word: &str| format!("{word}{end}");
        Self::new()
            .query(text("fail over"))
            .status(RunStatusLevel::Blocked)
            .status(text("waiting"))
            .plan_id(text("P-1"))
            .plan_id(text("P-2"))
            .service(text("api"))
            .team(text("platform"))
            .environment(text("production"))
            .limit(20)
            .after(Cursor::new(text("page-2")))
            .metadata(text("folder"), value(end))
    }

    fn minimal() -> Self {
        Self::new()
    }
}
