//! The door on a real socket, with deliveries that the validating mock makes, signs and spoils.

use serde_json::{Value, json};

use super::{Door, SECRET};
use crate::support::contract::GithubMock;

#[tokio::test]
async fn the_mocks_deliveries_are_judged_by_their_signature() {
    let Some(mock) = GithubMock::start() else { return };
    let door = Door::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/github", listener.local_addr().unwrap());
    let router = door.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let post = async |mut spec: Value| -> Vec<u64> {
        spec["url"] = json!(url);
        spec["secret"] = json!(SECRET);
        let sent = mock.post("deliver", spec).await;
        sent.as_array().unwrap().iter().map(|delivery| delivery["status_code"].as_u64().unwrap()).collect()
    };
    let opened = "pull_request.opened";
    for sign in ["wrong", "missing", "garbage", "sha1-only"] {
        assert_eq!(post(json!({ "file": opened, "sign": sign })).await, [401], "{sign}");
    }
    assert_eq!(post(json!({ "file": opened, "tamper": true })).await, [401]);
    assert!(door.queue.stored().is_empty());
    let mut copies = post(json!({ "file": opened, "copies": 10, "concurrent": true })).await;
    copies.sort_unstable();
    assert_eq!(copies, [200, 200, 200, 200, 200, 200, 200, 200, 200, 202], "one is new, nine are duplicates");
    assert_eq!(door.queue.stored().len(), 1);
    let order =
        json!({ "pull": "octo-org/demo#1", "event": "issue_comment", "sender": "bob", "body": "/preview help" });
    assert_eq!(post(order).await, [202]);
    assert_eq!(door.queue.stored()[1].event_name, "issue_comment");
}
