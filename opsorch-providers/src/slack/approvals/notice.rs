//! What the message of a request says.

use opsorch::{Answer, ApprovalRequest, GrantState, Time, Verdict, visible};

use crate::slack::interactions::{APPROVE, DENY, Subject};
use crate::slack::layout::{self, Page};
use crate::slack::markdown::Part;
use crate::slack::text::{Line, Run, Style, escape, shortened};
use crate::slack::wire::{Block, Button, Text};

/// The most messages that the thread of a request has. What would take more is not answered in Slack.
const MOST_IN_THREAD: usize = 20;

/// The characters that are kept free for answers, which come later.
const ROOM_FOR_ANSWERS: usize = 3_500;

/// How many answers are shown, and how much of each note. All of them are in the log.
const MOST_ANSWERS: usize = 8;
const LONGEST_NOTE: usize = 200;

/// The message of a request, and what its thread has. Everything of the request is shown as it is: nothing in it is markup.
#[derive(Debug)]
pub(super) struct Notice<'a> {
    request: &'a ApprovalRequest,
    /// What would run and why, where it fits into the message.
    details: Vec<Block>,
    thread: Vec<Page>,
}

impl<'a> Notice<'a> {
    pub(super) fn new(request: &'a ApprovalRequest) -> Self {
        let mut notice = Self { request, details: layout::blocks_of(details(request)), thread: Vec::new() };
        if !layout::fit(&notice.blocks(true), ROOM_FOR_ANSWERS) {
            notice.details = Vec::new();
            notice.thread = layout::pages(details(request));
        }
        if notice.thread.len() > MOST_IN_THREAD {
            notice.thread = Vec::new();
            let hint = "It is too long to be shown in Slack, and cannot be answered here.";
            notice.details = layout::blocks_of(vec![line(vec![Run::plain(hint)])]);
        }
        notice
    }

    /// Whether nobody has answered: the only state in which a request is posted.
    pub(super) fn is_first(&self) -> bool {
        self.request.state == GrantState::Requested && self.request.answers.is_empty()
    }

    /// What does not fit into the message.
    pub(super) fn thread(&self) -> &[Page] {
        &self.thread
    }

    /// The message; with buttons, if it waits, can be shown, and all of the action is there.
    pub(super) fn page(&self, is_whole: bool) -> Page {
        let request = self.request;
        let provider = visible(request.target.provider.as_str()).into_owned();
        let what = format!("{} on {}", request.action.operation(), shortened(&provider, 100));
        let text = escape(&format!("{}: {what}", title(request.state))).into_owned();
        Page { text, blocks: self.blocks(is_whole) }
    }

    fn blocks(&self, is_whole: bool) -> Vec<Block> {
        let request = self.request;
        let mut parts = vec![Part::Header(title(request.state).to_owned()), summary(request)];
        if !self.thread.is_empty() {
            parts.push(line(vec![Run::plain("Exactly what would run, and why, is in the thread.")]));
        }
        let mut blocks = layout::blocks_of(parts);
        blocks.extend(self.details.iter().cloned());
        let mut end = vec![line(vec![Run::styled(request.digest.as_str(), Style::CODE)])];
        end.extend(answers(&request.answers));
        blocks.extend(layout::blocks_of(end));
        let is_shown = !self.thread.is_empty() || holds_literal(&self.details);
        if is_whole && is_shown && request.state == GrantState::Requested {
            blocks.push(buttons(request));
        }
        blocks
    }
}

/// What is short about a request. What is cut here stands in the action too.
fn summary(request: &ApprovalRequest) -> Part {
    let target = &request.target;
    let mut lines = vec![
        named("Operation", request.action.operation().name()),
        named("Provider", &format!("{} ({})", target.provider, target.kind)),
    ];
    let scope = &target.scope;
    for (name, value) in [("Service", &scope.service), ("Team", &scope.team), ("Environment", &scope.environment)] {
        lines.extend(value.as_ref().map(|value| named(name, value)));
    }
    lines.push(named_in_full("Requested by", &request.requester.to_string()));
    lines.push(named_in_full("Needs", &request.quorum.to_string()));
    if !request.state.is_final() {
        let what = if request.state == GrantState::Active { "To be run before" } else { "Expires" };
        lines.push(named(what, &time(request.expires_at)));
    }
    lines.push(named("Grant", request.id.as_str()));
    Part::Text(lines)
}

/// What has no limit: the reasons and the action.
fn details(request: &ApprovalRequest) -> Vec<Part> {
    let mut parts = Vec::new();
    for (name, reason) in [("Reason", request.reason.as_deref()), ("Policy", Some(request.policy_reason.as_str()))] {
        let reason = reason.unwrap_or_default();
        if !reason.trim().is_empty() {
            parts.push(Part::Text(vec![
                Line::new([Run::styled(name, Style::BOLD)]),
                Line::new([Run::plain(one_line(reason))]),
            ]));
        }
    }
    parts.push(Part::Literal(request.shown.clone()));
    parts
}

/// At most as many answers as there is room for.
fn answers(answers: &[Answer]) -> Vec<Part> {
    let mut lines = Vec::new();
    for answer in answers.iter().take(MOST_ANSWERS) {
        let verdict = if answer.verdict == Verdict::Yes { "✅ approved by " } else { "⛔ denied by " };
        let mut said = format!("{}, {}", shortened(&one_line(&answer.actor.to_string()), 150), time(answer.at));
        if let Some(note) = &answer.note {
            said += &format!(": {}", shortened(&one_line(note), LONGEST_NOTE));
        }
        lines.push(Line::new([Run::plain(verdict), Run::plain(said)]));
    }
    if answers.len() > MOST_ANSWERS {
        lines.push(Line::new([Run::plain(format!("and {} more", answers.len() - MOST_ANSWERS))]));
    }
    if lines.is_empty() { Vec::new() } else { vec![Part::Text(lines)] }
}

fn buttons(request: &ApprovalRequest) -> Block {
    let value = Subject { grant: request.id.clone(), digest: request.digest.clone() }.value();
    let button = |action_id, text: &str, style| Button {
        action_id,
        text: Text::PlainText(text.to_owned()),
        style,
        value: value.clone(),
    };
    Block::Actions { elements: vec![button(APPROVE, "Approve", "primary"), button(DENY, "Deny", "danger")] }
}

fn title(state: GrantState) -> &'static str {
    match state {
        GrantState::Requested => "Approval needed",
        GrantState::Active => "Approved, not run yet",
        GrantState::Spent => "Approved and run",
        GrantState::Denied => "Denied",
        GrantState::Expired => "Expired",
        GrantState::Withdrawn => "Withdrawn",
        GrantState::Revoked => "Revoked",
        _ => "Request",
    }
}

fn holds_literal(blocks: &[Block]) -> bool {
    blocks.iter().any(|block| matches!(block, Block::RichText { .. }))
}

fn line(runs: Vec<Run>) -> Part {
    Part::Text(vec![Line::new(runs)])
}

fn named(name: &str, value: &str) -> Line {
    named_in_full(name, &shortened(value, 300))
}

fn named_in_full(name: &str, value: &str) -> Line {
    Line::new([Run::styled(format!("{name}:"), Style::BOLD), Run::plain(format!(" {}", one_line(value)))])
}

/// The text on one line, with nothing hidden in it.
fn one_line(text: &str) -> String {
    visible(text).replace('\n', "\\n")
}

fn time(time: Time) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
