//! What the native adapter makes of the runtimes in this directory.
//!
//! Each script says in its header what it does and which fallback it must cause.

mod processes;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cavra::backend::{Attempt, Backend, NativeLimits, NativeRuntime};
use cavra::fault::{FallbackCode, Fault};
use cavra::model::{Request, Verdict};

use support::{Scripts, notes, open, request, source, within};

/// The words after `Fallback:` in a script's header; `none` is the empty word.
fn expected(script: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(script).unwrap();
    let header: String = text.lines().take_while(|line| line.starts_with('#')).collect();
    let (_, promise) = header.split_once("Fallback: ").unwrap();
    let words = promise.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    let known = |word: &&str| *word == "none" || FallbackCode::TABLE.iter().any(|(_, code, _)| code == word);
    words.filter(known).map(str::to_owned).collect()
}

#[test]
fn every_script_causes_the_fallback_that_it_names() {
    let scripts = Scripts::new();
    let mut names: Vec<_> = fs::read_dir(source())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.retain(|name| {
        Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "sh")
    });
    names.sort();
    assert!(names.len() >= 30, "{names:?}");
    for name in names {
        let script = scripts.path(name.to_str().unwrap());
        let mut promised = expected(&script);
        // What is wrong with an answer to another question is for the pilot to say.
        let by_pilot = fs::read_to_string(&script).unwrap().contains("(by the pilot)");
        if by_pilot || promised.remove("parity_mismatch") {
            promised = ["none".to_owned()].into();
        }
        let deadline = if promised.contains("timeout_wall_clock") {
            1
        } else {
            20
        };
        let outcome = match open(&script, within(deadline)) {
            Ok(runtime) => runtime.evaluate(&notes()).outcome,
            Err(fault) => Err(fault),
        };
        let code = outcome
            .as_ref()
            .map_or_else(|fault| fault.code().as_str(), |_| "none");
        assert!(
            promised.contains(code),
            "{name:?} promises {promised:?}: {outcome:?}"
        );
        assert_eq!(scripts.processes(), Vec::<String>::new(), "left by {name:?}");
    }
}

#[test]
fn a_decision_is_the_runtimes_own_in_typed_form() {
    let scripts = Scripts::new();
    let runtime = open(&scripts.path("agree.sh"), within(20)).unwrap();
    let Attempt { outcome, usage } = runtime.evaluate(&request("a \"quoted\" \\ name\n.md"));
    let decision = outcome.unwrap();
    assert_eq!(decision.verdict, Verdict::Allow);
    assert_eq!(decision.rule_id, "filesystem.read.allow");
    assert_eq!(decision.target, "a \"quoted\" \\ name\n.md");
    assert_eq!(decision.policy_pack, cavra::model::DEFAULT_POLICY_PACK);
    assert_eq!((usage.kind, &*usage.policy_sha256), ("native", "f00d"));
    assert_eq!(
        *usage.module_sha256,
        *cavra::digest::sha256_hex(&fs::read(scripts.path("agree.sh")).unwrap())
    );
    assert!(usage.microseconds > 0);
}

#[test]
fn a_request_longer_than_a_pipe_arrives_whole() {
    let scripts = Scripts::new();
    let long = Request {
        workspace: Some(format!("/{}", "é".repeat(100_000))),
        ..notes()
    };
    let bytes = serde_json::to_vec(&long).unwrap().len();
    let runtime = open(&scripts.path("read_slowly.sh"), within(20)).unwrap();
    assert_eq!(
        runtime.evaluate(&long).outcome.unwrap().reason,
        format!("read {bytes} bytes")
    );
    // One that does not read it does not stop the host either.
    let runtime = open(&scripts.path("ignore_stdin.sh"), within(20)).unwrap();
    assert_eq!(runtime.evaluate(&long).outcome.unwrap().target, "notes/today.md");
}

#[test]
fn the_runtime_is_started_with_nothing_but_its_orders() {
    let scripts = Scripts::new();
    let limits = NativeLimits {
        deadline: Duration::from_millis(19_500),
        address_space_bytes: 1 << 30,
        file_size_bytes: 4096,
        open_files: 32,
        processes: 40,
    };
    let tasks: u64 = {
        let load = fs::read_to_string("/proc/loadavg").unwrap();
        load.split([' ', '/']).nth(4).unwrap().parse().unwrap()
    };
    // Descriptors that a careless parent has left open in the host reach nobody.
    let leaked = fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let runtime = open(&scripts.path("inspect.sh"), limits).unwrap();
    let reason = runtime.evaluate(&notes()).outcome.unwrap().reason;
    let field = |name: &str| {
        let found = reason
            .split(';')
            .find_map(|part| part.strip_prefix(&format!("{name}=")));
        found
            .unwrap_or_else(|| panic!("`{name}` is not in {reason}"))
            .to_owned()
    };
    assert_eq!(field("variables"), "");
    // The fourth is that of the `ls` that looks.
    assert_eq!(field("descriptors"), "0 1 2 3 ");
    assert_eq!(field("directory"), "/");
    assert_eq!(field("group"), field("pid"));
    assert_eq!(field("terminal"), "0");
    assert_eq!(field("cpu"), "21:21");
    assert_eq!(field("memory"), "1073741824:1073741824");
    assert_eq!(field("file"), "4096:4096");
    assert_eq!(field("files"), "32:32");
    assert_eq!(field("core"), "0:0");
    assert_eq!(field("new_privileges"), "1");
    let processes: u64 = field("processes").split_once(':').unwrap().0.parse().unwrap();
    assert!(
        (41..tasks + 1000).contains(&processes),
        "{processes} with {tasks} tasks"
    );
    let arguments = field("arguments");
    let arguments: Vec<_> = arguments.split(' ').collect();
    let ["--policy", policy, "--registry", registry] = arguments[..] else {
        panic!("{arguments:?}")
    };
    assert_eq!(
        (field("policy").as_str(), field("registry").as_str()),
        ("-r--------", "-r--------")
    );
    assert_eq!(fs::read_to_string(policy).unwrap(), "{\"policy\":1}");
    assert_eq!(fs::read_to_string(registry).unwrap(), "{\"registry\":1}");
    let directory = Path::new(policy).parent().unwrap().to_owned();
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&directory).unwrap().permissions());
    assert_eq!(mode & 0o7777, 0o700);
    drop(runtime);
    assert!(!directory.exists());
}

#[test]
fn what_cannot_be_run_is_refused_when_it_is_opened() {
    let scripts = Scripts::new();
    for name in [
        "no_such_script.sh",
        "not_executable.sh",
        "lib",
        "lib/answer.sh",
        "agree.sh/below",
    ] {
        let fault = open(&scripts.path(name), within(1)).unwrap_err();
        assert_eq!(fault.code(), FallbackCode::MissingRuntime, "{name}: {fault}");
    }
    // Reading from a named pipe that nobody writes to would wait for ever.
    let pipe = scripts.0.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .args(["-m", "755"])
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(
        open(&pipe, within(1)).unwrap_err().code(),
        FallbackCode::MissingRuntime
    );
}

#[test]
fn a_runtime_that_is_exchanged_is_not_run() {
    let scripts = Scripts::new();
    let program = scripts.0.path().join("runtime");
    std::os::unix::fs::symlink(scripts.path("agree.sh"), &program).unwrap();
    let runtime = open(&program, within(20)).unwrap();
    fs::remove_file(&program).unwrap();
    std::os::unix::fs::symlink(scripts.path("diverge.sh"), &program).unwrap();
    let fault = runtime.evaluate(&notes()).outcome.unwrap_err();
    assert_eq!(fault.code(), FallbackCode::MissingRuntime, "{fault}");
}

#[test]
fn a_fault_quotes_the_runtimes_standard_error() {
    let scripts = Scripts::new();
    let runtime = open(&scripts.path("wrong_status.sh"), within(20)).unwrap();
    assert_eq!(
        runtime.evaluate(&notes()).outcome.unwrap_err().to_string(),
        "the native runtime failed: exit status: 3; its standard error: `cannot reach the licence server`"
    );
}

#[test]
fn the_deadline_is_kept() {
    let scripts = Scripts::new();
    let limits = NativeLimits {
        deadline: Duration::from_millis(300),
        ..NativeLimits::default()
    };
    let runtime = open(&scripts.path("orphans_hang.sh"), limits).unwrap();
    let started = Instant::now();
    assert_eq!(
        runtime.evaluate(&notes()).outcome,
        Err(Fault::WallClock { limit_ms: 300 })
    );
    let took = started.elapsed();
    assert!((300..10_000).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn a_supervisor_that_is_none_is_a_failure_of_the_runtime() {
    let scripts = Scripts::new();
    for (supervisor, said) in [
        ("/nowhere/cavra", "No such file"),
        ("/bin/true", "without a report"),
    ] {
        let open = NativeRuntime::open(
            &scripts.path("agree.sh"),
            Path::new(supervisor),
            "{}",
            "",
            None,
            within(20),
        );
        let fault = open.unwrap().evaluate(&notes()).outcome.unwrap_err();
        assert_eq!(fault.code(), FallbackCode::NativeFailed);
        assert!(fault.to_string().contains(said), "{fault}");
    }
}
