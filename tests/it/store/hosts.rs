use std::time::Duration;

use previewbot::domain::ports::{Clock, HostFigures, HostRecord, Hosts};

use super::Bench;

const FIGURES: HostFigures = HostFigures {
    disk_free: Some(10),
    disk_size: None,
    networks_free: None,
    memory_free: Some(20),
    confined: true,
};

async fn record(bench: &Bench) -> HostRecord {
    let records = bench.store.records().await.unwrap();
    records.into_iter().find(|record| record.name == "vm-1").unwrap_or_default()
}

#[tokio::test]
async fn a_host_is_down_since_the_first_look_that_failed_and_keeps_what_was_seen_before() {
    let bench = Bench::new().await;
    bench.store.checked("vm-1", Ok(FIGURES)).await.unwrap();
    let seen = record(&bench).await;
    assert_eq!((seen.figures.clone(), seen.down_since, seen.trouble), (FIGURES, None, None));

    let since = bench.clock.now_ms();
    for _ in 0..2 {
        bench.store.checked("vm-1", Err("no route".to_owned())).await.unwrap();
        bench.clock.advance(Duration::from_secs(10));
    }
    let down = record(&bench).await;
    assert_eq!((down.down_since, down.trouble.as_deref()), (Some(since), Some("no route")));
    assert_eq!((down.checked_at, down.figures), (Some(since + 10_000), FIGURES));

    bench.store.checked("vm-1", Ok(HostFigures { confined: false, ..FIGURES })).await.unwrap();
    let back = record(&bench).await;
    assert_eq!((back.down_since, back.trouble, back.figures.confined), (None, None, false));
}
