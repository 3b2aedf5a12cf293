//! What the file says, once it makes sense.

use std::collections::{BTreeMap, BTreeSet};

use opsorch::{MemberId, Service, Team, TeamId, TeamMember};

use super::rota::{Override, Rota};
use super::toml_file::{self, TomlFile, TomlMember, TomlOnCall, TomlOverride, TomlService, TomlTeam};

/// The catalog, by id.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) services: BTreeMap<String, OwnedService>,
    pub(super) teams: BTreeMap<String, StaffedTeam>,
}

/// A service, where it runs, and who is responsible for it.
#[derive(Debug)]
pub(super) struct OwnedService {
    pub(super) service: Service,
    pub(super) team: Option<TeamId>,
    pub(super) environments: Vec<String>,
}

/// A team, who is in it, and who is on call when.
#[derive(Debug)]
pub(super) struct StaffedTeam {
    pub(super) team: Team,
    pub(super) members: Vec<TeamMember>,
    pub(super) rota: Option<Rota>,
}

impl Contents {
    /// Reads the text of the file. An error says where it is wrong: by line and column, or by the path in the file.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let TomlFile { services, teams } = toml_file::parse(text)?;
        check_parents(&teams)?;
        let service = |(id, service): (String, TomlService)| {
            let service = OwnedService::new(&id, service, &teams)?;
            Ok((id, service))
        };
        let services = services.into_iter().map(service).collect::<Result<_, String>>()?;
        let team = |(id, team): (String, TomlTeam)| {
            let team = StaffedTeam::new(&id, team)?;
            Ok((id, team))
        };
        let teams = teams.into_iter().map(team).collect::<Result<_, String>>()?;
        Ok(Self { services, teams })
    }
}

impl OwnedService {
    fn new(id: &str, entry: TomlService, teams: &BTreeMap<String, TomlTeam>) -> Result<Self, String> {
        let path = format!("services.{id}");
        let name = name(&path, id, entry.name)?;
        if let Some(team) = entry.team.as_ref().filter(|team| !teams.contains_key(*team)) {
            return Err(format!("{path}.team: {}", unknown("team", team, teams.keys())));
        }
        let mut service = Service::new(id, name);
        service.url = entry.url;
        service.tags = entry.tags;
        if let Some(description) = entry.description {
            service = service.metadata("description", description);
        }
        if let Some(team) = &entry.team {
            service = service.metadata("team", team.as_str());
        }
        if !entry.environments.is_empty() {
            service = service.metadata("environments", entry.environments.clone());
        }
        Ok(Self { service, team: entry.team.map(TeamId::new), environments: entry.environments })
    }
}

impl StaffedTeam {
    fn new(id: &str, entry: TomlTeam) -> Result<Self, String> {
        let path = format!("teams.{id}");
        let mut team = Team::new(id, name(&path, id, entry.name)?);
        team.parent = entry.parent.map(TeamId::new);
        team.url = entry.url;
        team.tags = entry.tags;
        if let Some(description) = entry.description {
            team = team.metadata("description", description);
        }
        let members = members(&path, entry.members)?;
        let rota = entry.on_call.map(|on_call| rota(&format!("{path}.on_call"), on_call, &members)).transpose()?;
        Ok(Self { team, members, rota })
    }
}

/// The name of what has an id: the id, unless there is another.
fn name(path: &str, id: &str, name: Option<String>) -> Result<String, String> {
    if id.trim().is_empty() {
        return Err(format!("{path}: expected an id after the dot, got an empty one"));
    }
    match name {
        Some(name) if name.trim().is_empty() => Err(format!("{path}.name: expected a name, got an empty one")),
        Some(name) => Ok(name),
        None => Ok(id.to_owned()),
    }
}

/// Checks that parents are teams, and that nobody is above themselves.
fn check_parents(teams: &BTreeMap<String, TomlTeam>) -> Result<(), String> {
    let mut checked = BTreeSet::new();
    for (id, team) in teams {
        let mut way = BTreeSet::from([id]);
        let mut next = Some((id, team));
        while let Some((below, team)) = next.filter(|(id, _)| !checked.contains(id)) {
            let Some(parent) = &team.parent else { break };
            let path = format!("teams.{below}.parent");
            let Some(above) = teams.get_key_value(parent) else {
                return Err(format!("{path}: {}", unknown("team", parent, teams.keys())));
            };
            if !way.insert(above.0) {
                return Err(format!("{path}: expected a team that is not below `{below}`, got `{parent}`"));
            }
            next = Some(above);
        }
        checked.append(&mut way);
    }
    Ok(())
}

fn members(path: &str, entries: Vec<TomlMember>) -> Result<Vec<TeamMember>, String> {
    let mut seen = BTreeSet::new();
    let member = |(index, entry): (usize, TomlMember)| {
        let TomlMember { id, name, email, handle, role } = entry;
        let path = format!("{path}.members[{index}].id");
        if id.trim().is_empty() {
            return Err(format!("{path}: expected an id, got an empty one"));
        }
        if !seen.insert(id.clone()) {
            return Err(format!("{path}: expected each member once, got `{id}` again"));
        }
        let mut member = TeamMember::new(id);
        (member.name, member.email, member.handle, member.role) = (name, email, handle, role);
        Ok(member)
    };
    entries.into_iter().enumerate().map(member).collect()
}

fn rota(path: &str, entry: TomlOnCall, members: &[TeamMember]) -> Result<Rota, String> {
    let known: BTreeSet<&str> = members.iter().map(|member| member.id.as_str()).collect();
    let member = |path: String, id: String| match known.contains(id.as_str()) {
        true => Ok(MemberId::new(id)),
        false => Err(format!("{path}: {}", unknown("member", &id, known.iter()))),
    };
    if entry.rotation.is_empty() {
        return Err(format!("{path}.rotation: expected the ids of members, got none"));
    }
    let rotation = entry.rotation.into_iter().enumerate();
    let rotation = rotation.map(|(index, id)| member(format!("{path}.rotation[{index}]"), id));
    let rotation = rotation.collect::<Result<_, _>>()?;
    let overrides = entry.overrides.into_iter().enumerate().map(|(index, entry)| {
        let path = format!("{path}.overrides[{index}]");
        let TomlOverride { from, until, member: id } = entry;
        if until.0 <= from.0 {
            return Err(format!("{path}.until: expected a time after `from`, {}, got {}", from.0, until.0));
        }
        let member = member(format!("{path}.member"), id)?;
        Ok(Override { from: from.0, until: until.0, member })
    });
    let overrides: Vec<_> = overrides.collect::<Result<_, String>>()?;
    check_overlaps(path, &overrides)?;
    Ok(Rota::new(rotation, entry.start.0, entry.every.0, overrides))
}

/// Checks that no two overrides hold at the same time: nobody could say who is on call then.
fn check_overlaps(path: &str, overrides: &[Override]) -> Result<(), String> {
    let mut order: Vec<_> = overrides.iter().enumerate().collect();
    order.sort_by_key(|(_, one)| one.from);
    for pair in order.windows(2) {
        if let [(first, one), (second, other)] = pair
            && other.from < one.until
        {
            return Err(format!(
                "{path}.overrides[{second}].from: expected a time when no other override holds, got {}, when \
                 overrides[{first}] does",
                other.from
            ));
        }
    }
    Ok(())
}

/// What to say about an id that stands for nothing: it names the first of those that stand for something.
pub(super) fn unknown(noun: &str, id: &str, known: impl Iterator<Item = impl AsRef<str>>) -> String {
    let known: Vec<_> = known.take(10).map(|id| id.as_ref().to_owned()).collect();
    match known.is_empty() {
        true => format!("there is no {noun} `{id}`; there are none"),
        false => format!("there is no {noun} `{id}`; there are: {}", known.join(", ")),
    }
}
