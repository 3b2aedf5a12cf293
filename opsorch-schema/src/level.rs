//! Words such as a status or a severity: the spelling is kept, the level is looked up, nothing is guessed.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Defines a word type and its levels. A row is a level, the word of the closed set, and other spellings of it.
macro_rules! word {
    ($(
        $(#[$doc:meta])*
        $word:ident => $(#[$levels_doc:meta])* $level:ident {
            $($(#[$level_doc:meta])* $variant:ident $closed:literal [$($alias:literal)*];)+
        }
    )+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(extend("examples" = $level::closed_set()))]
        pub struct $word(Cow<'static, str>);

        impl $word {
            /// Takes the word as it is spelled; nothing is trimmed or changed.
            pub fn new(word: impl Into<String>) -> Self {
                Self(Cow::Owned(word.into()))
            }

            /// The word as it was spelled.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            #[doc = concat!("What the word means, or [`", stringify!($level), "::Unknown`]. Case and surrounding")]
            /// blanks do not matter, and `_`, `-` and a space are the same.
            pub fn level(&self) -> $level {
                $level::of(&self.0)
            }
        }

        impl fmt::Display for $word {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $word {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $word {
            fn from(word: &str) -> Self {
                let known = $level::closed_set().iter().find(|known| **known == word);
                Self(known.map_or_else(|| Cow::Owned(word.to_owned()), |known| Cow::Borrowed(*known)))
            }
        }

        impl From<String> for $word {
            fn from(word: String) -> Self {
                Self(Cow::Owned(word))
            }
        }

        impl From<&$word> for $word {
            fn from(word: &$word) -> Self {
                word.clone()
            }
        }

        impl From<$level> for $word {
            /// The word of the closed set.
            fn from(level: $level) -> Self {
                Self(Cow::Borrowed(level.word()))
            }
        }

        #[doc = concat!("What a [`", stringify!($word), "`] means; ordered as listed, [`Unknown`](Self::Unknown) last.")]
        #[doc = ""]
        $(#[$levels_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $level {
            $($(#[$level_doc])* $variant,)+
            /// A word that is in no table. Nothing is known about its meaning.
            Unknown,
        }

        impl $level {
            /// All levels, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+ Self::Unknown];

            #[doc = concat!("What a word means; [`", stringify!($word), "::level`] says the same of its own.")]
            pub fn of(word: &str) -> Self {
                let means = |level: &&Self| {
                    is_spelling(word, level.word()) || level.aliases().iter().any(|alias| is_spelling(word, alias))
                };
                Self::ALL.iter().find(means).copied().unwrap_or(Self::Unknown)
            }

            /// The word of the closed set.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $closed,)+
                    Self::Unknown => "unknown",
                }
            }

            /// Other words that mean the same, in lower case and with spaces between parts.
            pub fn aliases(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => &[$($alias),*],)+
                    Self::Unknown => &[],
                }
            }

            fn closed_set() -> &'static [&'static str] {
                &[$($closed),+]
            }
        }

        impl fmt::Display for $level {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    )+};
}

/// Whether a word is another spelling of one in a table.
fn is_spelling(word: &str, known: &str) -> bool {
    let word = word.trim_ascii();
    word.len() == known.len() && word.bytes().map(plain).eq(known.bytes().map(plain))
}

fn plain(byte: u8) -> u8 {
    match byte {
        b'_' | b'-' => b' ',
        other => other.to_ascii_lowercase(),
    }
}

// A word is in a table when the tools of the field agree on its meaning. A word whose meaning depends on the tool
// (`completed` of a deployment that may have failed, `verbose` of a log) is in none: that tool's provider knows.
word! {
    /// How bad an incident or an alert is.
    Severity =>
    /// ```
    /// use opsorch_schema::{Severity, SeverityLevel};
    ///
    /// let severity = Severity::new("SEV-1");
    /// assert_eq!(severity.as_str(), "SEV-1");
    /// assert_eq!(severity.level(), SeverityLevel::Critical);
    /// assert!(severity.level() < SeverityLevel::High, "the worst comes first");
    /// assert_eq!(Severity::new("purple").level(), SeverityLevel::Unknown);
    /// assert_eq!(Severity::from(SeverityLevel::High).as_str(), "high");
    /// ```
    SeverityLevel {
        /// Everything stops for it.
        Critical "critical" [
            "crit" "fatal" "emergency" "disaster"
            "sev0" "sev 0" "sev1" "sev 1" "severity 1" "s1" "p0" "p1"
        ];
        /// It hurts now.
        High "high" ["major" "error" "sev2" "sev 2" "severity 2" "s2" "p2"];
        /// It will hurt, or hurts a few. Includes `minor`, which ITU-T X.733 ranks above `warning`.
        Medium "medium" [
            "moderate" "minor" "average" "warning" "warn"
            "sev3" "sev 3" "severity 3" "s3" "p3"
        ];
        /// It can wait.
        Low "low" ["sev4" "sev 4" "severity 4" "s4" "p4"];
        /// Good to know.
        Info "info" ["informational" "information" "notice" "sev5" "sev 5" "severity 5" "s5" "p5"];
    }

    /// How bad a log entry says it is.
    LogSeverity => LogSeverityLevel {
        /// The program, or more, is unusable.
        Critical "critical" ["crit" "fatal" "alert" "emergency" "emerg" "panic"];
        /// Something failed.
        Error "error" ["err" "severe"];
        /// Something may fail.
        Warning "warning" ["warn"];
        /// Something happened.
        Info "info" ["information" "informational" "notice"];
        /// For those who look for a fault.
        Debug "debug" ["fine" "finer"];
        /// Every step.
        Trace "trace" ["finest"];
    }

    /// How far an incident is.
    IncidentStatus => IncidentStatusLevel {
        /// Nobody has taken it yet.
        Open "open" ["triggered" "new" "active"];
        /// Somebody works on it.
        Acknowledged "acknowledged" ["acked" "ack" "investigating" "identified" "fixing" "in progress" "inprogress"];
        /// The harm is contained or being contained; people still watch.
        Mitigated "mitigated" ["mitigating" "monitoring" "stable"];
        /// It is over.
        Resolved "resolved" ["closed" "done" "completed" "fixed" "postmortem"];
    }

    /// What an alert is doing.
    AlertStatus => AlertStatusLevel {
        /// Its condition holds.
        Firing "firing" ["active" "open" "triggered" "alert" "alerting" "alarm" "in alarm" "problem"];
        /// Its condition holds, but not for long enough yet.
        Pending "pending" ["unprocessed"];
        /// Somebody has seen it.
        Acknowledged "acknowledged" ["acked" "ack"];
        /// It is kept quiet.
        Suppressed "suppressed" ["silenced" "inhibited" "muted" "snoozed"];
        /// Its condition no longer holds.
        Resolved "resolved" ["ok" "closed" "inactive" "recovered" "normal" "cleared"];
    }

    /// How far a ticket is.
    TicketStatus => TicketStatusLevel {
        /// Nobody has started.
        Todo "todo" ["to do" "open" "opened" "reopened" "new" "backlog" "selected for development"];
        /// Somebody works on it.
        InProgress "in_progress" ["inprogress" "doing" "started" "active" "in development" "wip"];
        /// The work waits for a second pair of eyes.
        InReview "in_review" ["inreview" "review" "reviewing" "under review" "code review"];
        /// Something else must happen first.
        Blocked "blocked" ["on hold" "onhold" "impeded"];
        /// The work is done.
        Done "done" ["closed" "resolved" "complete" "completed" "fixed" "finished"];
        /// It will not be done.
        Cancelled "cancelled" [
            "canceled" "wont do" "won't do" "wontdo" "wont fix" "won't fix" "wontfix"
            "rejected" "declined" "abandoned" "not planned"
        ];
    }

    /// How far a deployment is.
    DeploymentStatus => DeploymentStatusLevel {
        /// It waits.
        Queued "queued" ["pending" "waiting" "requested" "scheduled"];
        /// It goes on.
        Running "running" ["in progress" "inprogress" "started" "deploying"];
        /// It is out.
        Success "success" ["succeeded" "successful" "passed" "deployed"];
        /// It did not work.
        Failed "failed" ["failure" "error" "errored" "timed out" "timedout"];
        /// Somebody stopped it.
        Cancelled "cancelled" ["canceled" "aborted"];
    }

    /// How far a run of a plan is.
    RunStatus => RunStatusLevel {
        /// It has not started.
        Created "created" ["pending" "queued"];
        /// It goes on.
        Running "running" ["in progress" "inprogress" "started"];
        /// It waits for somebody or something.
        Blocked "blocked" ["waiting" "paused"];
        /// All of its steps are done.
        Completed "completed" ["complete" "succeeded" "success" "done" "finished"];
        /// A step did not work.
        Failed "failed" ["failure" "error" "errored"];
        /// Somebody stopped it.
        Cancelled "cancelled" ["canceled" "aborted"];
    }

    /// How far a step of a run is.
    StepStatus => StepStatusLevel {
        /// Steps before it are not done yet.
        Pending "pending" ["created" "queued"];
        /// It can be started.
        Ready "ready" [];
        /// It goes on.
        Running "running" ["in progress" "inprogress" "started"];
        /// It waits for somebody or something.
        Blocked "blocked" ["waiting" "paused"];
        /// It worked.
        Succeeded "succeeded" ["success" "completed" "complete" "done" "passed"];
        /// It did not work.
        Failed "failed" ["failure" "error" "errored"];
        /// It was left out.
        Skipped "skipped" [];
        /// Somebody stopped it.
        Cancelled "cancelled" ["canceled" "aborted"];
    }

    /// How a step of a plan is done.
    StepKind => StepKindLevel {
        /// A person does it.
        Manual "manual" [];
        /// A program does it.
        Automated "automated" ["automatic"];
        /// Somebody looks at something.
        Observe "observe" [];
        /// Something is called.
        Invoke "invoke" [];
        /// Somebody checks that it worked.
        Verify "verify" [];
        /// Somebody writes something down.
        Record "record" [];
    }

    /// What a metric measures.
    MetricKind => MetricKindLevel {
        /// A sum that only grows.
        Counter "counter" [];
        /// A value that goes up and down.
        Gauge "gauge" [];
        /// Counts by bucket.
        Histogram "histogram" [];
        /// Quantiles.
        Summary "summary" [];
    }

    /// How several series become one.
    Aggregation => AggregationLevel {
        /// The mean.
        Avg "avg" ["average" "mean"];
        /// The sum.
        Sum "sum" [];
        /// The greatest.
        Max "max" ["maximum"];
        /// The smallest.
        Min "min" ["minimum"];
        /// How many there are.
        Count "count" [];
    }

    /// How a filter of a log query compares a field with a value.
    LogOperator => LogOperatorLevel {
        /// The field is the value.
        Equals "=" ["==" "eq" "equals"];
        /// The field is not the value.
        NotEquals "!=" ["ne" "neq" "not equals"];
        /// The field has the value in it.
        Contains "contains" [];
        /// The field matches the regular expression.
        Regex "regex" ["=~" "regexp" "matches"];
    }

    /// How a filter of a metric query compares a label with a value.
    MetricOperator => MetricOperatorLevel {
        /// The label is the value.
        Equals "=" ["==" "eq" "equals"];
        /// The label is not the value.
        NotEquals "!=" ["ne" "neq" "not equals"];
        /// The label matches the regular expression.
        Matches "=~" ["regex" "regexp" "matches"];
        /// The label does not match the regular expression.
        NotMatches "!~" ["not matches"];
    }

    /// What a block of a message is.
    BlockKind => BlockKindLevel {
        /// A title.
        Header "header" [];
        /// Text and fields.
        Section "section" [];
        /// A line between blocks.
        Divider "divider" [];
    }
}
