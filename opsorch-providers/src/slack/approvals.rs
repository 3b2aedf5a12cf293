//! Tells people in Slack that a change waits for them, and what became of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use opsorch::gate::ApprovalHook;
use opsorch::{Actor, Answer, ApprovalRequest, BuildEnv, Context, ErrorKind, GrantId, Result};
use serde_json::json;

use self::notice::Notice;
use super::SlackConfig;
use super::address::Address;
use super::api::{Enough, Said, Slack};
use super::layout::Page;
use super::people;
use super::wire::{History, Mark, Post, Posted};
use super::write::PAUSE;

mod notice;

/// The name of our metadata.
const EVENT: &str = "opsorch_approval";

/// How long one notification may take: the gate gives it 30 seconds.
const TIME: Duration = Duration::from_secs(28);

/// The longest wait that Slack may ask for in the middle of a notification.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How many requests are remembered; an older one is looked for in the channel.
const MOST_REMEMBERED: usize = 1_000;

/// Posts each request to a channel, with what would run, its digest, and the buttons Approve and Deny; and keeps the message
/// up to date until the request is closed. Give it to [`Builder::approval_hook`](opsorch::Builder::approval_hook).
///
/// The buttons come last: only when the whole action was posted, in one message or in its thread. What they answer reaches
/// the gate through [`SlackInteractions`](super::SlackInteractions).
///
/// ```
/// use opsorch::{BuildEnv, OpsOrch, Result};
/// use opsorch_providers::slack::{SlackApprovals, SlackConfig};
///
/// async fn start(config: &SlackConfig, env: &BuildEnv) -> Result<OpsOrch> {
///     let approvals = SlackApprovals::new(config, env).await?;
///     OpsOrch::builder().approval_hook(approvals).build().await
/// }
/// ```
#[derive(Debug)]
pub struct SlackApprovals {
    slack: Slack,
    channel: Address,
    known: Mutex<BTreeMap<GrantId, Known>>,
}

/// The message of a request.
#[derive(Clone, Debug)]
struct Place {
    channel: String,
    ts: String,
    /// Whether all of the action is there: only then may there be buttons.
    is_whole: bool,
}

/// A request, and how far its message is.
#[derive(Debug)]
struct Known {
    latest: ApprovalRequest,
    /// Whether the message does not say so yet.
    is_new: bool,
    /// Whether somebody brings the message up to date: two at once could end with the older state.
    is_busy: bool,
    place: Option<Place>,
}

impl SlackApprovals {
    /// Posts to the channel that `approvals` names. `env` has the transport and the secrets.
    ///
    /// # Errors
    /// `Invalid` without `approvals`, for a channel that cannot be meant, for a list of people that does not say who is
    /// who, and as when a provider is built from the configuration.
    pub async fn new(config: &SlackConfig, env: &BuildEnv) -> Result<Self> {
        let asked = config.asked()?;
        people::check(&asked.people)?;
        let channel = Address::parse(&asked.channel)?;
        Ok(Self { slack: config.connect(env).await?, channel, known: Mutex::default() })
    }

    /// Brings the message of a request to its latest state, unless somebody is at it already, who then does it.
    async fn show(&self, request: &ApprovalRequest) {
        if !self.note(request) {
            return;
        }
        let mut turn = Turn { approvals: self, grant: &request.id, is_over: false };
        let cx = Context::new(Actor::service("opsorch-slack")).timeout(TIME);
        while let Some((latest, place)) = self.next(&request.id) {
            match self.bring(&cx, &latest, place).await {
                Ok(place) => self.at(&request.id, place),
                Err(error) => {
                    tracing::warn!(%error, grant = %request.id, "a request for approval could not be shown in Slack");
                }
            }
        }
        turn.is_over = true;
    }

    /// Posts or updates the message; says where it is.
    async fn bring(&self, cx: &Context, request: &ApprovalRequest, place: Option<Place>) -> Result<Option<Place>> {
        let notice = Notice::new(request);
        let place = match place {
            // It was posted before this process began.
            None if !notice.is_first() => self.find(cx, request).await?,
            place => place,
        };
        match place {
            Some(place) => {
                let page = notice.page(place.is_whole);
                Ok(Some(self.post(cx, "chat.update", &place, None, &page, request).await?))
            }
            None if notice.is_first() => Ok(Some(self.ask(cx, request, &notice).await?)),
            None => Ok(None),
        }
    }

    /// Posts a new request: what does not fit into one message goes to its thread, and then the buttons are added.
    async fn ask(&self, cx: &Context, request: &ApprovalRequest, notice: &Notice<'_>) -> Result<Place> {
        let channel = self.channel.to_post(cx, &self.slack).await?;
        let is_whole = notice.thread().is_empty();
        let nowhere = Place { channel, ts: String::new(), is_whole };
        let mut place = self.post(cx, "chat.postMessage", &nowhere, None, &notice.page(is_whole), request).await?;
        // From here on an update finds it, also if the rest fails.
        self.at(&request.id, Some(place.clone()));
        for page in notice.thread() {
            tokio::time::sleep(PAUSE).await;
            self.post(cx, "chat.postMessage", &place, Some(&place.ts), page, request).await?;
        }
        if !is_whole {
            place.is_whole = true;
            self.post(cx, "chat.update", &place, None, &notice.page(true), request).await?;
        }
        Ok(place)
    }

    async fn post(
        &self,
        cx: &Context,
        method: &'static str,
        place: &Place,
        thread: Option<&str>,
        page: &Page,
        request: &ApprovalRequest,
    ) -> Result<Place> {
        let metadata = Mark {
            event_type: EVENT,
            event_payload: json!({ "grant": request.id, "digest": request.digest, "whole": place.is_whole }),
        };
        let post = Post {
            channel: &place.channel,
            ts: (method == "chat.update").then_some(&*place.ts),
            text: &page.text,
            blocks: &page.blocks,
            thread_ts: thread,
            reply_broadcast: None,
            unfurl_links: Some(false).filter(|_| method != "chat.update"),
            unfurl_media: Some(false).filter(|_| method != "chat.update"),
            metadata: &metadata,
        };
        loop {
            let said: Result<Said<Posted>> = self.slack.write(cx, method, Some(&place.channel), &post).await;
            match said {
                Ok(said) => return Ok(Place { channel: said.answer.channel, ts: said.answer.ts, ..*place }),
                // Nothing was posted, and Slack says when it may be.
                Err(error) => match error.kind() {
                    ErrorKind::RateLimited { retry_after: Some(wait) }
                        if *wait <= LONGEST_WAIT && cx.remaining().is_some_and(|left| *wait < left) =>
                    {
                        tokio::time::sleep(*wait).await;
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    /// The message of a request that this process did not post.
    async fn find(&self, cx: &Context, request: &ApprovalRequest) -> Result<Option<Place>> {
        let channel = self.channel.to_id(cx, &self.slack).await?;
        let oldest = format!("{}.000000", (request.requested_at.timestamp() - 60).max(0));
        let arguments = [
            ("channel", channel.as_str()),
            ("oldest", oldest.as_str()),
            ("include_all_metadata", "true"),
            ("limit", "200"),
        ];
        let own = self.slack.bot(cx).await?;
        let mut found = None;
        let take = |page: History| {
            found = page.messages.into_iter().find_map(|message| {
                let mark = message.mark(own.as_deref(), EVENT)?;
                let says = |name: &str, text: &str| mark.get(name) == Some(&json!(text));
                let is_whole = mark.get("whole") == Some(&json!(true));
                let is_it = says("grant", request.id.as_str()) && says("digest", request.digest.as_str());
                is_it.then_some((message.ts, is_whole))
            });
            if found.is_some() { Enough::Yes } else { Enough::No }
        };
        self.slack.pages(cx, "conversations.history", &arguments, take).await?;
        Ok(found.map(|(ts, is_whole)| Place { channel, ts, is_whole }))
    }

    /// Notes a state, and says whether the caller has to show it. Notifications overlap, so that an older state may come
    /// after a newer one.
    fn note(&self, request: &ApprovalRequest) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_REMEMBERED && !known.contains_key(&request.id) {
            let idle = known.iter().find(|(_, known)| !known.is_busy).map(|(grant, _)| grant.clone());
            idle.map(|grant| known.remove(&grant));
        }
        let known = known.entry(request.id.clone()).or_insert_with(|| Known {
            latest: request.clone(),
            is_new: true,
            is_busy: false,
            place: None,
        });
        if rank(request) > rank(&known.latest) {
            (known.latest, known.is_new) = (request.clone(), true);
        }
        !std::mem::replace(&mut known.is_busy, true)
    }

    /// What has to be shown next. Where that is nothing, the turn is over; what has ended is forgotten then.
    fn next(&self, grant: &GrantId) -> Option<(ApprovalRequest, Option<Place>)> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get_mut(grant)?;
        if std::mem::take(&mut known.is_new) {
            return Some((known.latest.clone(), known.place.clone()));
        }
        known.is_busy = false;
        if known.latest.state.is_final() {
            all.remove(grant);
        }
        None
    }

    fn at(&self, grant: &GrantId, place: Option<Place>) {
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get_mut(grant) {
            known.place = place;
        }
    }
}

#[async_trait]
impl ApprovalHook for SlackApprovals {
    async fn requested(&self, request: &ApprovalRequest) {
        self.show(request).await;
    }

    async fn answered(&self, request: &ApprovalRequest, _: &Answer) {
        self.show(request).await;
    }

    async fn closed(&self, request: &ApprovalRequest) {
        self.show(request).await;
    }
}

/// The time in which somebody brings a message up to date. Whoever gives up before the end lets others.
struct Turn<'a> {
    approvals: &'a SlackApprovals,
    grant: &'a GrantId,
    is_over: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut known = self.approvals.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get_mut(self.grant) {
            known.is_busy = false;
        }
    }
}

/// States in their order.
fn rank(request: &ApprovalRequest) -> (bool, usize) {
    (request.state.is_final(), request.answers.len())
}
