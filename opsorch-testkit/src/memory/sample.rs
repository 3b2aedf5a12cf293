//! A small plausible world, made from a number.

use std::time::Duration;

use opsorch::{
    Alert, AlertStatusLevel, Clock, Deployment, DeploymentStatusLevel, Incident, IncidentStatusLevel, LogEntry,
    LogSeverityLevel, MetricDescriptor, MetricKindLevel, MetricPoint, MetricSeries, Plan, Service, SeverityLevel, Step,
    StepKindLevel, Team, TeamMember, Ticket, TicketStatusLevel, Time, TimelineEntry,
};

use super::MemoryProvider;

/// Service, and the team that owns it.
const SERVICES: &[(&str, &str)] = &[("api", "platform"), ("checkout", "payments"), ("search", "platform")];
const PEOPLE: &[(&str, &str)] =
    &[("alice", "platform"), ("bob", "platform"), ("carol", "payments"), ("dave", "payments")];
const SYMPTOMS: &[&str] =
    &["latency above 2 s", "disk full", "error rate above 5 %", "certificate expires", "queue grows"];
const SEVERITIES: [SeverityLevel; 3] = [SeverityLevel::Critical, SeverityLevel::High, SeverityLevel::Low];
/// How many of each thing that happens.
const EACH: usize = 6;

impl MemoryProvider {
    /// A small world: a handful of everything, with the channels `#ops` and `#incidents` and the plan `plan-1`. The
    /// same seed at the same time makes the same world.
    pub fn seeded(seed: u64, clock: impl Clock) -> Self {
        let memory = Self::new(clock);
        let mut sample = Sample { now: memory.world().now(), random: Random::new(seed) };
        sample.catalogue(&memory);
        (1..=EACH).for_each(|number| sample.happenings(&memory, number));
        sample.telemetry(&memory);
        memory.seed_plan(failover());
        memory
    }
}

struct Sample {
    now: Time,
    random: Random,
}

impl Sample {
    fn catalogue(&mut self, memory: &MemoryProvider) {
        for (name, team) in SERVICES {
            let service = Service::new(format!("svc-{name}"), *name);
            memory.seed_service(service.tag("team", *team).tag("environment", "production"));
        }
        for team in ["platform", "payments"] {
            memory.seed_team(Team::new(format!("team-{team}"), team));
        }
        for (index, (name, team)) in PEOPLE.iter().enumerate() {
            let person = TeamMember::new(*name).name(*name).email(format!("{name}@example.com")).handle(*name);
            let team = format!("team-{team}");
            // The first of each team is on call.
            if index % 2 == 0 {
                memory.seed_on_call(team.clone(), person.clone().role("oncall"));
            }
            memory.seed_member(team, person.role("member"));
        }
        ["#ops", "#incidents"].into_iter().for_each(|channel| memory.seed_channel(channel));
    }

    /// One of everything that happens.
    fn happenings(&mut self, memory: &MemoryProvider, number: usize) {
        use {AlertStatusLevel as A, DeploymentStatusLevel as D, IncidentStatusLevel as I, TicketStatusLevel as T};
        let (service, _) = self.random.pick(SERVICES);
        let title = format!("{service}: {}", self.random.pick(SYMPTOMS));
        let severity = self.random.pick(&SEVERITIES);
        let at = self.ago();

        let status = self.random.pick(&[I::Open, I::Acknowledged, I::Mitigated, I::Resolved]);
        let id = format!("inc-{number}");
        memory.seed_incident(
            Incident::new(&*id, &title, status, severity).service(service).created_at(at).updated_at(at),
        );
        memory.seed_timeline_entry(TimelineEntry::new(format!("entry-{number}"), id, "note", "looking into it").at(at));

        let status = self.random.pick(&[A::Firing, A::Acknowledged, A::Resolved]);
        let alert = Alert::new(format!("alert-{number}"), &title, status, severity);
        memory.seed_alert(alert.service(service).created_at(at).updated_at(at));

        let status = self.random.pick(&[T::Todo, T::InProgress, T::InReview, T::Done]);
        let (assignee, _) = self.random.pick(PEOPLE);
        let ticket =
            Ticket::new(format!("tkt-{number}"), format!("prevent: {title}"), status).field("service", service);
        memory.seed_ticket(ticket.key(format!("OPS-{number}")).assignee(assignee).created_at(at).updated_at(at));

        let status = self.random.pick(&[D::Success, D::Success, D::Running, D::Failed]);
        let deployment = Deployment::new(format!("dep-{number}"), status).service(service).environment("production");
        memory.seed_deployment(deployment.version(format!("v1.{number}.0")).started_at(self.ago()));
    }

    /// An hour of logs and metrics, a value for each minute.
    fn telemetry(&mut self, memory: &MemoryProvider) {
        let latency =
            MetricDescriptor::new("request_duration_seconds", MetricKindLevel::Gauge).unit("s").label("region");
        memory.seed_metric(latency.description("how long a request takes"));
        let minutes = |minutes: u64| self.now - Duration::from_secs(60 * minutes);
        let hour: Vec<Time> = (0..60).rev().map(minutes).collect();
        for (service, _) in SERVICES {
            let value = |time: &Time| MetricPoint::new(*time, self.random.below(2_000) as f64 / 1_000.0);
            let points = hour.iter().filter_map(value).collect();
            let series = MetricSeries::new("request_duration_seconds", points).service(*service);
            memory.seed_series(series.label("region", "eu"));
            for time in hour.iter().step_by(10) {
                let severity =
                    self.random.pick(&[LogSeverityLevel::Info, LogSeverityLevel::Warning, LogSeverityLevel::Error]);
                let entry = LogEntry::new(*time, format!("{service}: {}", self.random.pick(SYMPTOMS)));
                memory.seed_log(entry.severity(severity).service(*service).label("region", "eu"));
            }
        }
    }

    /// A time of the last day.
    fn ago(&mut self) -> Time {
        self.now - Duration::from_secs(self.random.below(24 * 60 * 60))
    }
}

fn failover() -> Plan {
    let manual = |id: &str, title: &str| Step::new(id, title).kind(StepKindLevel::Manual);
    Plan::new("plan-1", "fail the database over")
        .tag("service", "api")
        .step(manual("freeze", "stop deployments"))
        .step(manual("switch", "promote the replica").depends_on("freeze"))
        .step(manual("check", "see that writes arrive").depends_on("switch"))
}

/// Xorshift64* (Vigna 2016): small, and the same everywhere. Not for secrets.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // Zero is the one state that xorshift never leaves.
        Self(seed.wrapping_add(0x9E37_79B9_7F4A_7C15).max(1))
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % limit
    }

    /// One of a list that is not empty.
    #[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // It is below the length.
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}
