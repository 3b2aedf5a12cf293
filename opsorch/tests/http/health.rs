//! Whether providers work: who asks often costs a vendor no more than who asks once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use opsorch::capability::{Health, HealthCheck};
use opsorch::{Context, OperationSet, Provider, Result, async_trait};

use crate::support::{World, allow};

/// A vendor that counts how often it is asked, and may not answer.
#[derive(Debug, Default)]
struct Vendor {
    asked: AtomicU32,
    hangs: bool,
}

#[async_trait]
impl HealthCheck for Vendor {
    async fn check(&self, _: &Context) -> Result<Health> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.hangs {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(Health::new(OperationSet::new()))
    }
}

async fn world(vendor: &Arc<Vendor>) -> World {
    let provider = Provider::new("desk").with_health_check(Arc::clone(vendor) as Arc<dyn HealthCheck>);
    World::with(allow, |builder| builder.provider(provider)).await
}

#[tokio::test(start_paused = true)]
async fn however_many_ask_the_vendor_is_asked_once_in_ten_seconds() {
    let vendor = Arc::new(Vendor::default());
    let api = world(&vendor).await.open();
    let all = (0..50).map(|ask| {
        let path = if ask % 2 == 0 { "/v1/ready" } else { "/v1/providers/desk/health" };
        api.get(path)
    });
    for reply in futures_util::future::join_all(all).await {
        assert!(reply.expect(200).text().contains("healthy"), "{}", reply.text());
    }
    assert_eq!(vendor.asked.load(Ordering::Relaxed), 1);
    tokio::time::advance(Duration::from_secs(9)).await;
    api.get("/v1/ready").await.expect(200);
    assert_eq!(vendor.asked.load(Ordering::Relaxed), 1);
    tokio::time::advance(Duration::from_secs(2)).await;
    api.get("/v1/ready").await.expect(200);
    assert_eq!(vendor.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_vendor_that_does_not_answer_holds_up_a_probe_for_seconds_and_is_not_asked_again_meanwhile() {
    let vendor = Arc::new(Vendor { hangs: true, ..Vendor::default() });
    let api = world(&vendor).await.open();
    // Those who go away leave nothing behind that would be asked again.
    for _ in 0..5 {
        assert!(tokio::time::timeout(Duration::from_millis(100), api.get("/v1/ready")).await.is_err());
    }
    let started = tokio::time::Instant::now();
    let reply = api.get("/v1/ready").await;
    assert!(reply.expect(200).text().contains("unreachable"), "{}", reply.text());
    assert!(started.elapsed() <= Duration::from_secs(5), "{:?}", started.elapsed());
    api.get("/v1/providers/desk/health").await.expect(503);
    assert_eq!(vendor.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_waited_for_is_not_new_hours_later() {
    let vendor = Arc::new(Vendor::default());
    let api = world(&vendor).await.open();
    assert!(tokio::time::timeout(Duration::from_millis(10), api.get("/v1/ready")).await.is_err(), "it hung up");
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert!(api.get("/v1/ready").await.expect(200).text().contains("healthy"));
    assert_eq!(vendor.asked.load(Ordering::Relaxed), 2);
}
