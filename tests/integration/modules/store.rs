//! The module store as operators use it, and what somebody may try with it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use integration_tests::root;
use integration_tests::service::Service;
use serde_json::Value;

use super::{Room, assert_missing, everything, variant};
use crate::signing::assert_selected;

#[test]
fn what_is_added_runs_by_its_digest() {
    let room = Room::new();
    let digest = room.add("one");
    assert_selected(&room.evaluate(&digest));
    let listing = room.done(&["module", "list", "--json"]).json();
    let module = &listing["modules"][0];
    assert_eq!(module["digest"], digest);
    assert_eq!(module["bytes"], variant("one", 0).len());
    assert_eq!(
        (&module["signatures"], &module["pins"]),
        (&0.into(), &Value::Array(vec![]))
    );
    assert!(
        module["origin"]["reference"]
            .as_str()
            .unwrap()
            .ends_with("one.wasm")
    );
    let inspected = room.done(&["module", "inspect", &digest, "--json"]).json();
    assert_eq!(
        format!("sha256:{}", inspected["sha256"].as_str().unwrap()),
        digest
    );
    // The reference, too.
    let file = root().join("dist/modules/reference.wasm").display().to_string();
    let added = room.done(&["module", "add", &file, "--json"]).json();
    let reference = added["digest"].as_str().unwrap();
    let args = [
        "evaluate",
        "read_file",
        "README.md",
        "--json",
        "--reference-module",
        reference,
    ];
    let answer = room.done(&args).json();
    assert_eq!(answer["effective_decision"]["decision"], "allow", "{answer:#}");
    room.done(&["module", "remove", reference]);
    let refused = room.cavra(&args);
    assert_eq!(refused.code, Some(1), "no authority is left");
    // Once more is no more.
    assert_eq!(room.add("one"), digest);
    assert_eq!(room.digests().len(), 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&room.store()), 0o700);
    room.done(&["module", "remove", &digest]);
    assert_eq!(room.digests(), Vec::<String>::new());
    assert_missing(&room.evaluate(&digest), "the module store holds no module");
}

#[test]
fn a_recorded_decision_is_replayed_with_the_module_of_the_store() {
    let room = Room::new();
    let digest = room.add("one");
    let evidence = room.path("evidence").display().to_string();
    let recorded = room
        .command(&[
            "evaluate",
            "execute_command",
            "ls",
            "--mode",
            "enforce",
            "--policy-path",
            "auto",
        ])
        .args(["--runtime-path", &digest, "--evidence-dir", &evidence, "--json"])
        .env("CAVRA_EVIDENCE_KEY", room.path("evidence.key"))
        .run();
    assert_eq!(recorded.code, Some(0), "{recorded:?}");
    let replayed = room.done(&["replay", &evidence, "--check", "--json"]);
    assert_eq!(replayed.json()["summary"]["identical"], 1, "{replayed:?}");
}

#[test]
fn a_running_service_takes_a_module_that_comes_into_the_store() {
    let room = Room::new();
    let file = room.variant("late");
    let digest = format!("sha256:{}", cavra::digest::sha256_hex(&fs::read(&file).unwrap()));
    let serve = room
        .command(&["serve", "--mode", "enforce", "--policy-path", "auto"])
        .args(["--runtime-path", &digest]);
    let service = Service::start(serve);
    let request = serde_json::json!({"action_type": "execute_command", "target": "terraform plan"});
    service.wait_until("deciding", |service| service.evaluate(&request).status == 200);
    assert_missing(&service.evaluate(&request).json(), "holds no module");
    room.done(&["module", "add", &file]);
    service.wait_until("the module is used", |service| {
        service.evaluate(&request).json()["selected_backend"] == "go"
    });
}

#[test]
fn a_digest_has_one_spelling_and_leads_nowhere_else() {
    let room = Room::new();
    let digest = room.add("one");
    let hex = digest.strip_prefix("sha256:").unwrap();
    for (bad, sentence) in [
        (format!("sha256:{}", hex.to_uppercase()), "must be lower-case"),
        (format!("sha256:{}", &hex[1..]), "64 hex digits"),
        (format!("sha256:../{}", &hex[3..]), "64 hex digits"),
        (format!("sha256:{hex}/module.wasm"), "64 hex digits"),
        ("sha256:/etc/passwd".to_owned(), "64 hex digits"),
        (format!("sha256:{}", "0".repeat(64)), "holds no module"),
    ] {
        assert_missing(&room.evaluate(&bad), sentence);
    }
    // A directory that is spelt otherwise is not the module's, whatever is in it.
    let upper = room.store().join("sha256").join(hex.to_uppercase());
    fs::rename(room.entry(&digest), &upper).unwrap();
    assert_missing(&room.evaluate(&digest), "holds no module");
    assert_eq!(room.digests(), Vec::<String>::new());
}

#[test]
fn the_name_of_a_pin_is_one_step() {
    let room = Room::new();
    let digest = room.add("one");
    for bad in [
        "..",
        ".",
        "",
        "../prod",
        "a/b",
        "/etc/passwd",
        "Prod",
        "PROD",
        ".prod",
        "a\\b",
    ] {
        let pinned = room.cavra(&["module", "pin", &digest, bad]);
        assert_eq!(pinned.code, Some(3), "{bad}: {pinned:?}");
        let removed = room.cavra(&["module", "pin", "--remove", bad]);
        assert_eq!(removed.code, Some(3), "{bad}: {removed:?}");
    }
    assert!(!room.store().join("pins").exists());
    room.done(&["module", "pin", &digest, "prod"]);
    assert_eq!(
        room.done(&["module", "list", "--json"]).json()["modules"][0]["pins"][0],
        "prod"
    );
    let kept = room.cavra(&["module", "remove", &digest]);
    assert_eq!(kept.code, Some(3));
    assert!(kept.stderr.contains("is pinned as `prod`"), "{kept:?}");
    // A pin is moved by pinning again.
    let other = room.add("two");
    let moved = room.done(&["module", "pin", &other, "prod"]);
    assert!(moved.stdout.contains(&format!("it was {digest}")), "{moved:?}");
    room.done(&["module", "pin", "--remove", "prod"]);
    let none = room.cavra(&["module", "pin", "--remove", "prod"]);
    assert!(none.stderr.contains("has no pin `prod`"), "{none:?}");
    let absent = format!("sha256:{}", "0".repeat(64));
    assert_eq!(room.cavra(&["module", "pin", &absent, "prod"]).code, Some(3));
}

#[test]
fn a_damaged_module_is_never_loaded() {
    let room = Room::new();
    let digest = room.add("one");
    let path = room.entry(&digest).join("module.wasm");
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bad in [&flipped[..], &good[..good.len() / 2], b"", &variant("two", 0)] {
        fs::write(&path, bad).unwrap();
        assert_missing(&room.evaluate(&digest), "is damaged");
        let inspected = room.cavra(&["module", "inspect", &digest]);
        assert!(inspected.stderr.contains("is damaged"), "{inspected:?}");
    }
    // The same module once more mends it.
    assert_eq!(room.add("one"), digest);
    assert_selected(&room.evaluate(&digest));
}

#[test]
fn a_file_that_was_cut_short_is_no_module() {
    let room = Room::new();
    let file = room.variant("one");
    let good = fs::read(&file).unwrap();
    fs::write(&file, &good[..good.len() / 2]).unwrap();
    assert_missing(&room.evaluate(&file), "does not compile");
    fs::write(&file, &good[..4]).unwrap();
    assert_missing(&room.evaluate(&file), "not a WebAssembly component");
}

#[test]
fn a_module_of_two_gibibytes_is_refused_by_its_size() {
    let room = Room::new();
    let digest = room.add("one");
    let sparse = |path: &Path| {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_len(2 << 30).unwrap();
    };
    sparse(&room.entry(&digest).join("module.wasm"));
    assert_missing(
        &room.evaluate(&digest),
        "is 2147483648 bytes long; at most 33554432",
    );
    let file = room.variant("two");
    sparse(Path::new(&file));
    assert_missing(&room.evaluate(&file), "is larger than 33554432 bytes");
    let added = room.cavra(&["module", "add", &file]);
    assert_eq!(added.code, Some(3));
    assert!(added.stderr.contains("is larger than"), "{added:?}");
    // Neither is a bundle of that size.
    let other = room.add("three");
    let bundles = room.entry(&other).join("module.wasm.sigstore.jsonl");
    fs::write(&bundles, "").unwrap();
    sparse(&bundles);
    assert_missing(&room.evaluate(&other), "at most 1048576");
}

#[test]
fn links_in_the_store_are_not_followed() {
    let room = Room::new();
    let outside = room.path("outside");
    fs::create_dir(&outside).unwrap();
    let digest = room.add("one");
    let entry = room.entry(&digest);
    // The module, behind a link: it has the right bytes.
    for name in ["module.wasm", "module.wasm.sigstore.jsonl"] {
        let _ = fs::rename(entry.join(name), outside.join(name));
        symlink(outside.join(name), entry.join(name)).unwrap();
        assert_missing(&room.evaluate(&digest), "is a symbolic link, not a file");
        fs::remove_file(entry.join(name)).unwrap();
        let _ = fs::rename(outside.join(name), entry.join(name));
    }
    assert_selected(&room.evaluate(&digest));
    // Its whole directory.
    fs::rename(&entry, outside.join("entry")).unwrap();
    symlink(outside.join("entry"), &entry).unwrap();
    assert_missing(&room.evaluate(&digest), "is a symbolic link, not a directory");
    let before = everything(&outside);
    for args in [
        &["module", "remove", &digest][..],
        &["module", "gc", "--keep-bytes", "0"],
        &["module", "list"],
    ] {
        let output = room.cavra(args);
        assert_ne!(output.code, Some(0), "{args:?}: {output:?}");
        assert!(output.stderr.contains("is a symbolic link"), "{output:?}");
    }
    assert_eq!(everything(&outside), before);
    // All modules.
    fs::remove_file(&entry).unwrap();
    fs::rename(room.store().join("sha256"), outside.join("all")).unwrap();
    symlink(outside.join("all"), room.store().join("sha256")).unwrap();
    assert_missing(&room.evaluate(&digest), "is a symbolic link");
    let added = room.cavra(&["module", "add", &room.variant("two")]);
    assert!(added.stderr.contains("is a symbolic link"), "{added:?}");
    fs::remove_file(room.store().join("sha256")).unwrap();
    // What is half done, as a link: it is removed, not what it leads to.
    let before = everything(&outside);
    symlink(&outside, room.store().join(".new")).unwrap();
    symlink(&outside, room.store().join(".gone")).unwrap();
    let digest = room.add("three");
    room.done(&["module", "remove", &digest]);
    assert_eq!(everything(&outside), before);
}

#[test]
fn a_pin_that_cannot_be_read_stops_the_collection() {
    let room = Room::new();
    let digest = room.add("one");
    room.done(&["module", "pin", &digest, "prod"]);
    let pin = room.store().join("pins/prod");
    let spoils: [fn(&Path); 4] = [
        |pin| fs::write(pin, "latest").unwrap(),
        |pin| fs::write(pin, [0xff; 16]).unwrap(),
        |pin| {
            fs::remove_file(pin).unwrap();
            symlink("/etc/hostname", pin).unwrap();
        },
        |pin| {
            fs::remove_file(pin).unwrap();
            fs::write(pin.with_file_name("PROD"), "").unwrap();
        },
    ];
    for spoil in spoils {
        spoil(&pin);
        let collected = room.cavra(&["module", "gc", "--keep-bytes", "0"]);
        assert_ne!(collected.code, Some(0), "{collected:?}");
        assert!(collected.stderr.contains("pins/"), "{collected:?}");
        assert!(room.entry(&digest).exists());
    }
}

#[test]
fn a_store_that_others_can_write_is_not_used() {
    let room = Room::new();
    let digest = room.add("one");
    for dir in [room.store(), room.store().join("sha256"), room.entry(&digest)] {
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
        assert_missing(&room.evaluate(&digest), "can be written to by others");
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // One that others can read is.
    assert_selected(&room.evaluate(&digest));
}

#[test]
fn what_was_not_used_for_the_longest_time_is_collected_and_what_is_pinned_is_not() {
    let room = Room::new();
    let digests = ["one", "two", "three", "four"].map(|name| room.add(name));
    let age = |digest: &str, days: u64| {
        let entry = fs::File::open(room.entry(digest)).unwrap();
        let used = entry.metadata().unwrap().modified().unwrap();
        entry
            .set_modified(used - Duration::from_secs(days * 86_400))
            .unwrap();
    };
    for (digest, days) in digests.iter().zip([40, 30, 20, 10]) {
        age(digest, days);
    }
    room.done(&["module", "pin", &digests[0], "prod"]);
    // Loading is using.
    assert_selected(&room.evaluate(&digests[1]));
    let kept = |out: &Value| {
        let removed = out["modules"]["removed"].as_array().unwrap();
        removed
            .iter()
            .map(|it| it["digest"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let plan = room
        .done(&["module", "gc", "--older-than", "15d", "--dry-run", "--json"])
        .json();
    assert_eq!(kept(&plan), [digests[2].clone()]);
    assert_eq!(room.digests().len(), 4);
    let done = room
        .done(&["module", "gc", "--older-than", "15d", "--json"])
        .json();
    assert_eq!(kept(&done), kept(&plan));
    assert_eq!(done["modules"]["pinned"], 1);
    // Room for two, and one of them is pinned.
    let two = (2 * variant("four", 0).len()).to_string();
    let done = room
        .done(&["module", "gc", "--keep-bytes", &two, "--json"])
        .json();
    assert_eq!(kept(&done), [digests[3].clone()]);
    let done = room.done(&["module", "gc", "--keep-bytes", "0", "--json"]).json();
    assert_eq!(kept(&done), [digests[1].clone()]);
    assert_eq!(room.digests(), [digests[0].clone()]);
    assert_selected(&room.evaluate(&digests[0]));
    let none = room.done(&["module", "gc", "--json"]).json();
    assert_eq!(kept(&none), Vec::<String>::new());
    for (bad, told) in [
        ("--older-than=soon", "such as 30d"),
        ("--older-than=30", "such as 30d"),
        ("--older-than=-1d", "must not be negative"),
        ("--keep-bytes=many", "such as 500MiB"),
    ] {
        let refused = room.cavra(&["module", "gc", bad]);
        assert_eq!(refused.code, Some(3), "{bad:?}");
        assert!(refused.stderr.contains(told), "{refused:?}");
    }
}

#[test]
fn putting_and_collecting_at_once_leave_whole_modules() {
    let room = Room::new();
    let names: Vec<String> = (0..12).map(|it| format!("module-{it}")).collect();
    let files: Vec<String> = names.iter().map(|name| room.variant(name)).collect();
    let start = |args: &[&str]| {
        let mut command = room.command(args).command();
        command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut running = Vec::new();
    for (name, file) in names.iter().zip(&files) {
        running.push(start(&["module", "add", file, "--pin", name]));
        running.push(start(&["module", "gc", "--keep-bytes", "0"]));
        // The same module twice at once.
        running.push(start(&["module", "add", file]));
        for child in running.drain(..running.len().saturating_sub(4)) {
            assert_done(child);
        }
    }
    running.into_iter().for_each(assert_done);
    assert_eq!(room.digests().len(), names.len());
    // Every one is read and hashed.
    let mut args = vec!["module", "save", "--out"];
    let out = room.path("all.tar").display().to_string();
    args.push(&out);
    args.extend(names.iter().map(String::as_str));
    room.done(&args);
    let left: Vec<_> = fs::read_dir(room.store())
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 3, "nothing is left over: {left:?}");
}

fn assert_done(child: std::process::Child) {
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_command_that_is_killed_leaves_nothing_half() {
    let room = Room::new();
    let file = room.path("large.wasm");
    fs::write(&file, variant("large", 30 << 20)).unwrap();
    let file = file.display().to_string();
    let out = room.path("out.tar").display().to_string();
    for delay in 0..12 {
        let mut child = room
            .command(&["module", "add", &file])
            .command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(10 * delay));
        let _ = child.kill();
        child.wait().unwrap();
        for digest in room.digests() {
            // It is read whole and hashed.
            room.done(&["module", "save", &digest, "--out", &out]);
            room.done(&["module", "remove", &digest]);
        }
    }
    room.done(&["module", "gc"]);
    for left in fs::read_dir(room.store()).into_iter().flatten() {
        let name = left.unwrap().file_name();
        assert!(name == "sha256" || name == ".lock", "{name:?}");
    }
    // What was interrupted is none of the next one's business.
    fs::create_dir(room.store().join(".new")).unwrap();
    fs::write(room.store().join(".new/module.wasm"), "half").unwrap();
    let digest = room.add("one");
    assert_selected(&room.evaluate(&digest));
}

#[test]
fn the_store_holds_components_alone() {
    let room = Room::new();
    for (name, bytes) in [
        ("script.sh", &b"#!/bin/sh\nexit 0\n"[..]),
        ("core.wasm", b"\0asm\x01\0\0\0"),
        ("empty", b""),
    ] {
        let path = room.path(name);
        fs::write(&path, bytes).unwrap();
        let added = room.cavra(&["module", "add", &path.display().to_string()]);
        assert_eq!(added.code, Some(3), "{name}");
        assert!(
            added.stderr.contains("not a WebAssembly component"),
            "{name}: {added:?}"
        );
    }
    assert_eq!(room.digests(), Vec::<String>::new());
}

#[test]
fn the_cache_is_collected_with_the_modules() {
    let room = Room::new();
    let cache = room.path("cache");
    let run = |args: &[&str]| {
        room.command(args)
            .env("CAVRA_CACHE_DIR", &cache)
            .env("CAVRA_CACHE_KEY", room.path("cache.key"))
            .run()
    };
    let judge = || {
        let args = [
            "evaluate",
            "read_file",
            "README.md",
            "--json",
            "--mode",
            "enforce",
            "--policy-path",
            "auto",
        ];
        let answer = run(&[&args[..], &["--runtime-path", "builtin:fastpath"]].concat()).json();
        assert_selected(&answer);
    };
    judge();
    let entries = || fs::read_dir(&cache).unwrap().count();
    let made = entries();
    let report = run(&["module", "gc", "--cache-bytes", "0", "--dry-run", "--json"]).json();
    assert_eq!(report["cache"]["removed"], made);
    assert_eq!(entries(), made);
    let report = run(&["module", "gc", "--json"]).json();
    assert_eq!(
        (&report["cache"]["removed"], &report["cache"]["entries"]),
        (&0.into(), &made.into())
    );
    let report = run(&["module", "gc", "--cache-bytes", "0", "--json"]).json();
    assert_eq!(
        (&report["cache"]["removed"], &report["cache"]["bytes"]),
        (&made.into(), &0.into())
    );
    assert_eq!(entries(), 0);
    judge();
    assert_eq!(entries(), made);
    let off = run(&["module", "gc", "--cache-dir", "off", "--json"]).json();
    assert_eq!(off["cache"], Value::Null);
}
