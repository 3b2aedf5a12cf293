//! Texts: kept to the letter, and read as what they say.

use opsorch::{CreateTicket, UpdateTicket};
use proptest::prelude::*;
use serde_json::json;

use super::desk::Desk;

#[tokio::test]
async fn a_description_is_kept_to_the_letter() {
    for desk in Desk::both().await {
        for text in [
            "plain",
            "with `code`, two \\\\ backslashes\r\nand\ta tab",
            "* stars for a list\n* in another style",
            "<b>html</b> &amp; 🔥 \u{202e}x",
            "  blanks around  \n\n\n",
            "[reference]: https://example.org\n[reference]",
            "\n",
        ] {
            let ticket = desk.create(CreateTicket::new("x").description(text)).await.unwrap();
            assert_eq!(ticket.description.as_deref(), Some(text));
            let ticket = desk.update(UpdateTicket::new(ticket.id).description(format!("{text}!"))).await.unwrap();
            assert_eq!(ticket.description, Some(format!("{text}!")));
            let found = desk.query(opsorch::TicketQuery::new().limit(1)).await.unwrap();
            assert_eq!(found.items[0].description, ticket.description, "a search reads the same");
            desk.clock.advance(std::time::Duration::from_secs(60));
        }
    }
}

#[tokio::test]
async fn a_description_that_somebody_changed_in_jira_is_read_as_it_is_now() {
    let desk = Desk::cloud().await;
    let ticket = desk.create(CreateTicket::new("x").description("* star")).await.unwrap();
    let text = json!({ "type": "paragraph", "content": [{ "type": "text", "text": "by hand" }] });
    let document = json!({ "type": "doc", "version": 1, "content": [text] });
    desk.vendor.with(|jira| jira.issues[7].fields.insert("description".to_owned(), document));
    assert_eq!(desk.get(ticket.id.as_str()).await.unwrap().description.as_deref(), Some("by hand"));
}

#[tokio::test]
async fn a_nested_document_is_read_with_all_its_lines() {
    let desk = Desk::cloud().await;
    let text = |text: &str| json!({ "type": "paragraph", "content": [{ "type": "text", "text": text }] });
    let item = |content: serde_json::Value| json!({ "type": "listItem", "content": content });
    let inner = json!({ "type": "bulletList", "content": [item(json!([text("inner")]))] });
    let cell = |kind: &str, content: &str| json!({ "type": kind, "content": [text(content)] });
    let document = json!({ "type": "doc", "version": 1, "content": [
        { "type": "orderedList", "content": [item(json!([text("outer"), inner]))] },
        { "type": "codeBlock", "attrs": { "language": "sh" }, "content": [{ "type": "text", "text": "df -h\ndu" }] },
        { "type": "table", "content": [
            { "type": "tableRow", "content": [cell("tableHeader", "host"), cell("tableHeader", "free")] },
            { "type": "tableRow", "content": [cell("tableCell", "db-1"), cell("tableCell", "0 %")] },
        ] },
        { "type": "paragraph", "content": [{ "type": "mention", "attrs": { "id": "5570:ab", "text": "@Ann" } }] },
    ] });
    desk.vendor.with(|jira| jira.issues[0].fields.insert("description".to_owned(), document));
    assert_eq!(
        desk.get("OPS-1").await.unwrap().description.as_deref(),
        Some(
            "1. outer\n   - inner\n\n```sh\ndf -h\ndu\n```\n\n| host | free |\n| --- | --- |\n| db-1 | 0 % |\n\n\
             [@Ann](accountid:5570:ab)"
        )
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_description_survives(texts in proptest::collection::vec(any::<String>(), 8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let desk = Desk::cloud().await;
            for text in texts.into_iter().filter(|text| !text.is_empty()) {
                let ticket = desk.update(UpdateTicket::new("OPS-1").description(&text)).await.unwrap();
                prop_assert_eq!(ticket.description.unwrap_or_default(), text);
            }
            Ok(())
        })?;
    }
}
