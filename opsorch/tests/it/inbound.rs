//! Whether a provider works, and what its vendor sends by itself.

use std::sync::Arc;
use std::time::Duration;

use opsorch::capability::{
    Delivery, Health, HealthCheck, HealthProblem, OtherEvent, Webhook, WebhookEvent, WebhookReceiver,
};
use opsorch::transport::{HeaderMap, HeaderValue};
use opsorch::*;

/// A vendor that takes one password, and says that it cannot write.
#[derive(Debug)]
struct Vendor;

#[async_trait]
impl HealthCheck for Vendor {
    async fn check(&self, _: &Context) -> Result<Health> {
        let (reads, writes) = ([Operation::AlertQuery], [Operation::AlertSilence]);
        let problem = HealthProblem::new(writes.into_iter().collect(), "the token can only read");
        Ok(Health::new(reads.into_iter().collect()).problem(problem).version("1.2"))
    }
}

#[async_trait]
impl WebhookReceiver for Vendor {
    async fn receive(&self, _: &Context, webhook: &Webhook) -> Result<Delivery> {
        if webhook.headers.get("x-password").is_none_or(|password| password != "open sesame") {
            return Err(Error::new(ErrorKind::Unauthenticated, "expected the header x-password"));
        }
        let alert = Alert::new("a-1", "disk full", AlertStatusLevel::Firing, SeverityLevel::High);
        let ping = OtherEvent::new("ping", Fields::new());
        Ok(Delivery::new(vec![WebhookEvent::Alert(alert), WebhookEvent::Other(ping)]).id("delivery-7"))
    }
}

async fn ops() -> OpsOrch {
    let vendor = Provider::new("vendor").with_health_check(Arc::new(Vendor)).with_webhook_receiver(Arc::new(Vendor));
    OpsOrch::builder().provider(vendor).provider(Provider::new("mute")).build().await.unwrap()
}

fn cx() -> Context {
    Context::new(Actor::service("web"))
}

#[tokio::test]
async fn a_provider_says_what_works_and_what_is_in_the_way() {
    let health = ops().await.health(&cx(), "vendor").await.unwrap();
    assert!(!health.is_healthy());
    assert_eq!(health.operations.to_string(), "alert.query");
    assert_eq!(health.problems[0].operations.to_string(), "alert.silence");
    assert_eq!(health.version.as_deref(), Some("1.2"));
}

#[tokio::test]
async fn what_a_vendor_sends_says_which_provider_it_came_from() {
    let headers = HeaderMap::from_iter([("x-password".parse().unwrap(), HeaderValue::from_static("open sesame"))]);
    let delivery = ops().await.receive(&cx(), "vendor", &Webhook::new(headers, "{}")).await.unwrap();
    assert_eq!(delivery.id.as_deref(), Some("delivery-7"));
    let WebhookEvent::Alert(alert) = &delivery.events[0] else { panic!("expected an alert") };
    assert_eq!(alert.provider, Some("vendor".into()));
}

#[tokio::test]
async fn what_a_vendor_did_not_send_is_refused_and_the_provider_named() {
    let error = ops().await.receive(&cx(), "vendor", &Webhook::new(HeaderMap::new(), "{}")).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unauthenticated);
    assert!(error.to_string().contains("vendor"), "{error}");
}

#[tokio::test]
async fn a_provider_without_these_traits_is_unsupported_and_an_unknown_one_invalid() {
    let (ops, cx, webhook) = (ops().await, cx(), Webhook::new(HeaderMap::new(), "{}"));
    assert_eq!(ops.health(&cx, "mute").await.unwrap_err().kind(), &ErrorKind::Unsupported);
    assert_eq!(ops.receive(&cx, "mute", &webhook).await.unwrap_err().kind(), &ErrorKind::Unsupported);
    for error in [ops.health(&cx, "nobody").await.unwrap_err(), ops.receive(&cx, "nobody", &webhook).await.unwrap_err()]
    {
        assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error}");
        assert!(error.to_string().contains("mute, vendor"), "{error}");
    }
}

#[test]
fn a_webhook_does_not_show_its_headers_values() {
    let headers = HeaderMap::from_iter([("authorization".parse().unwrap(), HeaderValue::from_static("canary-4711"))]);
    let shown = format!("{:?}", Webhook::new(headers, "canary-4711"));
    assert!(shown.contains("authorization") && !shown.contains("canary-4711"), "{shown}");
}

/// A provider that never answers, or panics.
#[derive(Debug)]
struct Broken {
    panics: bool,
}

#[async_trait]
impl HealthCheck for Broken {
    async fn check(&self, _: &Context) -> Result<Health> {
        assert!(!self.panics, "what the test wants");
        std::future::pending().await
    }
}

#[async_trait]
impl WebhookReceiver for Broken {
    async fn receive(&self, cx: &Context, _: &Webhook) -> Result<Delivery> {
        self.check(cx).await.map(|_| Delivery::new(Vec::new()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_or_panics_is_an_error() {
    for (panics, kind) in [(false, ErrorKind::Timeout), (true, ErrorKind::Unexpected)] {
        let broken = Arc::new(Broken { panics });
        let provider = Provider::new("broken").with_health_check(broken.clone()).with_webhook_receiver(broken);
        let ops = OpsOrch::builder().provider(provider).build().await.unwrap();
        let webhook = Webhook::new(HeaderMap::new(), "{}");
        for cx in [cx(), cx().timeout(Duration::from_secs(1))] {
            let begun = tokio::time::Instant::now();
            assert_eq!(ops.health(&cx, "broken").await.unwrap_err().kind(), &kind);
            assert!(begun.elapsed() <= cx.remaining().map_or(Duration::from_secs(31), |_| Duration::from_secs(2)));
            assert_eq!(ops.receive(&cx, "broken", &webhook).await.unwrap_err().kind(), &kind);
        }
    }
}
