//! Issues, as tickets. A list where GitHub's can filter, its search where it cannot.

mod list;
mod search;
mod wanted;

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::TicketReader;
use opsorch::{Context, Error, Page, Result, Ticket, TicketId, TicketQuery};

use self::list::Listed;
use self::search::Searched;
use self::wanted::Wanted;
use crate::github::api::Api;
use crate::github::map;
use crate::github::repository::{Repositories, Repository};
use crate::github::walk::walk;
use crate::github::wire;
use crate::query::page_size;

/// The issues of the repositories that are served.
#[derive(Clone, Debug)]
pub(in crate::github) struct Issues {
    pub(in crate::github) api: Arc<Api>,
    pub(in crate::github) repositories: Arc<Repositories>,
}

impl Issues {
    pub(in crate::github) fn new(api: &Arc<Api>, repositories: &Arc<Repositories>) -> Self {
        Self { api: Arc::clone(api), repositories: Arc::clone(repositories) }
    }

    /// The issue of an id. A pull request has a number of the same kind, and is none.
    pub(in crate::github) async fn find(&self, cx: &Context, id: &TicketId) -> Result<(&Repository, wire::Issue)> {
        let Some((repository, number)) = self.repositories.resolve(id.as_str()) else {
            let example = self.repositories.example();
            return Err(Error::not_found(format!("there is no issue {:?}; an id looks like `{example}`", id.as_str())));
        };
        let path = repository.path(&["issues", &number.to_string()]);
        let issue: wire::Issue = self.api.get(cx, &path, &Vec::new()).await?;
        match issue {
            issue if issue.pull_request.is_some() => {
                Err(Error::not_found(format!("{repository}#{number} is a pull request, and no issue")))
            }
            issue if issue.number != number => {
                Err(Error::not_found(format!("{repository}#{number} was moved to another repository")))
            }
            issue => Ok((repository, issue)),
        }
    }

    pub(in crate::github) fn mapped(&self, repository: &Repository, issue: wire::Issue) -> Ticket {
        map::ticket::ticket(&self.repositories, repository, issue)
    }
}

#[async_trait]
impl TicketReader for Issues {
    async fn query(&self, cx: &Context, query: &TicketQuery) -> Result<Page<Ticket>> {
        let size = page_size(query.page_size())?;
        let cursor = query.cursor.as_ref();
        let wanted = Wanted::new(query)?;
        let repositories = match wanted.is_possible() {
            true => self.repositories.of_service(query.scope.service.as_deref())?,
            false => Vec::new(),
        };
        let wanted = &wanted;
        match wanted.text()? {
            None => {
                let source = |repository| Listed { issues: self, repository, wanted };
                walk(cx, &repositories.into_iter().map(source).collect::<Vec<_>>(), size, cursor).await
            }
            Some(text) => {
                let source = |repository| Searched { issues: self, repository, wanted, text };
                walk(cx, &repositories.into_iter().map(source).collect::<Vec<_>>(), size, cursor).await
            }
        }
    }

    async fn get(&self, cx: &Context, id: &TicketId) -> Result<Ticket> {
        let (repository, issue) = self.find(cx, id).await?;
        Ok(self.mapped(repository, issue))
    }
}
