//! Policy as rules: what matches, which word holds, and what is refused.

use opsorch::gate::{Decision, Policy, Rules};
use opsorch::{Action, Actor, CommentTicket, Context, CreateTicket, ErrorKind, Quorum, Scope, Target};

fn create() -> Action {
    CreateTicket::new("disk full").into()
}

fn target(scope: Scope) -> Target {
    Target::new("jira-eu", "jira", "sha256:0", scope)
}

fn known() -> Target {
    target(Scope::new().environment("production").service("api").team("core"))
}

async fn decide(rules: &str, actor: Actor, target: &Target, action: &Action) -> Decision {
    Rules::parse(rules).unwrap().decide(&Context::new(actor), target, action).await.unwrap()
}

/// Rules with one rule that has this condition beside its operation and its decision.
fn rule(decision: &str, condition: &str) -> String {
    let quorum = if decision == "require-approval" { "quorum = '1 of sre'" } else { "" };
    format!(
        "[[rule]]\nname = 'the rule'\noperations = ['ticket.create']\ndecision = '{decision}'\n{quorum}\n{condition}"
    )
}

fn words() -> [(&'static str, Decision); 3] {
    [
        ("allow", Decision::allow("the rule")),
        ("require-approval", Decision::require_approval(Quorum::of(1, "sre"), "the rule")),
        ("deny", Decision::deny("the rule")),
    ]
}

#[tokio::test]
async fn a_rule_matches_if_every_condition_does() {
    let cases = [
        ("", true),
        ("providers = ['jira-eu']", true),
        ("providers = ['jira-*']", true),
        ("providers = ['jira']", false),
        ("providers = ['other', 'jira-eu']", true),
        ("kinds = ['jira']", true),
        ("kinds = ['Jira']", false),
        ("environments = ['production']", true),
        ("environments = ['prod']", false),
        ("environments = ['staging', 'prod*']", true),
        ("services = ['api']", true),
        ("services = ['web']", false),
        ("teams = ['core']", true),
        ("teams = ['c']", false),
        ("actors = ['agent']", true),
        ("actors = ['user', 'service']", false),
        ("roles = ['triage', 'other']", true),
        ("roles = ['other']", false),
        ("roles = ['tri*']", false),
        ("environments = ['production']\nteams = ['core']\nactors = ['agent']", true),
        ("environments = ['production']\nteams = ['other']\nactors = ['agent']", false),
    ];
    for (condition, matches) in cases {
        for (word, decision) in words() {
            let actor = Actor::agent("a").role("triage");
            let decided = decide(&rule(word, condition), actor, &known(), &create()).await;
            let expected = if matches { decision } else { Decision::Abstain };
            assert_eq!(decided, expected, "{word} with {condition}");
        }
    }
}

#[tokio::test]
async fn a_rule_is_about_its_operations_only() {
    let comment = Action::TicketComment(CommentTicket::new("T-1", "hello"));
    for (pattern, creates, comments) in [
        ("*", true, true),
        ("ticket.*", true, true),
        ("*.create", true, false),
        ("ticket.comment", false, true),
        ("incident.*", false, false),
    ] {
        let rules = format!("[[rule]]\nname = 'r'\noperations = ['{pattern}']\ndecision = 'deny'");
        for (action, matches) in [(&create(), creates), (&comment, comments)] {
            let decided = decide(&rules, Actor::agent("a"), &known(), action).await;
            assert_eq!(decided != Decision::Abstain, matches, "{pattern} on {}", action.operation());
        }
    }
}

#[tokio::test]
async fn an_unknown_attribute_matches_no_allow_and_every_other_word() {
    for condition in ["environments = ['production']", "services = ['api']", "teams = ['core']", "teams = ['*']"] {
        for (word, decision) in words() {
            let decided = decide(&rule(word, condition), Actor::agent("a"), &target(Scope::new()), &create()).await;
            let expected = if word == "allow" { Decision::Abstain } else { decision };
            assert_eq!(decided, expected, "{word} with {condition}");
        }
    }
    let decided = decide(&rule("allow", ""), Actor::agent("a"), &target(Scope::new()), &create()).await;
    assert_eq!(decided, Decision::allow("the rule"), "a rule that asks for no attribute allows");
}

#[tokio::test]
async fn the_strictest_word_holds_in_any_order() {
    let allow = "[[rule]]\nname = 'may'\noperations = ['*']\ndecision = 'allow'\n";
    let sre = "[[rule]]\nname = 'asks sre'\noperations = ['*']\ndecision = 'require-approval'\nquorum = '2 of sre'\n";
    let security = "[[rule]]\nname = 'asks'\nreason = 'touches secrets'\noperations = ['*']\ndecision = 'require-approval'\nquorum = '1 of security'\n";
    let deny = "[[rule]]\nname = 'never'\nreason = 'frozen'\noperations = ['*']\ndecision = 'deny'\n";
    let both = Quorum::of(2, "sre").and(1, "security");
    let cases = [
        (vec![allow], Decision::allow("may")),
        (vec![allow, sre], Decision::require_approval(Quorum::of(2, "sre"), "asks sre")),
        (vec![sre, allow], Decision::require_approval(Quorum::of(2, "sre"), "asks sre")),
        (vec![sre, security, allow], Decision::require_approval(both.clone(), "asks sre; touches secrets")),
        (vec![allow, security, sre], Decision::require_approval(both, "touches secrets; asks sre")),
        (vec![allow, deny, sre], Decision::deny("frozen")),
        (vec![deny, allow], Decision::deny("frozen")),
        (vec![], Decision::Abstain),
    ];
    for (rules, expected) in cases {
        assert_eq!(decide(&rules.concat(), Actor::agent("a"), &known(), &create()).await, expected, "{rules:?}");
    }
}

#[test]
fn a_revision_is_the_same_for_the_same_rules_and_another_for_others() {
    let revision = |text: &str| Rules::parse(text).unwrap().revision().unwrap().to_owned();
    let one = revision(&rule("allow", "teams = ['core']"));
    assert_eq!(one, revision(&format!("# a comment\n{}\n", rule("allow", "teams = [ 'core' ]"))));
    assert!(one.starts_with("sha256:") && one.len() == 23, "{one}");

    let others = [
        rule("deny", "teams = ['core']"),
        rule("allow", "teams = ['cores']"),
        rule("allow", ""),
        rule("allow", "teams = ['core']\nreason = 'x'"),
        String::new(),
    ];
    for other in others {
        assert_ne!(revision(&other), one, "{other}");
    }
}

#[test]
fn what_is_not_understood_to_the_letter_is_refused() {
    let rest = "decision = 'allow'";
    let cases = [
        ("[[rules]]".into(), "invalid policy.rules: unknown key `rules`, expected `rule`"),
        ("[[rule]]\nname = 'a'\noperations = ['*']".into(), "invalid policy.rule[0].decision: this key is missing"),
        (format!("[[rule]]\nname = 'a'\n{rest}"), "invalid policy.rule[0].operations: this key is missing"),
        (format!("[[rule]]\noperations = ['*']\n{rest}"), "invalid policy.rule[0].name: this key is missing"),
        (
            format!("[[rule]]\nname = 'a'\noperations = []\n{rest}"),
            "invalid policy.rule[0].operations: expected at least one operation; `*` means all",
        ),
        (
            format!("[[rule]]\nname = 'a'\noperations = '*'\n{rest}"),
            "invalid policy.rule[0].operations: expected a list, got text",
        ),
        (
            rule("alow", ""),
            "invalid policy.rule[0].decision: expected one of `allow`, `require-approval`, `deny`, got another word",
        ),
        (
            rule("allow", "actors = ['robot']"),
            "invalid policy.rule[0].actors[0]: expected one of `user`, `agent`, `service`, got another word",
        ),
        (
            rule("allow", "environment = ['production']"),
            "invalid policy.rule[0].environment: unknown key `environment`, expected one of `name`, `operations`, \
             `providers`, `kinds`, `environments`, `services`, `teams`, `actors`, `roles`, `decision`, `quorum`, `reason`",
        ),
        (
            rule("allow", "quorum = '1 of sre'"),
            "invalid policy.rule[0].quorum: a quorum belongs to require-approval; take it out or change the decision",
        ),
        (
            format!("{}\n{}", rule("allow", ""), rule("allow", "").replace("'allow'", "'require-approval'")),
            "invalid policy.rule[1].quorum: expected who must agree, such as `1 of sre`, because the decision is \
             require-approval",
        ),
        (
            rule("require-approval", "").replace("1 of sre", "sre, please"),
            "invalid policy.rule[0].quorum: expected a quorum such as `2 of sre and 1 of security` (1 to 32 people, one \
             word a role), got `***`",
        ),
        ("[[rule]\n".into(), "invalid policy: line 1, column 8: unclosed array table, expected `]`"),
    ];
    for (text, expected) in cases {
        let error = Rules::parse(&text).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
        assert!(matches!(error.kind(), ErrorKind::Invalid { .. }));
    }
}

#[test]
fn a_misspelt_operation_is_refused_with_the_known_ones() {
    for pattern in ["ticket.creat", "tickets.*", "ticket.get", "*.query", ""] {
        let text = format!("[[rule]]\nname = 'a'\noperations = ['ticket.*', '{pattern}']\ndecision = 'deny'");
        let error = Rules::parse(&text).unwrap_err().to_string();
        let beginning = format!(
            "invalid policy.rule[0].operations: `{pattern}` matches no change; the changes are: incident.create, "
        );
        assert!(error.starts_with(&beginning), "{error}");
        assert!(error.ends_with("orchestration.runs.cancel"), "{error}");
        assert!(!error.contains("ticket.get, "), "{error}");
    }
}

#[test]
fn a_file_of_rules_is_limited_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.toml");
    std::fs::write(&path, rule("allow", "")).unwrap();
    assert_eq!(Rules::load(&path).unwrap().len(), 1);

    std::fs::write(&path, "#".repeat(1024 * 1024 + 1)).unwrap();
    let error = Rules::load(&path).unwrap_err().to_string();
    let expected =
        format!("invalid policy: the file is larger than 1 MiB; is it the right one? (file: {})", path.display());
    assert_eq!(error, expected);
    let error = Rules::load(directory.path().join("other.toml")).unwrap_err().to_string();
    assert!(error.starts_with("invalid policy: the file cannot be read: ") && error.contains("other.toml"), "{error}");
}
