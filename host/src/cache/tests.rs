//! The cache as it is collected, and what it makes of others' files.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn cache() -> (tempfile::TempDir, Cache) {
    let scratch = tempfile::tempdir().unwrap();
    let cache = Cache::open(&scratch.path().join("entries"), &scratch.path().join("key")).unwrap();
    (scratch, cache)
}

#[test]
fn a_name_depends_on_its_kind_and_on_where_its_parts_end() {
    let names = [
        Name::new("a", &[b"bc"]),
        Name::new("ab", &[b"c"]),
        Name::new("a", &[b"b", b"c"]),
        Name::new("a", &[b"bc", b""]),
        Name::new("a", &[]),
    ];
    for (at, name) in names.iter().enumerate() {
        for other in names.iter().skip(at + 1) {
            assert_ne!(name, other);
        }
    }
}

#[test]
fn what_was_kept_comes_back_with_its_kind() {
    let (_scratch, cache) = cache();
    let name = Name::new("test", &[]);
    assert!(cache.get(&name).is_none());
    for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 7] {
        let bytes: Vec<u8> = (0..length).map(|it| (it % 251) as u8).collect();
        cache.put(&name, b'x', &bytes).unwrap();
        let entry = cache.get(&name).unwrap();
        assert_eq!((entry.kind, entry.bytes().unwrap()), (b'x', bytes.clone()));
        let mapped = fs::read(entry.path()).unwrap();
        assert!(mapped.starts_with(&bytes));
    }
}

#[test]
fn the_kind_is_authenticated_too() {
    let (_scratch, cache) = cache();
    let name = Name::new("test", &[]);
    cache.put(&name, b'x', b"entry").unwrap();
    let path = cache.path(&name);
    let mut bytes = fs::read(&path).unwrap();
    let kind = bytes.len() - MAC_BYTES - 1;
    assert_eq!(bytes[kind], b'x');
    bytes[kind] = b'y';
    fs::write(&path, bytes).unwrap();
    assert!(cache.get(&name).is_none());
    assert!(!path.exists());
}

#[test]
fn what_was_not_used_for_the_longest_time_goes_first() {
    let (_scratch, cache) = cache();
    let names = ["one", "two", "three"].map(|kind| Name::new(kind, &[]));
    for (age, name) in names.iter().enumerate() {
        cache.put(name, b'x', &[0; 1000]).unwrap();
        let written = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000 + age as u64);
        let file = File::options().write(true).open(cache.path(name)).unwrap();
        let times = fs::FileTimes::new().set_modified(written).set_accessed(written);
        file.set_times(times).unwrap();
    }
    assert!(cache.get(&names[0]).is_some());
    let room = 2 * (1000 + TRAILER_BYTES);
    let planned = cache.collect(room, true).unwrap();
    let report = cache.collect(room, false).unwrap();
    assert_eq!(report, planned);
    assert_eq!((report.entries, report.bytes), (2, room));
    assert_eq!((report.removed, report.removed_bytes), (1, 1000 + TRAILER_BYTES));
    let left = names.map(|name| cache.get(&name).is_some());
    assert_eq!(left, [true, false, true]);
}

#[test]
fn a_full_cache_makes_room_when_it_is_written_to() {
    let (_scratch, cache) = cache();
    let name = |number: u64| Name::new("test", &[&number.to_le_bytes()]);
    cache.put(&name(0), b'x', &[0; 1000]).unwrap();
    // As if others had filled it: with one that takes no room on the disk.
    let others = cache.dir.join("f".repeat(64));
    let large = File::create(&others).unwrap();
    large.set_len(MAX_BYTES).unwrap();
    let old = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    large
        .set_times(fs::FileTimes::new().set_modified(old).set_accessed(old))
        .unwrap();
    *cache.bytes.lock().unwrap() = None;
    cache.put(&name(1), b'x', &[0; 1000]).unwrap();
    assert!(!others.exists());
    assert!(cache.get(&name(0)).is_some() && cache.get(&name(1)).is_some());
    assert_eq!(*cache.bytes.lock().unwrap(), Some(2 * (1000 + TRAILER_BYTES)));
    cache.put(&name(2), b'x', &[0; 500]).unwrap();
    assert_eq!(*cache.bytes.lock().unwrap(), Some(2500 + 3 * TRAILER_BYTES));
}

#[test]
fn what_is_no_entry_is_not_collected() {
    let (_scratch, cache) = cache();
    cache.put(&Name::new("one", &[]), b'x', &[0; 1000]).unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    let write = |name: &str, age: bool| {
        let file = File::create(cache.dir.join(name)).unwrap();
        file.set_len(100).unwrap();
        if age {
            let times = fs::FileTimes::new().set_modified(old).set_accessed(old);
            file.set_times(times).unwrap();
        }
    };
    let capital = "F".repeat(64);
    for name in ["notes.txt", "id_ed25519", capital.as_str()] {
        write(name, true);
    }
    write(".new-now", false);
    write(".new-old", true);
    let report = cache.collect(0, false).unwrap();
    assert_eq!((report.entries, report.bytes), (0, 0));
    assert_eq!((report.removed, report.removed_bytes), (2, 1100 + TRAILER_BYTES));
    let mut left: Vec<_> = fs::read_dir(&cache.dir)
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, [".new-now", capital.as_str(), "id_ed25519", "notes.txt"]);
}

#[test]
fn what_cannot_be_removed_is_not_told_as_removed() {
    let (_scratch, cache) = cache();
    cache.put(&Name::new("one", &[]), b'x', &[0; 1000]).unwrap();
    let mode = fs::Permissions::from_mode;
    fs::set_permissions(&cache.dir, mode(0o500)).unwrap();
    // Root may remove it all the same.
    let report = cache.collect(0, false).unwrap();
    fs::set_permissions(&cache.dir, mode(0o700)).unwrap();
    let left = fs::read_dir(&cache.dir).unwrap().count();
    assert_eq!((report.entries, report.removed), (left, 1 - left));
}
