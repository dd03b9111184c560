//! Tables of payloads and what each of them means.

use std::collections::BTreeMap;
use std::path::Path;

use axum::http::StatusCode;
use previewbot::domain::event::Parsed;
use previewbot::inbound::http::webhook::github::parse;
use serde::Deserialize;

use super::{APP_ID, Door};
use crate::support::contract;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
struct Answer {
    event: Option<String>,
    subject: Option<String>,
    ignored: Option<String>,
    malformed: Option<String>,
}

#[tokio::test]
async fn every_payload_of_ours_gets_its_answer() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/webhooks");
    check(&fixtures.join("answers.yaml"), &fixtures.join("github")).await;
}

#[tokio::test]
async fn every_captured_payload_gets_its_answer() {
    let Some(folder) = contract::folder() else { return };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/webhooks");
    check(&fixtures.join("contract-answers.yaml"), &folder.join("github/payloads")).await;
}

async fn check(table: &Path, payloads: &Path) {
    let table = std::fs::read_to_string(table).unwrap();
    let table: BTreeMap<String, Answer> = serde_yaml::from_str(&table).unwrap();
    let files = std::fs::read_dir(payloads).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert!(table.keys().eq(files.iter()), "the table must name every file and no other: {files:?}");
    let door = Door::new();
    for (index, (file, wanted)) in table.iter().enumerate() {
        let body = std::fs::read(payloads.join(file)).unwrap();
        one(&door, file, &format!("delivery-{index}"), &body, wanted).await;
    }
}

async fn one(door: &Door, file: &str, id: &str, body: &[u8], wanted: &Answer) {
    let event_name = file.split('.').next().unwrap();
    let before = door.queue.stored().len();
    let (status, answer) = door.deliver(event_name, id, body).await;
    let stored = door.queue.stored();
    if let Some(complaint) = &wanted.malformed {
        assert_eq!((status, stored.len()), (StatusCode::BAD_REQUEST, before), "{file}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(complaint), "{file}: {answer}");
        return;
    }
    assert_eq!(stored.len(), before + 1, "{file}: {answer}");
    let delivery = stored.last().unwrap();
    assert_eq!((delivery.id.0.as_str(), delivery.body.as_slice()), (id, body), "{file}");
    assert_eq!(parse(event_name, body, Some(APP_ID)).unwrap().1, delivery.parsed, "{file}");
    match (&delivery.parsed, wanted) {
        (Parsed::Event(event), Answer { event: Some(kind), subject: Some(subject), .. }) => {
            assert_eq!((event.kind.label(), event.subject.key()), (kind.as_str(), subject.clone()), "{file}");
            assert_eq!((status, answer["status"].as_str()), (StatusCode::ACCEPTED, Some("accepted")), "{file}");
        }
        (Parsed::Ignored { because }, Answer { ignored: Some(reason), .. }) => {
            assert!(because.contains(reason), "{file}: {because}");
            assert_eq!((status, answer["status"].as_str()), (StatusCode::OK, Some("recorded")), "{file}");
            assert_eq!(answer["because"], because.as_str(), "{file}");
        }
        (parsed, wanted) => panic!("{file}: wanted {wanted:?}, got {parsed:?}"),
    }
}
