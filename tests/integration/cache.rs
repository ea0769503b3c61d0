//! The cache: what one process made, the next uses, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use integration_tests::{Cavra, cavra, fast_path, misbehaving};
use serde_json::Value;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("state/key")
    }

    fn cavra(&self, runtime: &str) -> Cavra {
        cavra(["evaluate", "execute_command", "terraform apply", "--json"])
            .args(fast_path("enforce", runtime))
            .env("CAVRA_CACHE_DIR", self.dir())
            .env("CAVRA_CACHE_KEY", self.key())
    }

    /// Judges with the fast path, which must agree, and tells how.
    fn judge(&self) -> Value {
        let output = self.cavra("builtin:fastpath").run();
        let answer = output.json();
        assert_eq!(output.stderr, "");
        assert_eq!(answer["selected_backend"], "go", "{answer}");
        assert_eq!(answer["effective_decision"]["decision"], "block");
        answer
    }

    /// The entries and when each was written.
    fn entries(&self) -> BTreeMap<PathBuf, (SystemTime, u64)> {
        let entries = fs::read_dir(self.dir()).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|entry| {
                let metadata = entry.metadata().unwrap();
                (entry.path(), (metadata.modified().unwrap(), metadata.len()))
            })
            .collect()
    }
}

#[test]
fn the_next_process_finds_what_the_first_made() {
    let place = Place::new();
    let first = place.judge();
    assert_eq!(first["sandbox"]["fastpath"]["baked"], true);
    let made = place.entries();
    assert!(
        made.len() >= 5,
        "modules, profiles, evaluators, the policy: {made:?}"
    );
    let second = place.judge();
    assert_eq!(place.entries(), made, "nothing is made again");
    for backend in ["reference", "fastpath"] {
        assert_eq!(
            second["sandbox"][backend]["fuel_used"], first["sandbox"][backend]["fuel_used"],
            "{backend}"
        );
        assert_eq!(second["sandbox"][backend]["baked"], true);
    }
    for path in [place.dir(), place.key()] {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn an_entry_that_was_tampered_with_is_made_again() {
    let place = Place::new();
    place.judge();
    let made = place.entries();
    // Every entry: one bit, in the middle and in the MAC; cut short; empty.
    let spoils: [fn(&mut Vec<u8>); 4] = [
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        },
        |bytes| *bytes.last_mut().unwrap() ^= 0x80,
        |bytes| bytes.truncate(bytes.len() - 100),
        Vec::clear,
    ];
    for spoil in spoils {
        for path in made.keys() {
            let mut bytes = fs::read(path).unwrap();
            spoil(&mut bytes);
            fs::write(path, bytes).unwrap();
        }
        place.judge();
        for (path, (_, length)) in place.entries() {
            assert_eq!(Some(length), made.get(&path).map(|it| it.1), "{}", path.display());
        }
    }
}

#[test]
fn an_entry_under_another_ones_name_is_not_taken_for_it() {
    let place = Place::new();
    place.judge();
    let made = place.entries();
    let mut large: Vec<&PathBuf> = made
        .iter()
        .filter(|(_, (_, length))| *length > 100_000)
        .map(|(path, _)| path)
        .collect();
    assert!(large.len() >= 4, "{made:?}");
    // Each takes the next one's place: all of them are this host's own.
    let contents: Vec<_> = large.iter().map(|path| fs::read(path).unwrap()).collect();
    large.rotate_left(1);
    for (path, bytes) in large.iter().zip(&contents) {
        fs::write(path, bytes).unwrap();
    }
    place.judge();
    // Those that were read were made again; a module that is baked is not read.
    let restored = |(path, _): &(&PathBuf, &(SystemTime, u64))| {
        fs::metadata(path).is_ok_and(|metadata| metadata.len() == made[*path].1)
    };
    let restored = made
        .iter()
        .filter(restored)
        .filter(|(path, _)| large.contains(path));
    assert!(restored.count() >= 2, "both evaluators");
}

#[test]
fn entries_of_another_host_are_not_used() {
    let (mine, theirs) = (Place::new(), Place::new());
    theirs.judge();
    fs::create_dir(mine.dir()).unwrap();
    fs::set_permissions(mine.dir(), fs::Permissions::from_mode(0o700)).unwrap();
    for path in theirs.entries().keys() {
        fs::copy(path, mine.dir().join(path.file_name().unwrap())).unwrap();
    }
    let given = mine.entries();
    mine.judge();
    let now = mine.entries();
    for (path, (written, _)) in &given {
        // What this command needs was made again; what it does not need it did not read.
        if now.get(path).is_some_and(|(at, _)| at == written) {
            assert!(!read_by_a_warm_command(&mine, path), "{}", path.display());
        }
    }
}

#[test]
fn entries_of_another_engine_are_not_used() {
    let (place, other) = (Place::new(), Place::new());
    place.judge();
    let made = place.entries();
    // Another limit of memory is another engine, of the same host: with the same key.
    let entries_of_other = || {
        let output = other
            .cavra("builtin:fastpath")
            .args(["--memory-bytes", "134217728"])
            .env("CAVRA_CACHE_KEY", place.key())
            .run();
        assert_eq!(output.json()["selected_backend"], "go");
        other.entries()
    };
    let theirs = entries_of_other();
    let name = |path: &PathBuf| path.file_name().unwrap().to_owned();
    let mine: Vec<_> = made.keys().map(name).collect();
    let foreign: Vec<&PathBuf> = theirs.keys().filter(|path| !mine.contains(&name(path))).collect();
    assert!(!foreign.is_empty(), "{theirs:?}");
    // What the other engine has compiled, under every name that this one asks for.
    let code = fs::read(foreign.iter().max_by_key(|path| theirs[**path].1).unwrap()).unwrap();
    for path in made.keys() {
        fs::write(path, &code).unwrap();
    }
    let answer = place.judge();
    assert_eq!(answer["sandbox"]["fastpath"]["baked"], true);
    let again = place.entries();
    let mended = made
        .iter()
        .filter(|(path, (_, length))| again.get(*path).is_some_and(|it| it.1 == *length));
    assert!(mended.count() >= 4, "{again:?}");
}

/// Whether a command reads this entry: one that it cannot check it removes.
fn read_by_a_warm_command(place: &Place, path: &Path) -> bool {
    let bytes = fs::read(path).unwrap();
    fs::write(path, b"").unwrap();
    place.judge();
    let left = fs::read(path).unwrap_or_default();
    fs::write(path, bytes).unwrap();
    !left.is_empty()
}

#[test]
fn a_cache_that_others_could_write_to_is_not_used() {
    let place = Place::new();
    place.judge();
    let before = place.entries();
    fs::set_permissions(place.dir(), fs::Permissions::from_mode(0o777)).unwrap();
    let output = place.cavra("builtin:fastpath").run();
    assert_eq!(output.json()["selected_backend"], "go");
    assert_eq!(output.json()["sandbox"]["fastpath"]["baked"], false);
    assert!(
        output.stderr.starts_with("warning: the cache is not used: ")
            && output.stderr.contains("is open to other users"),
        "{}",
        output.stderr
    );
    fs::set_permissions(place.dir(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(place.key(), fs::Permissions::from_mode(0o640)).unwrap();
    let output = place.cavra("builtin:fastpath").run();
    assert!(
        output.stderr.contains("can be read by other users"),
        "{}",
        output.stderr
    );
    fs::set_permissions(place.key(), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(place.key(), "short").unwrap();
    let output = place.cavra("builtin:fastpath").run();
    assert!(output.stderr.contains("holds no key"), "{}", output.stderr);
    assert_eq!(place.entries(), before);
}

#[test]
fn off_means_that_nothing_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let run = |dir: &str| {
        let output = cavra(["evaluate", "read_file", "README.md", "--json"])
            .env("HOME", home.path())
            .env("CAVRA_CACHE_DIR", dir)
            .env("CAVRA_CACHE_KEY", "auto")
            .run();
        assert_eq!(output.stderr, "");
        output.json()
    };
    assert_eq!(run("off")["sandbox"]["reference"]["baked"], false);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    // By default it lies where the user's caches do, and the key does not lie in it.
    assert_eq!(run("auto")["sandbox"]["reference"]["baked"], true);
    assert!(home.path().join(".cache/cavra").is_dir());
    assert!(home.path().join(".local/state/cavra/cache.key").is_file());
}

#[test]
fn a_policy_that_changed_is_compiled_and_baked_anew() {
    let place = Place::new();
    let packs = tempfile::tempdir().unwrap();
    let pack = packs.path().join("acme-baseline");
    fs::create_dir(&pack).unwrap();
    let write = |list: &str| {
        let text = format!(
            "metadata:\n  id: acme-baseline\n  title: Acme\n  version: 1.0.0\n  inherits: [cavra-ai-agent-baseline]\n\
             commands:\n  {list}: [\"ship *\"]\n"
        );
        fs::write(pack.join("policy.yaml"), text).unwrap();
    };
    let verdict = || {
        let output = cavra(["evaluate", "execute_command", "ship it", "--json"])
            .args(fast_path("enforce", "builtin:fastpath"))
            .args(["--policy-pack", "acme-baseline", "--policy-dir"])
            .args([packs.path()])
            .env("CAVRA_CACHE_DIR", place.dir())
            .env("CAVRA_CACHE_KEY", place.key())
            .run();
        let answer = output.json();
        assert_eq!(answer["selected_backend"], "go", "{answer}");
        answer["effective_decision"]["decision"].clone()
    };
    for (list, decision) in [("allow", "allow"), ("block", "block"), ("allow", "allow")] {
        write(list);
        assert_eq!(verdict(), decision);
        assert_eq!(verdict(), decision, "from the cache");
    }
}

#[test]
fn a_module_that_cannot_be_baked_is_not_tried_each_time() {
    let place = Place::new();
    let path = misbehaving("ask_while_loading").display().to_string();
    for _ in 0..2 {
        let answer = place.cavra(&path).run().json();
        assert_eq!(answer["sandbox"]["fastpath"]["baked"], false);
    }
    let made = place.entries();
    // Why it cannot be is kept; without that each process would compile it a second time.
    let why = b"asks the host for something while it loads";
    let says_why = |path: &PathBuf| fs::read(path).unwrap().windows(why.len()).any(|it| it == why);
    assert_eq!(made.keys().filter(|path| says_why(path)).count(), 1);
    place.cavra(&path).run();
    assert_eq!(place.entries(), made);
}
