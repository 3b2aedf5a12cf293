//! What Alertmanager sends by itself.

use std::net::TcpListener;

use opsorch::capability::{Webhook, WebhookEvent};
use opsorch::secret::SecretRef;
use opsorch::transport::{HeaderMap, HeaderValue, ReqwestTransport};
use opsorch::{Alert, AlertStatusLevel, ErrorKind};
use opsorch_providers::prometheus::WebhookAuth;
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{Desk, QUOTED, config, eventually, now, variable};

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn a_webhook_tells_what_begins_and_what_ends_and_is_believed_only_with_its_token() {
    let listener = TcpListener::bind(variable("WEBHOOK_ADDRESS")).unwrap();
    let inbox = MockServer::builder().listener(listener).start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&inbox).await;
    let config = config().webhook(WebhookAuth::Bearer(SecretRef::env("WEBHOOK_TOKEN")));
    let desk = Desk::over(ReqwestTransport::new().unwrap(), config).await;

    let fired = desk.target_down("alertmanager").await;
    let (told, webhook) = delivered(&desk, &inbox, &fired, AlertStatusLevel::Firing).await;
    assert_eq!((&told.title, &told.severity, &told.service), (&fired.title, &fired.severity, &fired.service));
    assert_eq!((&told.fields["labels"], told.created_at), (&fired.fields["labels"], fired.created_at));
    assert_eq!((&told.url, &told.metadata["receiver"]), (&fired.url, &json!("hook")));

    let mut headers = [HeaderMap::new(), webhook.headers.clone()];
    headers[1].insert("authorization", HeaderValue::from_static("Bearer another"));
    for headers in headers {
        let webhook = Webhook::new(headers, webhook.body.clone());
        let error = desk.ops.receive(&desk.agent, "prom", &webhook).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{error}");
    }

    let labels = json!({ "alertname": "Ends", "quoted": QUOTED });
    let ends = desk.raise(labels.clone()).await;
    delivered(&desk, &inbox, &ends, AlertStatusLevel::Firing).await;
    let over = json!([{ "labels": labels, "startsAt": ends.created_at, "endsAt": now() }]);
    desk.alertmanager.post("api/v2/alerts").json(&over).send(&desk.agent).await.unwrap();
    let (told, _) = delivered(&desk, &inbox, &ends, AlertStatusLevel::Resolved).await;
    assert!(told.updated_at >= told.created_at, "{told:?}");
}

/// Waits until Alertmanager tells this of an alert; what it sent is as it came.
async fn delivered(desk: &Desk, inbox: &MockServer, alert: &Alert, status: AlertStatusLevel) -> (Alert, Webhook) {
    eventually("a webhook", async || {
        for request in inbox.received_requests().await.unwrap() {
            let webhook = Webhook::new(request.headers, request.body);
            let delivery = desk.ops.receive(&desk.agent, "prom", &webhook).await.unwrap();
            let told = delivery.events.into_iter().find_map(|event| match event {
                WebhookEvent::Alert(told) if told.id == alert.id && told.status.level() == status => Some(told),
                _ => None,
            });
            if let Some(told) = told {
                return Some((told, webhook));
            }
        }
        None
    })
    .await
}
