//! The catalogue of services.

use std::sync::Arc;

use opsorch::{ErrorKind, ManualClock, Page, Result, Service, ServiceQuery};
use serde_json::{Value, json};

use super::desk::{Desk, Fate, status};
use super::simulated::datadog::Vendor;
use super::simulated::datadog::catalog::{Catalog, entity};
use super::{assert_invalid, assert_unsupported};

impl Desk {
    async fn services(&self, query: ServiceQuery) -> Result<Page<Service>> {
        self.ops.services(&self.cx).query(query).await
    }

    async fn service_ids(&self, query: ServiceQuery) -> Vec<String> {
        let (mut all, mut next) = (Vec::new(), None);
        loop {
            let mut query = query.clone();
            query.cursor = next;
            let page = self.services(query).await.unwrap();
            all.extend(page.items.iter().map(|service| service.id.to_string()));
            match page.next {
                Some(cursor) => next = Some(cursor),
                None => return all,
            }
        }
    }
}

/// The metadata of a service with this definition.
async fn defined(definition: Value) -> Service {
    let mut vendor = Vendor::new(Arc::new(ManualClock::default()));
    vendor.catalog = Catalog(vec![entity(0, "default", "api", "", definition)]);
    let desk = Desk::over(vendor, json!({})).await;
    desk.ops.services(&desk.cx).get("api").await.unwrap()
}

#[tokio::test]
async fn every_version_of_a_definition_is_read() {
    let v3 = json!({
        "apiVersion": "v3", "kind": "service",
        "metadata": {
            "name": "api", "displayName": "The API", "description": "d", "owner": "web", "additionalOwners": [{ "name": "core" }],
            "tags": ["env:prod"], "contacts": [{ "type": "email", "contact": "web@example.com" }],
            "links": [{ "name": "Runbook", "type": "runbook", "url": "https://example.com" }],
        },
        "spec": { "tier": "1", "lifecycle": "production", "type": "web", "languages": ["rust"] },
        "integrations": { "pagerduty": { "serviceURL": "https://acme.pagerduty.com/services/P1" } },
    });
    let v2_2 = json!({
        "schema-version": "v2.2", "dd-service": "api", "team": "web", "application": "shop", "description": "d", "tier": "1",
        "lifecycle": "production", "type": "web", "languages": ["rust"], "tags": ["env:prod"],
        "contacts": [{ "type": "email", "contact": "web@example.com" }],
        "links": [{ "name": "Runbook", "type": "runbook", "provider": "wiki", "url": "https://example.com" }],
        "ci-pipeline-fingerprints": ["x"], "integrations": { "pagerduty": { "service-url": "https://acme.pagerduty.com/services/P1" } },
    });
    let v2_1 = json!({
        "schema-version": "v2.1", "dd-service": "api", "team": "web", "application": "shop", "description": "d", "tier": "1",
        "lifecycle": "production", "tags": ["env:prod"], "contacts": [{ "type": "email", "contact": "web@example.com" }],
        "links": [{ "name": "Runbook", "type": "runbook", "url": "https://example.com" }],
    });
    let v2 = json!({
        "schema-version": "v2", "dd-service": "api", "dd-team": "web", "tags": ["env:prod"],
        "contacts": [{ "type": "email", "contact": "web@example.com" }],
        "docs": [{ "name": "Guide", "provider": "wiki", "url": "https://example.com" }],
        "repos": [{ "name": "Code", "provider": "github", "url": "https://github.com/acme/shop" }],
        "integrations": { "pagerduty": "https://acme.pagerduty.com/services/P1" },
    });
    let v1 = json!({
        "schema-version": "v1", "info": { "dd-service": "api", "display-name": "The API", "description": "d", "service-tier": "1" },
        "org": { "team": "web", "application": "shop" }, "contact": { "email": "web@example.com" }, "tags": ["env:prod"],
        "external-resources": [{ "name": "Runbook", "type": "runbook", "url": "https://example.com" }],
    });
    for (version, definition) in [("v3", v3), ("v2.2", v2_2), ("v2.1", v2_1), ("v2", v2), ("v1", v1)] {
        let service = defined(definition).await;
        let metadata = &service.metadata;
        assert_eq!(metadata["schema"], version);
        assert_eq!(metadata["owners"][0], "web", "{version}");
        assert_eq!((service.tags["env"].as_str(), service.tags["team"].as_str()), ("prod", "web"), "{version}");
        assert_eq!(metadata["contacts"], json!([{ "type": "email", "contact": "web@example.com" }]), "{version}");
        assert!(metadata["links"][0]["url"].as_str().unwrap().starts_with("https://"), "{version}");
        if version != "v2" {
            assert_eq!((&metadata["tier"], &metadata["description"]), (&json!("1"), &json!("d")), "{version}");
        }
    }
    for odd in [
        json!(null),
        json!("text"),
        json!({ "apiVersion": 7, "metadata": [] }),
        json!({ "apiVersion": "v4", "new": {} }),
    ] {
        assert_eq!(defined(odd).await.name, "api", "a definition that cannot be read hides no service");
    }
}

#[tokio::test]
async fn a_service_is_known_by_its_name_and_by_its_namespace_beside_the_default() {
    let desk = Desk::open().await;
    assert_eq!(desk.service_ids(ServiceQuery::new()).await, ["api", "shop/api", "db"]);
    let service = desk.ops.services(&desk.cx).get("shop/api").await.unwrap();
    assert_eq!((service.name.as_str(), &service.metadata["owners"]), ("api", &json!(["shop"])));
    assert_eq!(
        desk.ops.services(&desk.cx).get("api").await.unwrap().url.unwrap().as_str(),
        "https://app.datadoghq.com/services/api"
    );
    let last = desk.wire.paths().pop().unwrap();
    assert_eq!(
        last,
        "GET /api/v2/catalog/entity?filter%5Bkind%5D=service&include=schema&filter%5Bname%5D=api&page%5Boffset%5D=0&page%5Blimit%5D=100"
    );
    for id in ["", "default/api", "shop/", "/api", "API", "api*", "ap", "nobody", "shop/api/x", "../x", " "] {
        let error = desk.ops.services(&desk.cx).get(id).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound, "{id}: {error}");
    }
}

#[tokio::test]
async fn filters_find_what_has_them_and_a_limit_comes_after_them() {
    let desk = Desk::open().await;
    assert_eq!(desk.service_ids(ServiceQuery::new().name("D").limit(1)).await, ["db"], "the limit is of what is found");
    assert_eq!(desk.service_ids(ServiceQuery::new().tag("env", "prod")).await, ["api", "db"]);
    assert_eq!(desk.service_ids(ServiceQuery::new().id("db").id("x")).await, ["db"]);
    assert_eq!(
        desk.service_ids(ServiceQuery::new().team("core")).await,
        ["api", "db"],
        "owners beside the first are owners"
    );
    assert_eq!(desk.service_ids(ServiceQuery::new().service("api").environment("staging")).await, ["shop/api"]);
    for nobody in ["cor", "Core", "core*", "core\" OR *", "*"] {
        assert!(desk.service_ids(ServiceQuery::new().team(nobody)).await.is_empty(), "{nobody}");
    }
    assert_unsupported(desk.services(ServiceQuery::new().metadata("x", 1)).await, "metadata.x");
    assert_invalid(desk.services(ServiceQuery::new().team("")).await, "scope.team");
}

#[tokio::test]
async fn a_catalogue_of_thousands_is_read_to_its_end() {
    let entities: Vec<_> = (0..2_600)
        .map(|number| {
            let tags =
                json!({ "apiVersion": "v3", "metadata": { "tags": [format!("env:{}", ["prod", "dev"][number % 2])] } });
            entity(
                number,
                ["default", "shop"][number % 3 / 2],
                &format!("svc-{:04}", (number * 7) % 2_600),
                "core",
                tags,
            )
        })
        .collect();
    let mut expected: Vec<(String, String, usize)> = entities
        .iter()
        .enumerate()
        .map(|(number, (entity, _))| {
            let name = entity["attributes"]["name"].as_str().unwrap().to_owned();
            let id = if number % 3 == 2 { format!("shop/{name}") } else { name.clone() };
            (name, id, number)
        })
        .collect();
    expected.sort();
    let ids = |is_meant: &dyn Fn(usize) -> bool| -> Vec<String> {
        expected.iter().filter(|(.., number)| is_meant(*number)).map(|(_, id, _)| id.clone()).collect()
    };
    let mut vendor = Vendor::new(Arc::new(ManualClock::default()));
    vendor.catalog = Catalog(entities);
    let desk = Desk::over(vendor, json!({})).await;
    assert_eq!(desk.service_ids(ServiceQuery::new().limit(900)).await, ids(&|_| true));
    assert_eq!(
        desk.service_ids(ServiceQuery::new().tag("env", "dev").limit(700)).await,
        ids(&|number| number % 2 == 1)
    );
    desk.wire.next("GET", "/entity", 3, Fate::Answer(status(500, &json!({}), &[])));
    assert_eq!(*desk.services(ServiceQuery::new()).await.unwrap_err().kind(), ErrorKind::Unavailable);
}
