//! What a run of a native runtime leaves behind: nothing, however it ends.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use cavra::backend::{Backend, supervisor};
use cavra::fault::FallbackCode;
use cavra::model::Verdict;

use super::support::{Scripts, eventually, notes, open, within};

#[test]
fn a_supervisor_that_is_killed_takes_the_runtime_with_it() {
    let scripts = Scripts::new();
    let runtime = open(&scripts.path("hang.sh"), within(60)).unwrap();
    let outcome = thread::scope(|scope| {
        let run = scope.spawn(|| runtime.evaluate(&notes()).outcome);
        eventually("the runtime runs", || scripts.processes().len() == 2);
        let processes = scripts.processes();
        let supervisor = processes
            .iter()
            .find(|process| process.contains(supervisor::SUBCOMMAND))
            .unwrap();
        let id = supervisor.split(' ').next().unwrap();
        assert!(
            Command::new("kill")
                .args(["-KILL", id])
                .status()
                .unwrap()
                .success()
        );
        run.join().unwrap()
    });
    let fault = outcome.unwrap_err();
    assert_eq!(fault.code(), FallbackCode::NativeFailed);
    assert!(
        fault
            .to_string()
            .contains("without a report (signal: 9 (SIGKILL))"),
        "{fault}"
    );
    eventually("nothing is left", || scripts.processes().is_empty());
}

/// Runs one of the ignored tests below in a process of its own.
fn start_alone(test: &str, scripts: &Scripts, script: &str) -> Child {
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("{module}::{test}"),
            "--ignored",
            "--nocapture",
        ])
        // A host that is killed cannot remove its private files.
        .env("TMPDIR", scripts.0.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(scripts.path(script).as_os_str().as_encoded_bytes())
        .unwrap();
    child
}

fn script_from_stdin() -> PathBuf {
    let mut path = String::new();
    std::io::stdin().read_to_string(&mut path).unwrap();
    path.into()
}

#[test]
fn a_host_that_is_killed_leaves_nothing() {
    let scripts = Scripts::new();
    let mut host = start_alone("alone_evaluates_for_a_minute", &scripts, "orphans_hang.sh");
    // The supervisor, the script, six orphans, and three shells that wait for theirs.
    eventually("the runtime and its orphans run", || {
        scripts.processes().len() >= 8
    });
    host.kill().unwrap();
    host.wait().unwrap();
    eventually("nothing is left", || scripts.processes().is_empty());
}

#[test]
#[ignore = "the host of `a_host_that_is_killed_leaves_nothing`"]
fn alone_evaluates_for_a_minute() {
    let runtime = open(&script_from_stdin(), within(60)).unwrap();
    panic!("ended by itself: {:?}", runtime.evaluate(&notes()));
}

#[test]
fn many_runs_leave_no_zombie_and_no_descriptor() {
    let scripts = Scripts::new();
    let status = start_alone("alone_runs_two_hundred_times", &scripts, "agree.sh")
        .wait()
        .unwrap();
    assert!(status.success());
    assert_eq!(scripts.processes(), Vec::<String>::new());
}

#[test]
#[ignore = "the host of `many_runs_leave_no_zombie_and_no_descriptor`"]
fn alone_runs_two_hundred_times() {
    let agree = script_from_stdin();
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let faulty = [
        "wrong_status.sh",
        "not_utf8.sh",
        "flood_stdout.sh",
        "orphan.sh",
        "missing_interpreter.sh",
    ];
    let before = descriptors();
    for round in 0..20 {
        let runtime = open(&agree, within(20)).unwrap();
        thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    assert_eq!(
                        runtime.evaluate(&notes()).outcome.unwrap().verdict,
                        Verdict::Allow
                    )
                });
            }
        });
        for name in faulty {
            let outcome = open(&agree.with_file_name(name), within(20))
                .unwrap()
                .evaluate(&notes())
                .outcome;
            assert_eq!(
                outcome.is_ok(),
                name == "orphan.sh",
                "{name} in round {round}: {outcome:?}"
            );
        }
    }
    assert_eq!(descriptors(), before);
    for thread in fs::read_dir("/proc/self/task").unwrap() {
        let children = fs::read_to_string(thread.unwrap().path().join("children")).unwrap();
        assert_eq!(children, "", "children, zombies among them");
    }
}
