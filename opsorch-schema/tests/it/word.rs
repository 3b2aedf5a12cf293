//! Words keep their spelling and know their level.

use std::collections::BTreeMap;

use opsorch_schema::*;
use proptest::prelude::*;
use schemars::schema_for;

macro_rules! words {
    ($($name:ident: $word:ident $level:ident,)+) => {$(
        mod $name {
            use super::*;

            /// Every word that is in the table, as the table compares it.
            fn known() -> BTreeMap<String, $level> {
                let mut known = BTreeMap::new();
                for level in $level::ALL {
                    for word in level.aliases().iter().chain([&level.word()]) {
                        let twice = known.insert(plain(word), *level);
                        assert_eq!(twice, None, "`{word}` is in the table twice");
                    }
                }
                known
            }

            #[test]
            fn every_word_of_the_table_has_its_level_however_it_is_spelled() {
                for (word, level) in known() {
                    for spelling in spellings(&word) {
                        assert_eq!($word::new(&spelling).level(), level, "{spelling:?}");
                    }
                }
            }

            #[test]
            fn every_level_has_a_word_that_means_it() {
                for level in $level::ALL {
                    assert_eq!($word::from(*level).level(), *level);
                    assert_eq!($word::from(*level).as_str(), level.to_string());
                }
            }

            #[test]
            fn levels_are_ordered_as_they_are_listed() {
                assert!($level::ALL.is_sorted());
                assert_eq!($level::ALL.last(), Some(&$level::Unknown));
            }

            #[test]
            fn the_schema_is_a_text_with_the_closed_set_as_examples() {
                let schema = schema_for!($word).to_value();
                let known = $level::ALL.iter().filter(|level| **level != $level::Unknown);
                let words: Vec<_> = known.map(|level| level.word()).collect();
                assert_eq!(schema["type"], "string");
                assert_eq!(schema["examples"], serde_json::json!(words));
                assert!(schema.get("enum").is_none());
            }

            proptest! {
                #[test]
                fn any_text_survives_and_is_unknown_unless_it_is_in_the_table(text: String) {
                    survives(&text)?;
                }

                /// Random text rarely comes near the table; this does.
                #[test]
                fn near_misses_are_unknown(index: prop::sample::Index, at: prop::sample::Index, extra in "[a-z0-9 _-]?") {
                    let known: Vec<_> = known().into_keys().collect();
                    let mut text = index.get(&known).clone();
                    let at = at.index(text.len());
                    text.replace_range(at..=at, &extra);
                    survives(&text)?;
                }
            }

            fn survives(text: &str) -> Result<(), TestCaseError> {
                let word = $word::new(text);
                prop_assert_eq!(word.as_str(), text);
                prop_assert_eq!(word.to_string(), text);
                let json = serde_json::to_string(&word).unwrap();
                prop_assert_eq!(&json, &serde_json::to_string(text).unwrap());
                prop_assert_eq!(serde_json::from_str::<$word>(&json).unwrap(), word.clone());
                let expected = known().get(&plain(text)).copied().unwrap_or($level::Unknown);
                prop_assert_eq!(word.level(), expected);
                Ok(())
            }
        }
    )+};
}

words! {
    severity: Severity SeverityLevel,
    log_severity: LogSeverity LogSeverityLevel,
    incident_status: IncidentStatus IncidentStatusLevel,
    alert_status: AlertStatus AlertStatusLevel,
    ticket_status: TicketStatus TicketStatusLevel,
    deployment_status: DeploymentStatus DeploymentStatusLevel,
    run_status: RunStatus RunStatusLevel,
    step_status: StepStatus StepStatusLevel,
    step_kind: StepKind StepKindLevel,
    metric_kind: MetricKind MetricKindLevel,
    aggregation: Aggregation AggregationLevel,
    log_operator: LogOperator LogOperatorLevel,
    metric_operator: MetricOperator MetricOperatorLevel,
    block_kind: BlockKind BlockKindLevel,
}

/// What the documentation says is compared: case, surrounding blanks, `_` and `-` do not matter.
fn plain(word: &str) -> String {
    word.trim_ascii().to_ascii_lowercase().replace(['_', '-'], " ")
}

fn spellings(word: &str) -> [String; 5] {
    [word.to_owned(), word.to_uppercase(), word.replace(' ', "_"), word.replace(' ', "-"), format!("\t{word} \n")]
}

#[test]
fn words_of_the_field_mean_what_they_mean_there() {
    for word in ["critical", "SEV1", "sev-1", "P1", "fatal", "disaster"] {
        assert_eq!(Severity::new(word).level(), SeverityLevel::Critical, "{word}");
    }
    assert_eq!(IncidentStatus::new("triggered").level(), IncidentStatusLevel::Open);
    assert_eq!(AlertStatus::new("OK").level(), AlertStatusLevel::Resolved);
    assert_eq!(TicketStatus::new("In Review").level(), TicketStatusLevel::InReview);
    assert_eq!(DeploymentStatus::new("in_progress").level(), DeploymentStatusLevel::Running);
    assert_eq!(LogSeverity::new("WARN").level(), LogSeverityLevel::Warning);
}

#[test]
fn nothing_is_guessed() {
    for word in ["", " ", "critical!", "sev", "sev1 sev2", "ｃｒｉｔｉｃａｌ", "CRİTICAL", "none", "default"] {
        assert_eq!(Severity::new(word).level(), SeverityLevel::Unknown, "{word:?}");
    }
    // A workflow that is `completed` may have failed.
    assert_eq!(DeploymentStatus::new("completed").level(), DeploymentStatusLevel::Unknown);
}

#[test]
fn the_worst_comes_first() {
    let mut levels = [SeverityLevel::Unknown, SeverityLevel::Info, SeverityLevel::Critical, SeverityLevel::Medium];
    levels.sort();
    assert_eq!(levels.first(), Some(&SeverityLevel::Critical));
    assert_eq!(levels.last(), Some(&SeverityLevel::Unknown));
}
