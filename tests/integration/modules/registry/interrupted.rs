//! Connections that are lost, and registries that cannot answer now.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use integration_tests::front::{Act, Asked, Front};

use super::{Market, REPOSITORY, TAGGED, missing};
use crate::signing::assert_selected;

/// A front that does this with the module and nothing else.
fn on_module(it: &Market, act: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Front {
    let (_, manifest) = it.registry.manifest(REPOSITORY, "1.4.0");
    let layer = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
    Front::start(it.registry.addr(), move |asked, _| {
        match asked.path.contains(&layer) {
            true => act(asked),
            false => Act::Pass,
        }
    })
}

fn through(front: &Front, by_digest: &str) -> String {
    let digest = by_digest.split_once('@').unwrap().1;
    front.name(&format!("{REPOSITORY}@{digest}"))
}

#[test]
fn a_download_that_is_interrupted_goes_on_where_it_was() {
    let it = Market::new();
    let by_digest = it.push();
    let front = on_module(&it, |_| Act::Cut(100_000));
    let pulled = it.pull(&through(&front, &by_digest));
    assert_eq!(pulled.code, Some(0), "{pulled:?}");
    let asked = front.asked();
    let ranges: Vec<&str> = asked.iter().filter_map(|it| it.header("range")).collect();
    assert!(ranges.len() >= 2, "{ranges:?}");
    let starts: Vec<u64> = ranges
        .iter()
        .map(|it| {
            it.strip_prefix("bytes=")
                .unwrap()
                .strip_suffix('-')
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    assert!(starts[0] > 90_000 && starts.is_sorted(), "{starts:?}");
    assert_selected(&it.evaluate(&through(&front, &by_digest), "enforce"));
}

#[test]
fn a_registry_that_cannot_go_on_begins_anew() {
    let it = Market::new();
    let by_digest = it.push();
    let (_, manifest) = it.registry.manifest(REPOSITORY, "1.4.0");
    let module = std::fs::read(
        it.registry
            .blob(manifest["layers"][0]["digest"].as_str().unwrap()),
    )
    .unwrap();
    // It knows nothing of ranges: all of it is sent again.
    let front = on_module(&it, move |asked| match asked.header("range") {
        None => Act::Cut(100_000),
        Some(_) => Act::Answer(200, String::new(), module.clone()),
    });
    let pulled = it.pull(&through(&front, &by_digest));
    assert_eq!(pulled.code, Some(0), "{pulled:?}");
    // It sends another part than was asked for.
    let it = Market::new();
    let by_digest = it.push();
    let front = on_module(&it, |asked| match asked.header("range") {
        None => Act::Cut(100_000),
        Some(_) => Act::Answer(
            206,
            "content-range: bytes 0-3/4\r\n".to_owned(),
            b"\0asm".to_vec(),
        ),
    });
    it.refused(
        &through(&front, &by_digest),
        "another part of it than was asked for",
    );
}

#[test]
fn a_download_that_is_cut_for_ever_leaves_nothing() {
    let it = Market::new();
    let by_digest = it.push();
    let front = on_module(&it, |asked| match asked.header("range") {
        None => Act::Cut(100_000),
        Some(_) => Act::Cut(0),
    });
    let name = through(&front, &by_digest);
    it.refused(&name, "was interrupted 5 times");
    let why = missing(&it.evaluate(&name, "enforce"));
    assert!(why.contains("was interrupted 3 times"), "{why}");
    assert!(it.stored().is_empty(), "{:?}", it.stored());
    // Where it is not cut, it is there.
    assert_selected(&it.evaluate(&by_digest, "enforce"));
}

#[test]
fn a_registry_that_cannot_answer_now_is_asked_again() {
    let it = Market::new();
    let by_digest = it.push();
    let count = AtomicUsize::new(0);
    // Each is answered at the third time.
    let front = Front::start(it.registry.addr(), move |_, _| {
        match count.fetch_add(1, Ordering::SeqCst) % 3 {
            0 => Act::Answer(503, String::new(), b"planted".to_vec()),
            1 => Act::Cut(0),
            _ => Act::Pass,
        }
    });
    let pulled = it.pull(&through(&front, &by_digest));
    assert_eq!(pulled.code, Some(0), "{pulled:?}");

    let count = AtomicUsize::new(0);
    let front = Front::start(it.registry.addr(), move |_, _| {
        match count.fetch_add(1, Ordering::SeqCst) % 4 {
            0 => Act::Answer(503, String::new(), Vec::new()),
            _ => Act::Pass,
        }
    });
    let module = it.shop.text(crate::signing::MODULE);
    let pushed = it.done(&["module", "push", &module, &front.name("acme/again:1")]);
    assert_eq!(pushed["signatures"], 1);
    // The registry has it, and nobody hears of it.
    let front = Front::start(it.registry.addr(), |asked, _| {
        match asked.method == "PUT" && asked.path.contains("/uploads/") {
            true => Act::Cut(0),
            false => Act::Pass,
        }
    });
    let pushed = it.done(&["module", "push", &module, &front.name("acme/unheard:1")]);
    assert_eq!(pushed["signatures"], 1);

    let it = Market::new();
    let front = Front::start(it.registry.addr(), |_, _| {
        Act::Answer(503, String::new(), b"planted".to_vec())
    });
    it.refused(&front.name(TAGGED), "with status 503; tried 5 times");
    let gone = front.addr();
    drop(front);
    it.refused(
        &format!("oci://{gone}/{TAGGED}"),
        "cannot be reached: no connection (Connection refused",
    );
    // What is refused for good is not asked again.
    let front = Front::start(it.registry.addr(), |_, _| {
        Act::Answer(
            400,
            String::new(),
            br#"{"errors":[{"code":"NAME_INVALID","message":"planted"}]}"#.to_vec(),
        )
    });
    let output = it.pull(&front.name(TAGGED));
    assert!(output.stderr.contains("status 400 (NAME_INVALID)"), "{output:?}");
    assert!(!output.stderr.contains("planted"), "{output:?}");
    assert_eq!(front.asked().len(), 1);
}

#[test]
fn a_registry_that_says_nothing_does_not_hold_a_host_up() {
    let it = Market::new();
    let by_digest = it.push();
    let front = Front::start(it.registry.addr(), |_, _| Act::Silence(Duration::from_secs(300)));
    let began = std::time::Instant::now();
    let why = missing(&it.evaluate(&through(&front, &by_digest), "enforce"));
    assert!(
        why.contains("it takes too long") || why.contains("takes longer than"),
        "{why}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(120),
        "{:?}",
        began.elapsed()
    );
}
