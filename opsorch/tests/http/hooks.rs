//! What vendors send by themselves: signed, bounded, and handed over once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opsorch::capability::{Delivery, OtherEvent, Webhook, WebhookEvent, WebhookReceiver};
use opsorch::gate::Access;
use opsorch::http::{Authentication, Options, RateLimit, Role, WebhookDelivery, WebhookSink};
use opsorch::transport::Method;
use opsorch::{Context, Error, ErrorKind, Fields, Operation, Provider, Result, Target, async_trait};

use crate::support::{Api, World, shared};

/// A vendor that signs with a word.
#[derive(Debug)]
struct Vendor;

#[async_trait]
impl WebhookReceiver for Vendor {
    async fn receive(&self, cx: &Context, webhook: &Webhook) -> Result<Delivery> {
        assert_eq!(cx.actor().to_string(), "service signed@webhook");
        if webhook.headers.get("x-signature").is_none_or(|word| word != "right") {
            return Err(Error::new(ErrorKind::Unauthenticated, "the signature is wrong"));
        }
        let delivery = Delivery::new(vec![WebhookEvent::Other(OtherEvent::new("ping", Fields::new()))]);
        let body = std::str::from_utf8(&webhook.body).unwrap();
        Ok(if body == "challenge" { delivery.answer("<b>answer</b>") } else { delivery.id(body) })
    }
}

#[derive(Clone, Debug, Default)]
struct Inbox {
    taken: Arc<Mutex<Vec<WebhookDelivery>>>,
    is_full: bool,
}

#[async_trait]
impl WebhookSink for Inbox {
    async fn delivered(&self, delivery: &WebhookDelivery) -> Result<()> {
        if self.is_full {
            return Err(Error::unexpected("s3cr3t details"));
        }
        self.taken.lock().unwrap().push(delivery.clone());
        Ok(())
    }
}

async fn api(inbox: &Inbox) -> Api {
    let vendor = Provider::new("signed").with_webhook_receiver(Arc::new(Vendor));
    let world = World::with(crate::support::allow, |builder| builder.provider(vendor)).await;
    world.api(shared(), Options::new().webhook_sink(inbox.clone()).body_limit(64))
}

#[tokio::test]
async fn a_signed_delivery_needs_no_credential_and_is_handed_over() {
    let inbox = Inbox::default();
    let api = api(&inbox).await;
    let signed = [("X-Signature", "right")];
    api.send(Method::POST, "/v1/hooks/signed", &signed, "d-1").await.expect(200);
    let taken = inbox.taken.lock().unwrap().clone();
    assert_eq!((taken[0].provider.as_str(), taken[0].delivery.id.as_deref()), ("signed", Some("d-1")));
    let reply = api.send(Method::POST, "/v1/hooks/signed", &signed, "challenge").await;
    assert_eq!(reply.expect(200).text(), "<b>answer</b>");
    assert!(reply.header("content-type").starts_with("text/plain"), "a challenge is never a page");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn what_is_not_signed_gets_401_whether_or_not_there_is_such_a_provider() {
    let inbox = Inbox::default();
    let api = api(&inbox).await;
    for name in ["signed", "tracker", "nobody", "%2e%2e"] {
        let reply = api.send(Method::POST, &format!("/v1/hooks/{name}"), &[("X-Signature", "wrong")], "x").await;
        reply.expect(401);
    }
    assert!(inbox.taken.lock().unwrap().is_empty());
    // The way in without a credential leads nowhere else.
    for path in ["/v1/hooks/", "/v1/hooks/signed/x", "/v1/hooks", "/v1/hooks/../providers", "/v1/hooksx/signed"] {
        api.send(Method::POST, path, &[("X-Signature", "right")], "x").await.expect(401);
    }
    for method in [Method::GET, Method::PATCH] {
        api.send(method, "/v1/hooks/signed", &[("X-Signature", "right")], "").await.expect(401);
    }
}

#[tokio::test]
async fn a_delivery_that_is_too_long_or_not_taken_is_refused() {
    let inbox = Inbox { is_full: true, ..Inbox::default() };
    let api = api(&inbox).await;
    let signed = [("X-Signature", "right")];
    api.send(Method::POST, "/v1/hooks/signed", &signed, &"x".repeat(65)).await.expect(413);
    let reply = api.send(Method::POST, "/v1/hooks/signed", &signed, "x").await;
    assert!(!reply.expect(503).text().contains("s3cr3t"), "the vendor learns nothing");
}

#[tokio::test]
async fn a_stranger_uses_up_nothing_of_what_a_vendor_may_send() {
    let vendor = Provider::new("signed").with_webhook_receiver(Arc::new(Vendor));
    let world = World::with(crate::support::allow, |builder| builder.provider(vendor)).await;
    let limit = RateLimit::new(2, Duration::from_secs(60)).unwrap();
    let api = world.api(shared(), Options::new().rate_limit(limit));
    for _ in 0..100 {
        api.send(Method::POST, "/v1/hooks/signed", &[("X-Signature", "wrong")], "x").await.expect(401);
    }
    let signed = [("X-Signature", "right")];
    for expected in [200, 200, 429] {
        api.send(Method::POST, "/v1/hooks/signed", &signed, "d-1").await.expect(expected);
    }
}

/// Lets nobody near one provider.
#[derive(Debug)]
struct NotFrom(&'static str);

impl Access for NotFrom {
    fn permits(&self, _: &Context, _: Operation, target: &Target) -> bool {
        target.provider.as_str() != self.0
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_read_nothing_of_a_provider_hears_nothing_of_it() {
    for (hidden, heard) in [("tracker", false), ("other", true)] {
        let clock = opsorch::ManualClock::default();
        let tracker =
            opsorch_testkit::MemoryProvider::new(clock).provider("tracker").with_webhook_receiver(Arc::new(Any));
        let ops = opsorch::OpsOrch::builder().provider(tracker).build().await.unwrap();
        let auth = Authentication::builder().allow_anonymous(Role::Viewer).access(NotFrom(hidden)).build().unwrap();
        let api = Api(opsorch::http::router(&ops, auth));
        let request = http::Request::builder().uri("/v1/events").body(axum::body::Body::empty()).unwrap();
        let response = tower::ServiceExt::oneshot(api.0.clone(), request).await.unwrap();
        let listening = axum::body::to_bytes(response.into_body(), usize::MAX);
        let deliver = api.post("/v1/hooks/tracker", "d-1");
        let (events, delivered) = tokio::join!(listening, deliver);
        delivered.expect(200);
        assert_eq!(String::from_utf8_lossy(&events.unwrap()).contains("d-1"), heard, "{hidden}");

        let health = api.get("/v1/providers/tracker/health").await;
        assert_eq!(health.status == 403, !heard, "{}", health.text());
        assert_eq!(api.get("/v1/ready").await.text().contains("tracker"), heard);
    }
}

/// A vendor whose deliveries are all good.
#[derive(Debug)]
struct Any;

#[async_trait]
impl WebhookReceiver for Any {
    async fn receive(&self, _: &Context, webhook: &Webhook) -> Result<Delivery> {
        Ok(Delivery::new(Vec::new()).id(std::str::from_utf8(&webhook.body).unwrap()))
    }
}
