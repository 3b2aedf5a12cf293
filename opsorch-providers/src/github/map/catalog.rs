//! Teams, their members, and repositories as services.

use opsorch::{Service, Team, TeamMember};

use super::web_address;
use crate::github::wire::{self, put};

/// The value of the tag that a topic is: GitHub's topics have none of their own.
pub(in crate::github) const TOPIC: &str = "true";

pub(in crate::github) fn team(organization: &str, team: wire::Team) -> Team {
    let mut mapped = Team::new(team.slug, team.name).tag("organization", organization);
    mapped.parent = team.parent.map(|parent| parent.slug.into());
    mapped.url = web_address(team.html_url.as_deref());
    for (name, value) in [("privacy", team.privacy), ("permission", team.permission)] {
        mapped.tags.extend(value.map(|value| (name.to_owned(), value)));
    }
    let metadata = &mut mapped.metadata;
    put(metadata, "github_id", Some(team.id));
    put(metadata, "description", team.description);
    put(metadata, "notification_setting", team.notification_setting);
    put(metadata, "members_count", team.members_count);
    put(metadata, "repos_count", team.repos_count);
    mapped
}

/// A maintainer of a team is its owner.
pub(in crate::github) fn member(member: wire::Member, is_maintainer: bool) -> TeamMember {
    let role = if is_maintainer { "owner" } else { "member" };
    let mut mapped = TeamMember::new(member.login.as_str()).handle(member.login).role(role);
    mapped.name = member.name;
    mapped.email = member.email;
    let metadata = &mut mapped.metadata;
    put(metadata, "github_id", Some(member.id));
    put(metadata, "html_url", member.html_url);
    put(metadata, "type", member.kind);
    put(metadata, "inherited", member.inherited);
    mapped
}

pub(in crate::github) fn service(repository: wire::Repository) -> Service {
    let mut mapped = Service::new(repository.full_name, repository.name);
    mapped.url = web_address(repository.html_url.as_deref());
    mapped.tags = repository.topics.into_iter().map(|topic| (topic, TOPIC.to_owned())).collect();
    let metadata = &mut mapped.metadata;
    put(metadata, "github_id", Some(repository.id));
    put(metadata, "description", repository.description);
    put(metadata, "language", repository.language);
    put(metadata, "visibility", repository.visibility);
    put(metadata, "default_branch", repository.default_branch);
    put(metadata, "archived", Some(repository.archived));
    put(metadata, "fork", Some(repository.fork));
    mapped
}
