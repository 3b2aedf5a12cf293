//! What the server found, window after window.

use opsorch::{Error, Result};

use super::asked::Asked;
use crate::prometheus::BODY_LIMIT;
use crate::prometheus::api::prometheus::Answer;
use crate::prometheus::map::metric as map;
use crate::prometheus::wire::matrix::{QueryResult, Series};

/// What the windows of a query brought.
#[derive(Default)]
pub(super) struct Found {
    pub(super) series: Vec<Series>,
    pub(super) warnings: Vec<String>,
    size: usize,
}

impl Found {
    pub(super) fn add(&mut self, answer: Answer<QueryResult>, asked: &Asked) -> Result<()> {
        self.size += answer.size;
        if self.size > BODY_LIMIT {
            let message = "the answers are larger than 64 MiB; ask for fewer series, a shorter span or a larger step";
            return Err(Error::invalid(asked.field, message));
        }
        self.series.extend(map::series(answer.data, asked.field)?);
        for warning in answer.warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        Ok(())
    }

    /// Puts the series in order, and the parts that a series has in several windows together. A point that is not after
    /// the one before is there already: some servers move a window's ends to multiples of the step.
    pub(super) fn join(&mut self) {
        self.series.sort_by(|left, right| left.key().cmp(&right.key()));
        self.series.dedup_by(|later, earlier| {
            let same = later.key() == earlier.key();
            if same {
                let last = earlier.points.last().map(|point| point.timestamp());
                earlier.points.extend(later.points.iter().filter(|point| Some(point.timestamp()) > last));
                earlier.dropped.add(later.dropped);
            }
            same
        });
    }
}
