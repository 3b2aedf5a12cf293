//! Which repositories are served, and how what is in them is named.

use std::fmt;

use opsorch::transport::Url;
use opsorch::{Error, Result};

use super::GitHubConfig;

/// The most repositories of one provider: each page of issues asks every one of them.
const MOST: usize = 50;

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repository {
    pub(super) owner: String,
    pub(super) name: String,
}

impl Repository {
    /// From `owner/name`; `None` where that can be none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (owner, name) = text.split_once('/')?;
        let is_one = is_owner(owner) && is_name(name);
        is_one.then(|| Self { owner: owner.to_owned(), name: name.to_owned() })
    }

    /// Whether it is the repository of this name. GitHub looks at no case.
    pub(super) fn is(&self, full_name: &str) -> bool {
        full_name
            .split_once('/')
            .is_some_and(|(owner, name)| self.owner.eq_ignore_ascii_case(owner) && self.name.eq_ignore_ascii_case(name))
    }

    /// A path below it.
    pub(super) fn path(&self, below: &[&str]) -> Vec<String> {
        let head = ["repos", &self.owner, &self.name];
        head.iter().chain(below).map(|segment| (*segment).to_owned()).collect()
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// The repositories that are served, in the order of the configuration.
///
/// Of one repository, an id is a number; of several, `owner/name#number`, as GitHub's own texts have it. A repository is
/// known as a service by its name, or by `owner/name` where they have several owners.
#[derive(Clone, Debug)]
pub(super) struct Repositories {
    all: Vec<Repository>,
    page: Url,
}

impl Repositories {
    /// # Errors
    /// `Invalid` for what is no repository, a repository that is named twice, and more than 50.
    pub(super) fn configured(config: &GitHubConfig, page: Url) -> Result<Self> {
        let mut this = Self { all: Vec::new(), page };
        match (&config.owner, &config.repo) {
            (Some(owner), Some(repo)) => this.add("repo", &format!("{owner}/{repo}"))?,
            (None, Some(_)) => return Err(Error::invalid("owner", "expected the owner of `repo`")),
            (Some(_), None) if config.repositories.is_empty() && config.organization.is_none() => {
                return Err(Error::invalid("repo", "expected a repository of `owner`"));
            }
            _ => {}
        }
        for name in &config.repositories {
            match &config.owner {
                Some(owner) if !name.contains('/') => this.add("repositories", &format!("{owner}/{name}"))?,
                _ => this.add("repositories", name)?,
            }
        }
        match this.all.len() {
            0..=MOST => Ok(this),
            many => Err(Error::invalid("repositories", format!("expected at most {MOST} repositories, got {many}"))),
        }
    }

    fn add(&mut self, field: &str, name: &str) -> Result<()> {
        if self.find(name).is_some() {
            return Err(Error::invalid(field, format!("`{name}` is named twice")));
        }
        let repository = Repository::parse(name)
            .ok_or_else(|| Error::invalid(field, format!("expected a repository as `owner/name`, got {name:?}")))?;
        self.all.push(repository);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Repository> {
        self.all.iter()
    }

    /// The repository of this `owner/name`, if it is served.
    pub(super) fn find(&self, full_name: &str) -> Option<&Repository> {
        self.all.iter().find(|repository| repository.is(full_name))
    }

    /// Those that a service means: all where there is none, and none where nothing is called so.
    ///
    /// # Errors
    /// `Invalid` for a name that several have.
    pub(super) fn of_service(&self, service: Option<&str>) -> Result<Vec<&Repository>> {
        let Some(service) = service else { return Ok(self.all.iter().collect()) };
        let is_meant = |it: &&Repository| it.is(service) || it.name.eq_ignore_ascii_case(service);
        let found: Vec<_> = self.all.iter().filter(is_meant).collect();
        match found.as_slice() {
            [] | [_] => Ok(found),
            several => {
                let names: Vec<_> = several.iter().map(|repository| format!("`{repository}`")).collect();
                Err(Error::invalid("service", format!("`{service}` may be any of {}; name one so", names.join(", "))))
            }
        }
    }

    /// What a repository is called as a service.
    pub(super) fn service(&self, repository: &Repository) -> String {
        let is_theirs = |it: &Repository| it.owner.eq_ignore_ascii_case(&repository.owner);
        if self.all.iter().all(is_theirs) { repository.name.clone() } else { repository.to_string() }
    }

    /// The id of something with a number in a repository.
    pub(super) fn id(&self, repository: &Repository, number: u64) -> String {
        if self.all.len() == 1 { number.to_string() } else { format!("{repository}#{number}") }
    }

    /// What an id names; `None` where it can name nothing.
    pub(super) fn resolve(&self, id: &str) -> Option<(&Repository, u64)> {
        let (repository, number) = match (id.rsplit_once('#'), self.all.as_slice()) {
            (Some((name, number)), _) => (self.find(name)?, number),
            (None, [only]) => (only, id),
            (None, _) => return None,
        };
        // `+7` and `007` are numbers to Rust, and no ids.
        let value: u64 = number.parse().ok()?;
        (value.to_string() == number).then_some((repository, value))
    }

    /// How an id looks, for those who gave another one.
    pub(super) fn example(&self) -> String {
        self.all.first().map(|first| self.id(first, 17)).unwrap_or_default()
    }

    /// The page of a repository that a person opens, or one below it.
    pub(super) fn page(&self, repository: &Repository, below: &[&str]) -> Url {
        let mut url = self.page.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend([repository.owner.as_str(), &repository.name]).extend(below);
        }
        url
    }
}

/// Where a person opens the GitHub with this API: `api.github.com` is `github.com`, `api.acme.ghe.com` is `acme.ghe.com`, and
/// `HOST/api/v3` is `HOST`.
pub(super) fn page_of(api: &Url) -> Url {
    let mut page = api.clone();
    if let Some(host) = api.host_str().and_then(|host| host.strip_prefix("api.")).map(str::to_owned) {
        // A host without `api.` before it is a host.
        _ = page.set_host(Some(&host));
    }
    let path = api.path().trim_end_matches('/');
    page.set_path(path.strip_suffix("/api/v3").unwrap_or(path));
    page
}

/// Whether it can be the name of a user or an organization.
pub(super) fn is_owner(name: &str) -> bool {
    (1..=100).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Whether it can be the name of a repository.
pub(super) fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=100).contains(&name.len()) && name.bytes().all(is_plain) && !matches!(name, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_an_api_is_where_people_go() {
        for (api, page) in [
            ("https://api.github.com", "https://github.com/"),
            ("https://api.acme.ghe.com/", "https://acme.ghe.com/"),
            ("https://github.example.org/api/v3", "https://github.example.org/"),
            ("https://example.org/git/api/v3/", "https://example.org/git"),
            ("http://127.0.0.1:4111", "http://127.0.0.1:4111/"),
        ] {
            assert_eq!(Url::parse(api).map(|api| page_of(&api)), Url::parse(page));
        }
    }
}
