//! What there is: more issues than a page holds, pull requests among them, deployments, runs and teams.

use std::time::Duration;

use super::GitHub;
use super::deployments::{Deployment, Run};
use super::issues::Issue;
use super::organization::Team;

/// How many issues and pull requests `acme/api` has.
const ISSUES: u64 = 112;

const TITLES: [&str; 4] = ["disk full on db-1", "latency above 2 s", "error rate above 5 %", "certificate expires"];

pub fn fill(github: &mut GitHub) {
    let now = github.clock.now();
    let minute = Duration::from_secs(60);
    for number in 1..=ISSUES {
        let created = now - minute * u32::try_from(ISSUES + 1 - number).unwrap();
        let title = TITLES[usize::try_from(number).unwrap() % TITLES.len()];
        let mut issue = Issue::new("api", number, format!("{title} ({number})"), created);
        issue.is_pull_request = number % 9 == 0;
        issue = match number % 5 {
            0 => issue.closed(Some("completed")),
            1 => issue.closed(Some("not_planned")),
            _ => issue,
        };
        issue.author = (number % 7 != 0).then(|| ["alice", "bob"][usize::try_from(number % 2).unwrap()].to_owned());
        issue.body = (number % 3 != 0).then(|| format!("seen by probe {number}"));
        issue.assignees = if number % 4 == 0 { vec!["carol".to_owned()] } else { Vec::new() };
        issue.labels = if number % 6 == 0 { vec!["bug".to_owned()] } else { Vec::new() };
        github.issues.push(issue);
    }
    for (number, environment) in (1..).zip(["production", "staging", "production", "production", "staging"]) {
        let created = now - minute * (60 - number);
        let id = 8_589_934_592 + u64::from(number);
        let deployment = Deployment::new("api", id, &format!("v1.{number}.0"), environment, created);
        github.deployments.push(match number {
            1 => deployment.said("in_progress", 5).said("success", 20).said("inactive", 600),
            2 => deployment.said("failure", 30),
            3 => deployment.said("queued", 1).said("in_progress", 5).said("success", 40),
            4 => deployment.said("in_progress", 5),
            _ => deployment,
        });
    }
    for number in 1..=5_u64 {
        let created = now - minute * u32::try_from(60 - number).unwrap();
        github.runs.push(Run::new("api", 8_589_934_592 + number, "Deploy to production", created));
    }
    let mut platform = Team::new("platform", "Platform");
    platform.maintainers = vec!["alice".to_owned()];
    platform.members = vec!["bob".to_owned(), "carol".to_owned()];
    platform.repositories = vec!["api".to_owned(), "web".to_owned()];
    let mut sre = Team::new("sre", "Site Reliability");
    sre.parent = Some("platform".to_owned());
    sre.members = vec!["carol".to_owned()];
    sre.repositories = vec!["api".to_owned()];
    github.teams = vec![sre, platform, Team::new("web", "Web")];
}
