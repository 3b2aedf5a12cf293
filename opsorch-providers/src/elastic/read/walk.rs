//! Searches in a point in time, one after the other, until a page is full.

use opsorch::transport::{Bytes, Method};
use opsorch::{Context, Error, ErrorKind, LogEntry, LogQuery, Page, ProviderName, Result};
use serde_json::{Value, json};

use super::cursor::Position;
use super::gather::Gather;
use super::pit::{KEEP_ALIVE, Pit};
use super::unreadable;
use crate::elastic::api::{Ask, Cluster, Distribution, answered};
use crate::elastic::conditions::Conditions;
use crate::elastic::dsl::{self, Bound};
use crate::elastic::map::Failures;
use crate::elastic::mapping::{Clock, Mapping};
use crate::elastic::wire::{Answer, Failure, Names, read};

/// The most hits of one search. Clusters give 10 000 at once; fewer are smaller answers.
const BATCH: usize = 1_000;

/// The fewest hits of a search that goes on: entries of one time are told apart among all of them.
const LEAST: usize = 200;

/// A page of what a query asks for.
pub(super) struct Walk<'a> {
    pub(super) provider: &'a ProviderName,
    pub(super) cluster: &'a Cluster,
    pub(super) index: &'a str,
    pub(super) names: &'a Names,
    pub(super) timestamp: &'a str,
    pub(super) clock: Clock,
    pub(super) mapping: &'a Mapping,
    pub(super) clauses: Vec<Value>,
    pub(super) conditions: &'a Conditions,
}

/// What is found so far, and how the next search goes on.
struct State {
    gather: Gather,
    failures: Failures,
    end: Bound,
    after: Option<(i64, i64)>,
    timed_out: bool,
    without_source: usize,
}

/// What became of a search.
enum Step {
    More,
    Done,
    /// The cluster has forgotten the point in time.
    Expired,
}

impl Walk<'_> {
    /// Finds a page. The point in time is closed, whatever came of it.
    pub(super) async fn page(
        &self,
        cx: &Context,
        limit: usize,
        from: Option<Position>,
        query: &LogQuery,
    ) -> Result<Page<LogEntry>> {
        let mut state = State {
            end: from.as_ref().map_or(Bound::Before(self.conditions.end), |position| Bound::Until(position.time)),
            gather: Gather::new(limit, from),
            failures: Failures::new(self.provider.clone()),
            after: None,
            timed_out: false,
            without_source: 0,
        };
        let mut has_expired = false;
        while let Step::Expired = self.walk(cx, &mut state).await? {
            if std::mem::replace(&mut has_expired, true) {
                let message = "the cluster forgot a point in time twice while it was searched; ask again, or for less";
                return Err(Error::new(ErrorKind::Unavailable, message));
            }
            // A new one goes on at the time of which there may be more; what is there already comes twice and is kept once.
            state.after = None;
            if let Some(time) = state.gather.time() {
                state.end = Bound::Until(time);
            }
        }
        self.finish(state, query)
    }

    /// Searches in a point in time to the end, or until it expires.
    async fn walk(&self, cx: &Context, state: &mut State) -> Result<Step> {
        let (mut pit, shards) = Pit::open(cx, self.cluster, self.index).await?;
        state.failures.add_shards(&shards);
        let result = loop {
            match self.search(cx, &mut pit, state).await {
                Ok(Step::More) => {}
                other => break other,
            }
        };
        pit.close(cx).await;
        result
    }

    async fn search(&self, cx: &Context, pit: &mut Pit<'_>, state: &mut State) -> Result<Step> {
        let wanted = state.gather.wanted();
        let size = if state.after.is_none() { wanted } else { wanted.max(LEAST) }.min(BATCH);
        let patience = self.cluster.patience(cx);
        let body = self.body(pit, state, size, patience)?;
        let ask = Ask {
            method: Method::POST,
            path: &["_search"],
            parameters: &[],
            body: Some(Bytes::from(body.to_string())),
        };
        let reply = self.cluster.ask_any(cx, &ask).await?;
        if reply.status.as_u16() == 404 && has_expired(&reply.body) {
            return Ok(Step::Expired);
        }
        let reply = answered(reply, self.field())?;
        let answer = read(&reply.body, self.names, self.clock.reader()).or_else(|error| unreadable(&reply, error))?;
        self.take(answer, pit, state, size, patience)
    }

    fn take(&self, answer: Answer, pit: &mut Pit<'_>, state: &mut State, size: usize, patience: u128) -> Result<Step> {
        pit.renamed(answer.pit);
        state.failures.add_shards(&answer.shards);
        state.failures.add_clusters(&answer.clusters);
        state.without_source += answer.without_source;
        if answer.timed_out {
            state.timed_out = true;
            state.failures.add_timeout(patience);
        }
        let found = answer.hits.len();
        answer.hits.into_iter().for_each(|entry| state.gather.push(entry));
        let Some(last) = answer.last.filter(|_| found >= size && !answer.timed_out && !state.gather.is_full()) else {
            return Ok(Step::Done);
        };
        let after = match pit.distribution() {
            Distribution::Elasticsearch => last,
            // OpenSearch counts entries in each shard: others may have the same number, and are asked for again.
            Distribution::OpenSearch => (last.0, last.1.saturating_add(1)),
        };
        if state.after.replace(after) == Some(after) {
            return Err(Error::unexpected("the cluster gives the same entries again and again"));
        }
        Ok(Step::More)
    }

    fn body(&self, pit: &Pit<'_>, state: &State, size: usize, patience: u128) -> Result<Value> {
        let mut filter = vec![dsl::span(self.conditions.start, state.end, self.timestamp, self.mapping)?];
        filter.extend(self.clauses.iter().cloned());
        let mut time = json!({ "order": "desc", "unmapped_type": "date" });
        if self.clock == Clock::Mixed
            && let Some(time) = time.as_object_mut()
        {
            time.insert("numeric_type".to_owned(), json!("date_nanos"));
        }
        let tiebreak = match pit.distribution() {
            Distribution::Elasticsearch => json!({ "_shard_doc": { "order": "asc" } }),
            Distribution::OpenSearch => json!({ "_doc": { "order": "desc" } }),
        };
        let mut body = json!({
            "size": size,
            "pit": { "id": pit.id(), "keep_alive": KEEP_ALIVE },
            "query": { "bool": { "filter": filter } },
            "sort": [{ self.timestamp: time }, tiebreak],
            "timeout": format!("{patience}ms"),
            "track_total_hits": false,
        });
        if let (Some((time, tiebreak)), Some(body)) = (state.after, body.as_object_mut()) {
            body.insert("search_after".to_owned(), json!([time, tiebreak]));
        }
        Ok(body)
    }

    /// What a refusal of a search is about.
    fn field(&self) -> &'static str {
        match self.conditions.lucene {
            Some(_) => "metadata.lucene",
            None => "expression",
        }
    }

    fn finish(&self, state: State, query: &LogQuery) -> Result<Page<LogEntry>> {
        let (found, has_more) = state.gather.finish();
        // A search that stopped early may have left out anything; what is older than its last entry can be asked for.
        let next = found.last().filter(|_| has_more || state.timed_out).map(Position::of);
        let next = next.map(|position| position.to_cursor(query)).transpose()?;
        let mut page = Page::new(found).next(next);
        page = state.failures.finish().into_iter().fold(page, Page::failure);
        Ok(match state.without_source {
            0 => page,
            count => page.warning(format!(
                "{count} entries come without what was written, because their index does not keep it (`_source`)"
            )),
        })
    }
}

/// Whether a refusal says that the point in time is gone.
fn has_expired(body: &[u8]) -> bool {
    Failure::of(body).types.iter().any(|found| found == "search_context_missing_exception")
}
