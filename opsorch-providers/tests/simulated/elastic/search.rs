//! Points in time, and searches in them.

use opsorch::transport::{Reply, Request, StatusCode};
use opsorch_testkit::double::{body, json, parameter};
use serde_json::{Value, json as value};

use super::query::{Subject, finds};
use super::store::{Document, Index, nanoseconds};
use super::{Cluster, Flavor};

/// What the indices held when it was opened.
#[derive(Clone, Debug)]
pub struct Point {
    indices: Vec<(String, Index)>,
}

/// A document that a search found, and what it is ordered by.
struct Hit<'a> {
    index: &'a str,
    document: &'a Document,
    time: i64,
    shard: usize,
    number: usize,
}

impl Cluster {
    pub(super) fn open(&mut self, pattern: &str, request: &Request) -> Reply {
        if parameter(request, "keep_alive").is_none_or(|time| !time.ends_with('m')) {
            return self.error(400, "action_request_validation_exception", "[keep_alive] is not specified");
        }
        let indices = match self.matching(pattern) {
            Ok(indices) => indices,
            Err(refused) => return refused,
        };
        let indices: Vec<_> = indices.into_iter().map(|name| (name.clone(), self.indices[&name].clone())).collect();
        let shards: usize = indices.iter().map(|(_, index)| index.shards).sum();
        let shards = value!({ "total": shards, "successful": shards, "skipped": 0, "failed": 0 });
        let id = self.name();
        self.points.insert(id.clone(), Point { indices });
        json(
            StatusCode::OK,
            &match self.flavor {
                Flavor::Elasticsearch => value!({ "id": id, "_shards": shards }),
                Flavor::OpenSearch => value!({ "pit_id": id, "_shards": shards, "creation_time": 0 }),
            },
        )
    }

    pub(super) fn close(&mut self, request: &Request) -> Reply {
        let said = body(request);
        let ids: Vec<String> = match self.flavor {
            Flavor::Elasticsearch => said["id"].as_str().map(str::to_owned).into_iter().collect(),
            Flavor::OpenSearch => serde_json::from_value(said["pit_id"].clone()).unwrap_or_default(),
        };
        let freed: Vec<bool> = ids.iter().map(|id| self.points.remove(id).is_some()).collect();
        if freed.is_empty() {
            return self.error(400, "illegal_argument_exception", "no pit ids specified");
        }
        let count = freed.iter().filter(|freed| **freed).count();
        match self.flavor {
            Flavor::Elasticsearch if count == 0 => {
                json(StatusCode::NOT_FOUND, &value!({ "succeeded": true, "num_freed": 0 }))
            }
            Flavor::Elasticsearch => json(StatusCode::OK, &value!({ "succeeded": true, "num_freed": count })),
            Flavor::OpenSearch => {
                let pits: Vec<_> = ids.iter().map(|id| value!({ "pit_id": id, "successful": true })).collect();
                json(StatusCode::OK, &value!({ "pits": pits }))
            }
        }
    }

    pub(super) fn search(&mut self, request: &Request) -> Reply {
        let asked = body(request);
        if let Some(left) = &mut self.forgets_after {
            if *left == 0 {
                self.forgets_after = None;
                self.points.clear();
            } else {
                *left -= 1;
            }
        }
        let named = asked["pit"]["id"].as_str().unwrap_or_default().to_owned();
        let Some(point) = self.points.remove(&named) else {
            let cause =
                value!({ "type": "search_context_missing_exception", "reason": "No search context found for id [1]" });
            let error = value!({
                "type": "search_phase_execution_exception", "reason": "all shards failed", "phase": "query",
                "grouped": true, "root_cause": [cause], "failed_shards": [{ "shard": 0, "index": "x", "reason": cause }],
            });
            return json(StatusCode::NOT_FOUND, &value!({ "error": error, "status": 404 }));
        };
        let hits = match self.found(&asked, &point) {
            Ok(hits) => hits,
            Err((kind, reason)) => {
                self.points.insert(named, point);
                return self.error(400, kind, &reason);
            }
        };
        // Elasticsearch gives it another name; only that one is good from now on.
        let id = if self.flavor == Flavor::Elasticsearch { self.name() } else { named };
        self.points.insert(id.clone(), point);
        let (broken, timed_out) = self.broken.take().unwrap_or((Value::Null, false));
        let shards = match broken {
            Value::Null => value!({ "total": 1, "successful": 1, "skipped": 0, "failed": 0 }),
            broken => broken,
        };
        let hits = value!({ "max_score": null, "hits": hits });
        let answer = value!({ "took": 1, "timed_out": timed_out, "_shards": shards, "pit_id": id, "hits": hits });
        json(StatusCode::OK, &answer)
    }

    fn found(&self, asked: &Value, point: &Point) -> Result<Vec<Value>, (&'static str, String)> {
        let size = asked["size"].as_u64().unwrap_or(10) as usize;
        if size > 10_000 {
            let reason = "Result window is too large, from + size must be less than or equal to: [10000]";
            return Err(("illegal_argument_exception", reason.to_owned()));
        }
        let by_time = asked["sort"][0].as_object().and_then(|sort| sort.iter().next()).ok_or(unsorted("time"))?;
        let (field, how) = by_time;
        let wanted = if self.flavor == Flavor::Elasticsearch { "_shard_doc" } else { "_doc" };
        let tiebreak = asked["sort"][1][wanted]["order"].as_str().ok_or(unsorted(wanted))?;
        let mut hits = Vec::new();
        let mut shard = 0;
        for (name, index) in &point.indices {
            let kind = index.type_of(field).unwrap_or("date");
            for (number, document) in index.documents.iter().enumerate() {
                if finds(&asked["query"], Subject { index, name, document })? {
                    let time = index.values(document, field).iter().find_map(|value| nanoseconds(value, kind));
                    let counts_nanoseconds = kind == "date_nanos" || how["numeric_type"] == "date_nanos";
                    let time = time.ok_or(unsorted(field))? / if counts_nanoseconds { 1 } else { 1_000_000 };
                    let (shard, number) = (shard + number % index.shards, number / index.shards);
                    hits.push(Hit { index: name, document, time, shard, number });
                }
            }
            shard += index.shards;
        }
        let key = |hit: &Hit<'_>| {
            let number = self.tiebreak(hit);
            (-hit.time, if tiebreak == "asc" { number } else { -number })
        };
        hits.sort_by_key(|hit| (key(hit), hit.shard));
        if let Some(after) = asked.get("search_after") {
            let at = |index: usize| after[index].as_i64().ok_or(unsorted("search_after"));
            let after = (-at(0)?, if tiebreak == "asc" { at(1)? } else { -at(1)? });
            hits.retain(|hit| key(hit) > after);
        }
        Ok(hits.iter().take(size).map(|hit| self.written(hit)).collect())
    }

    /// OpenSearch counts in each shard; Elasticsearch tells shards apart.
    fn tiebreak(&self, hit: &Hit<'_>) -> i64 {
        match self.flavor {
            Flavor::Elasticsearch => ((hit.shard as i64) << 32) + hit.number as i64,
            Flavor::OpenSearch => hit.number as i64,
        }
    }

    fn written(&self, hit: &Hit<'_>) -> Value {
        value!({
            "_index": hit.index,
            "_id": hit.document.id,
            "_score": null,
            "_source": hit.document.source,
            "sort": [hit.time, self.tiebreak(hit)],
        })
    }
}

fn unsorted(field: &str) -> (&'static str, String) {
    ("query_shard_exception", format!("No mapping found for [{field}] in order to sort on"))
}
