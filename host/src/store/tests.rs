//! The store under threads, which take turns as processes do.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::signing::MAX_SEALS;

fn origin() -> Origin {
    Origin {
        reference: None,
        time: Timestamp::UNIX_EPOCH,
    }
}

/// A component with a custom section of this length.
fn component(padding: u16) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0\0".to_vec();
    // LEB128 in three bytes.
    let length = u32::from(padding) + 2;
    bytes.extend([length | 0x80, (length >> 7) | 0x80, length >> 14].map(|it| (it & 0xff) as u8));
    bytes.extend([1, b'x']);
    bytes.resize(bytes.len() + usize::from(padding), b' ');
    bytes
}

#[test]
fn a_module_is_there_with_all_its_signatures_or_not_at_all() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("store");
    let modules: Vec<Vec<u8>> = [10, 2000, 60_000].map(component).into();
    let bundles = [&br#"{"a":1}"#[..], br#"{"b":2}"#];
    let kept: Vec<Vec<u8>> = bundles.iter().map(|it| it.to_vec()).collect();
    let over = AtomicBool::new(false);
    let (found, absent) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for bytes in &modules {
            scope.spawn(|| {
                let store = ModuleStore::open(&dir).unwrap();
                for _ in 0..15 {
                    store.put(bytes, &bundles, &origin()).unwrap();
                }
                over.store(true, Ordering::Relaxed);
            });
        }
        scope.spawn(|| {
            let store = ModuleStore::open(&dir).unwrap();
            let all = GcPolicy {
                keep_bytes: Some(0),
                ..GcPolicy::default()
            };
            while !over.load(Ordering::Relaxed) {
                store.gc(&all).unwrap();
            }
        });
        scope.spawn(|| {
            let store = ModuleStore::open(&dir).unwrap();
            while !over.load(Ordering::Relaxed) {
                for bytes in &modules {
                    match store.get(&Digest::of(bytes)) {
                        Ok(stored) => {
                            assert_eq!(stored.bytes, *bytes);
                            assert_eq!(
                                stored.bundles, kept,
                                "without its signatures it would be unsigned"
                            );
                            assert!(stored.origin.is_some());
                            found.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(StoreError::NotFound(_)) => {
                            absent.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        });
    });
    assert!(found.into_inner() + absent.into_inner() > 0);
    // What is left is whole.
    let store = ModuleStore::open(&dir).unwrap();
    for listed in store.list().unwrap() {
        assert_eq!(listed.signatures, 2);
        store.get(&listed.digest).unwrap();
    }
}

#[test]
fn a_module_that_is_pinned_as_it_is_put_outlives_every_collection() {
    let scratch = tempfile::tempdir().unwrap();
    let store = ModuleStore::open(&scratch.path().join("store")).unwrap();
    let none: [&[u8]; 0] = [];
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let all = GcPolicy {
                keep_bytes: Some(0),
                ..GcPolicy::default()
            };
            while !over.load(Ordering::Relaxed) {
                store.gc(&all).unwrap();
            }
        });
        for number in 0..12_u16 {
            let name: PinName = format!("pin-{number}").parse().unwrap();
            let digest = store
                .put_pinned(&component(number), &none, &origin(), Some(&name))
                .unwrap();
            assert!(store.get(&digest).is_ok());
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(store.list().unwrap().len(), 12);
    assert_eq!(store.pins().unwrap().len(), 12);
}

#[test]
fn bundles_are_bounded() {
    let scratch = tempfile::tempdir().unwrap();
    let store = ModuleStore::open(&scratch.path().join("store")).unwrap();
    let bytes = component(1);
    let put = |bundles: &[String]| store.put(&bytes, bundles, &origin());
    let many: Vec<String> = (0..=MAX_SEALS).map(|it| format!("{{\"a\":{it}}}")).collect();
    assert!(matches!(put(&many), Err(StoreError::TooManyBundles { .. })));
    let most = usize::try_from(MAX_BUNDLE_BYTES).unwrap();
    let large = format!("{{\"a\":\"{}\"}}", " ".repeat(most));
    assert!(matches!(put(&[large]), Err(StoreError::TooLarge { .. })));
    let half: Vec<String> = (0..2)
        .map(|it| format!("{{\"{it}\":\"{}\"}}", " ".repeat(most / 2)))
        .collect();
    assert!(matches!(put(&half), Err(StoreError::TooLarge { .. })));
    for bad in ["", "[]", "null", "{", "\"x\""] {
        let error = put(&[bad.to_owned()]).unwrap_err();
        assert!(matches!(error, StoreError::Bundle { .. }), "{error}");
    }
    assert!(store.list().unwrap().is_empty());
    // The same one twice is one, and one over lines is one line.
    let twice = ["{\"a\":1}", "{\n  \"a\": 1\n}\n"].map(str::to_owned);
    let digest = put(&twice).unwrap();
    assert_eq!(store.get(&digest).unwrap().bundles, [b"{\"a\":1}"]);
    let large = vec![0; usize::try_from(MAX_MODULE_BYTES).unwrap() + 1];
    assert!(matches!(
        store.put(&large, &twice, &origin()),
        Err(StoreError::TooLarge { .. })
    ));
}

#[test]
fn nobody_waits_for_ever_for_their_turn() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("store");
    let store = ModuleStore::open(&dir).unwrap();
    let store = store.with_patience(Duration::from_millis(20));
    let none: [&[u8]; 0] = [];
    let put = || store.put(&component(1), &none, &origin());
    put().unwrap();
    let lock = std::fs::File::open(dir.join(".lock")).unwrap();
    let mode = lock.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else can hold it");
    lock.lock().unwrap();
    let error = put().unwrap_err().to_string();
    assert!(error.contains("is held by another process"), "{error}");
    assert!(store.gc(&GcPolicy::default()).is_err());
    let look = GcPolicy {
        keep_bytes: Some(0),
        dry_run: true,
        ..GcPolicy::default()
    };
    assert_eq!(store.gc(&look).unwrap().removed.len(), 1, "so does looking");
    assert_eq!(store.list().unwrap().len(), 1, "reading takes no lock");
    drop(lock);
    put().unwrap();
    // What can be read is no lock of the store's.
    let read = std::fs::File::open(&dir).unwrap();
    read.lock().unwrap();
    put().unwrap();
}
