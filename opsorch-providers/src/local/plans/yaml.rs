//! One file: what YAML can say, and whether it is a plan. What is wrong is said with its line and column.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use opsorch::{Fields, Plan, Step, is_invisible, visible};
use serde::Deserialize;
use serde_json::json;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Location, Options, SnippetMode, Spanned};
use sha2::{Digest, Sha256};
use url::Url;

use super::cycle::cycle;

/// The steps that a plan may have.
const MOST_STEPS: usize = 500;

/// How deep a file may be nested.
const DEEPEST: usize = 32;

/// The values that a file may have: more than fit into the largest one that makes sense.
const MOST_VALUES: usize = 100_000;

/// How much is said of what is wrong, in characters.
const LONGEST_PROBLEM: usize = 600;

/// How many names an error lists.
const LISTED: usize = 10;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct YamlPlan {
    id: Option<Spanned<String>>,
    title: Spanned<String>,
    description: Option<String>,
    version: Option<Spanned<String>>,
    url: Option<Url>,
    service: Option<Spanned<String>>,
    team: Option<Spanned<String>>,
    environment: Option<Spanned<String>>,
    tags: Option<BTreeMap<String, String>>,
    steps: Spanned<Vec<YamlStep>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct YamlStep {
    id: Spanned<String>,
    title: Spanned<String>,
    #[serde(rename = "type")]
    kind: Option<Spanned<String>>,
    description: Option<String>,
    depends_on: Option<Vec<Spanned<String>>>,
    fields: Option<Fields>,
}

/// Reads a plan. Without an `id` it has this one; without a `version`, that is the beginning of the digest of the text.
/// An error says where it is wrong, and what is expected there.
pub(super) fn parse(text: &str, id: &str) -> Result<Plan, String> {
    plan(text, id).map_err(|problem| match problem.char_indices().nth(LONGEST_PROBLEM) {
        Some((end, _)) => format!("{}…", problem.get(..end).unwrap_or_default()),
        None => problem,
    })
}

fn plan(text: &str, id: &str) -> Result<Plan, String> {
    let yaml: YamlPlan = serde_saphyr::from_str_with_options(text, options()).map_err(|error| explain(&error))?;
    check(&yaml)?;
    if yaml.id.is_none() && !is_id(id) {
        return Err(format!("expected an `id`: the name of the file is not {AN_ID}"));
    }
    let YamlPlan { id: given, title, description, version, url, service, team, environment, tags, steps } = yaml;
    let mut plan = Plan::new(given.map_or_else(|| id.to_owned(), |id| id.value), title.value);
    (plan.description, plan.url, plan.tags) = (description, url, tags.unwrap_or_default());
    plan.version = Some(version.map_or_else(|| digest(text), |version| version.value));
    for (name, value) in [("service", service), ("team", team), ("environment", environment)] {
        plan.fields.extend(value.map(|value| (name.to_owned(), json!(value.value))));
    }
    let places: Vec<_> = steps.value.iter().map(|step| step.id.referenced).collect();
    plan.steps = steps.value.into_iter().map(step).collect();
    let Some(cycle) = cycle(&plan.steps) else { return Ok(plan) };
    let first = plan.steps.iter().position(|step| cycle.first() == Some(&&step.id));
    let place = first.and_then(|index| places.get(index)).copied().unwrap_or(Location::UNKNOWN);
    let cycle: Vec<_> = cycle.into_iter().map(|step| format!("`{step}`")).collect();
    Err(at(place, format!("expected steps that can be put in order, got a cycle: {}", cycle.join(" depends on "))))
}

fn step(yaml: YamlStep) -> Step {
    let YamlStep { id, title, kind, description, depends_on, fields } = yaml;
    let mut step = Step::new(id.value, title.value);
    step.kind = kind.map(|kind| kind.value.into());
    (step.description, step.fields) = (description, fields.unwrap_or_default());
    step.depends_on = depends_on.into_iter().flatten().map(|id| id.value.into()).collect();
    step
}

/// Limits on what a file can make of little: there are no anchors, aliases and merge keys, so nothing is repeated.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_anchors: 0,
            max_aliases: 0,
            max_depth: DEEPEST,
            flow_nesting_limit: DEEPEST,
            max_documents: 1,
            max_nodes: MOST_VALUES,
            max_events: 4 * MOST_VALUES,
        },
        merge_keys: MergeKeyPolicy::Error,
        duplicate_keys: DuplicateKeyPolicy::Error,
        reject_unsupported_tags: true,
        emit_comments: false,
        with_snippet: false,
    }
}

fn explain(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error::{Budget, DuplicateMappingKey, MergeKeyNotAllowed, MultipleDocuments};
    use serde_saphyr::budget::BudgetBreach::{Aliases, Anchors, Documents};
    let place = error.location().unwrap_or(Location::UNKNOWN);
    let plain = serde_saphyr::render_options! { snippets: SnippetMode::Off };
    let text = error.render_with_options(plain);
    let problem = match error {
        MergeKeyNotAllowed { .. } | Budget { breach: Anchors { .. } | Aliases { .. }, .. } => {
            "expected a plan without anchors, aliases and merge keys".to_owned()
        }
        MultipleDocuments { .. } | Budget { breach: Documents { .. }, .. } => {
            "expected one plan, got another document".to_owned()
        }
        Budget { .. } => format!("expected at most {MOST_VALUES} values, nested at most {DEEPEST} deep"),
        DuplicateMappingKey { .. } => "expected each key once, got one again".to_owned(),
        _ => text.strip_suffix(&format!(" at {}", shown(place))).unwrap_or(&text).to_owned(),
    };
    at(place, visible(&problem).replace('\n', " "))
}

fn at(place: Location, problem: impl Display) -> String {
    match place == Location::UNKNOWN {
        true => problem.to_string(),
        false => format!("{}: {problem}", shown(place)),
    }
}

fn shown(place: Location) -> String {
    format!("line {}, column {}", place.line(), place.column())
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text);
    let digits: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

fn check(plan: &YamlPlan) -> Result<(), String> {
    if let Some(id) = &plan.id {
        check_id(id)?;
    }
    let YamlPlan { title, version, service, team, environment, .. } = plan;
    for text in [Some(title), version.as_ref(), service.as_ref(), team.as_ref(), environment.as_ref()] {
        text.map_or(Ok(()), check_text)?;
    }
    let (steps, place) = (&plan.steps.value, plan.steps.referenced);
    if steps.is_empty() || steps.len() > MOST_STEPS {
        return Err(at(place, format!("expected 1 to {MOST_STEPS} steps, got {}", steps.len())));
    }
    let mut known = BTreeSet::new();
    for step in steps {
        check_id(&step.id)?;
        check_text(&step.title)?;
        step.kind.as_ref().map_or(Ok(()), check_text)?;
        if !known.insert(step.id.value.as_str()) {
            return Err(at(
                step.id.referenced,
                format!("expected another id, step `{}` is there already", step.id.value),
            ));
        }
    }
    steps.iter().flat_map(|step| step.depends_on.iter().flatten()).try_for_each(|id| check_known(id, &known))
}

fn check_known(id: &Spanned<String>, known: &BTreeSet<&str>) -> Result<(), String> {
    if known.contains(id.value.as_str()) {
        return Ok(());
    }
    let first: Vec<_> = known.iter().copied().take(LISTED).collect();
    let more = if known.len() > LISTED { ", …" } else { "" };
    let problem = format!("there is no step `{}`; there are: {}{more}", visible(&id.value), first.join(", "));
    Err(at(id.referenced, problem))
}

fn check_id(id: &Spanned<String>) -> Result<(), String> {
    match is_id(&id.value) {
        true => Ok(()),
        false => Err(at(id.referenced, format!("expected {AN_ID}"))),
    }
}

/// What [`is_id`] holds of.
const AN_ID: &str = "1 to 200 visible characters, without spaces around them";

fn is_id(text: &str) -> bool {
    (1..=200).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(|character| character.is_control() || is_invisible(character))
}

fn check_text(text: &Spanned<String>) -> Result<(), String> {
    match text.value.trim().is_empty() {
        true => Err(at(text.referenced, "expected a text, got a blank one")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAN: &str = "
id: fail-over
title: Fail over the database
description: >
  When the primary is gone.
version: 7
url: https://wiki.example.com/fail-over
service: db
environment: production
tags: { tier: 1 }
steps:
  - id: look
    title: Is it gone?
    type: observe
    fields: { board: [1, 2], page: null }
  - { id: promote, title: Promote the replica, type: manual, depends_on: [look] }
  - { id: tell, title: Tell people, description: In the channel, depends_on: [look, promote] }
";

    fn problem(text: &str) -> String {
        parse(text, "stem").unwrap_err()
    }

    fn with_steps(steps: &str) -> String {
        format!("title: x\nsteps:\n{steps}")
    }

    #[test]
    fn a_plan_is_what_its_file_says() {
        let plan = parse(PLAN, "stem").unwrap();
        let look = Step::new("look", "Is it gone?").kind("observe");
        let expected = Plan::new("fail-over", "Fail over the database")
            .description("When the primary is gone.\n")
            .version("7")
            .url(Url::parse("https://wiki.example.com/fail-over").unwrap())
            .field("service", "db")
            .field("environment", "production")
            .tag("tier", "1")
            .step(look.field("board", json!([1, 2])).field("page", json!(null)))
            .step(Step::new("promote", "Promote the replica").kind("manual").depends_on("look"))
            .step(
                Step::new("tell", "Tell people").description("In the channel").depends_on("look").depends_on("promote"),
            );
        assert_eq!(plan, expected);
    }

    #[test]
    fn what_is_left_out_comes_from_the_file() {
        let text = with_steps("  - { id: a, title: t, depends_on: , fields: }");
        let plan = parse(&text, "stem").unwrap();
        assert_eq!((plan.id.as_str(), plan.steps[0].kind.as_ref()), ("stem", None));
        let version = plan.version.unwrap();
        assert!(version.starts_with("sha256:") && version.len() == 19, "{version}");
        assert_ne!(parse(&format!("{text}\n# edited"), "stem").unwrap().version.unwrap(), version);
        assert_eq!(problem(""), "line 1, column 1: unexpected end of input");
        let nameless = parse(&text, "a\u{202e}b").unwrap_err();
        assert!(nameless.starts_with("expected an `id`: the name of the file is not 1 to 200"), "{nameless}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_what_is_expected() {
        let step = |rest: &str| with_steps(&format!("  - {{ id: a, title: t }}\n  - {{ {rest} }}"));
        let names = "id, title, type, description, depends_on, fields";
        let long = "x".repeat(201);
        for (text, expected) in [
            ("title: x\n".to_owned(), "line 1, column 1: missing field `steps`".to_owned()),
            ("steps: [{ id: a, title: t }]".to_owned(), "line 1, column 1: missing field `title`".to_owned()),
            ("- a\n".to_owned(), "line 1, column 1: expected mapping start".to_owned()),
            ("title: x\nsteps: []\n".to_owned(), "line 2, column 8: expected 1 to 500 steps, got 0".to_owned()),
            (
                step("id: b, title: t, dependsOn: [a]"),
                format!("line 4, column 24: unknown field `dependsOn`, expected one of {names}"),
            ),
            (step("id: b, title: t, depends_on: a"), "line 4, column 36: expected sequence start".to_owned()),
            (step("id: b, title: ' '"), "line 4, column 21: expected a text, got a blank one".to_owned()),
            (step("id: b, title: t, type: ''"), "line 4, column 30: expected a text, got a blank one".to_owned()),
            (step("id: a, title: t"), "line 4, column 11: expected another id, step `a` is there already".to_owned()),
            (step("id: ' b', title: t"), format!("line 4, column 11: expected {AN_ID}")),
            (step("id: \"b\\n\", title: t"), format!("line 4, column 11: expected {AN_ID}")),
            (step(&format!("id: {long}, title: t")), format!("line 4, column 11: expected {AN_ID}")),
            (
                step("id: b, title: t, depends_on: [a, ghost]"),
                "line 4, column 40: there is no step `ghost`; there are: a, b".to_owned(),
            ),
            (
                step("id: b, title: t, depends_on: [b]"),
                "line 4, column 11: expected steps that can be put in order, got a cycle: `b` depends on `b`"
                    .to_owned(),
            ),
            ("title: x\ntitle: y\n".to_owned(), "line 2, column 1: expected each key once, got one again".to_owned()),
            ("title: !x y\n".to_owned(), "line 1, column 11: unsupported tag `!x`".to_owned()),
            (
                "title: x\nsteps: [{id: a, title: b, fields: {x: .nan}}]".to_owned(),
                "line 2, column 39: non-finite float `.nan` rejected by the configured policy".to_owned(),
            ),
        ] {
            assert_eq!(problem(&text), expected, "{text}");
        }
        assert!(problem(&format!("{PLAN}---\n{PLAN}")).contains("expected one plan, got another document"));
        assert!(problem(&format!("{}: 1", "y".repeat(1000))).chars().count() <= LONGEST_PROBLEM + 1);
        assert!(!problem("title: x\n\"\\e[2J\\u202E\": 1").contains(['\u{1b}', '\u{202e}']), "it is shown to people");
    }

    #[test]
    fn a_cycle_is_named_without_what_only_leads_to_it() {
        let steps = "  - {id: z, title: t, depends_on: [b]}\n  - {id: a, title: t, depends_on: [c]}\n  \
                     - {id: b, title: t, depends_on: [free, a]}\n  - {id: c, title: t, depends_on: [b]}\n  - {id: free, title: t}";
        let expected = "line 4, column 10: expected steps that can be put in order, got a cycle: \
                        `a` depends on `c` depends on `b` depends on `a`";
        assert_eq!(problem(&with_steps(steps)), expected);
    }

    #[test]
    fn nothing_small_becomes_large() {
        let refused = "expected a plan without anchors, aliases and merge keys";
        let bomb =
            "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n";
        for text in [
            "title: &a x\n",
            "title: x\ntags: { <<: { a: b } }\n",
            &format!("title: x\ntags:\n  {}", bomb.replace('\n', "\n  ")),
        ] {
            assert!(problem(text).contains(refused), "{}", problem(text));
        }
        let deep = |open: &str| with_steps(&format!("  - {{ id: a, title: t, fields: {{ x: {}", open.repeat(DEEPEST)));
        for text in [deep("["), deep("{ x: "), "- ".repeat(DEEPEST + 1), "? ".repeat(DEEPEST + 1)] {
            assert!(parse(&text, "stem").is_err(), "{text}");
        }
        let many = |count| (0..count).map(|step| format!("  - {{ id: {step}, title: t }}\n")).collect::<String>();
        assert!(parse(&with_steps(&many(MOST_STEPS)), "stem").is_ok());
        assert_eq!(problem(&with_steps(&many(MOST_STEPS + 1))), "line 3, column 3: expected 1 to 500 steps, got 501");
    }

    #[test]
    fn the_largest_files_of_nonsense_are_read_to_their_end() {
        let units = [
            "[",
            "{",
            "- ",
            "? ",
            "&a ",
            "*a ",
            "'",
            "\"",
            " ",
            "\t",
            "\n",
            "#\n",
            ": ",
            "a:\n",
            "!!str ",
            "---\n",
            "|\n",
            "a: |\n ",
            ">\n",
            "\\x",
            "{a: ",
            "[a, ",
            "}",
            ",",
            "\u{feff}",
            "\r",
            "- - -\n",
            "<<: ",
            "x: {y: z}, ",
        ];
        let leads =
            ["", "title: x\nsteps: [{id: a, title: b, fields: {x: ", "title: x\nsteps:\n- id: a\n  fields:\n    x: "];
        for unit in units {
            for lead in leads {
                let text = format!("{lead}{}", unit.repeat((256 << 10) / unit.len()));
                let _ = parse(&text, "stem");
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", cut in 0..PLAN.len(), at in 0..PLAN.len(), put in "[-\\[\\]{}:,&*!|>'\"#%@` \t\n\\\\a0]{0,4}") {
            let _ = parse(&text, "stem");
            let _ = parse(&PLAN[..cut], "stem");
            let _ = parse(&format!("{}{put}{}", &PLAN[..at], &PLAN[at..]), "stem");
        }
    }
}
