//! The built-in packs: their own tests, with both evaluators.

use integration_tests::{cavra, root};

#[test]
fn every_pack_passes_its_own_tests() {
    let output = cavra(["policy", "test", "--json"]).run();
    assert_eq!(output.code, Some(0), "{}", cavra(["policy", "test"]).run().stdout);
    let results = output.json();
    let results = results.as_array().unwrap();
    let packs = std::fs::read_dir(root().join("host/policies")).unwrap().count();
    assert_eq!(results.len(), packs, "every pack has tests");
    assert!(packs >= 16);
    for result in results {
        let cases = result["cases"].as_array().unwrap().len();
        assert!(cases >= 15, "{} has only {cases} tests", result["pack"]);
    }
}

#[test]
fn every_pack_is_listed_valid_and_compiles_the_same_each_time() {
    let listed = cavra(["policy", "list", "--json"]).run().json();
    for pack in listed.as_array().unwrap() {
        let id = pack["id"].as_str().unwrap();
        assert_eq!(pack.get("error").filter(|it| !it.is_null()), None, "{id}");
        assert!(
            pack["description"].as_str().is_some_and(|text| text.len() > 20),
            "{id} says what it is for"
        );
        let folder = root().join("host/policies").join(id);
        let valid = cavra(["policy", "validate", folder.to_str().unwrap()]).run();
        assert_eq!(valid.code, Some(0), "{}", valid.stdout);
        let compile = || cavra(["policy", "compile", "--policy-pack", id]).run();
        let compiled = compile();
        assert_eq!(compiled.code, Some(0), "{}", compiled.stderr);
        let policy = compiled.json();
        assert_eq!(policy["schema_version"], "cavra.compiled-policy.v1");
        assert!(policy["digest"].as_str().unwrap().starts_with("sha256:"));
        assert_eq!(policy["metadata"]["id"], id);
        assert_eq!(compiled.stdout, compile().stdout);
    }
}

#[test]
fn a_folder_that_replaces_a_built_in_pack_without_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let pack = |id: &str| dir.path().join(id);
    std::fs::create_dir(pack("harbor")).unwrap();
    let text = "metadata:\n  id: harbor\n  title: Harbor\n  version: \"1.0\"\n";
    std::fs::write(pack("harbor").join("policy.yaml"), text).unwrap();
    let folder = dir.path().to_str().unwrap();
    let validate = || cavra(["policy", "validate", folder]).run();
    assert_eq!(validate().code, Some(0), "{}", validate().stdout);
    // Another folder is nobody's pack.
    std::fs::create_dir(pack("notes")).unwrap();
    assert_eq!(validate().code, Some(0), "{}", validate().stdout);
    std::fs::create_dir(pack("cavra-pci-dss")).unwrap();
    let told = validate();
    assert_eq!(told.code, Some(3));
    assert!(
        told.stdout.contains("cavra-pci-dss/policy.yaml: not valid"),
        "{}",
        told.stdout
    );
    assert!(
        told.stdout.contains("replaces the built-in pack"),
        "{}",
        told.stdout
    );
    let judged = cavra(["evaluate", "read_file", "a", "--policy-pack", "cavra-pci-dss"])
        .args(["--policy-dir", folder])
        .run();
    assert_eq!(judged.code, Some(3));
    assert!(
        judged.stderr.contains("replaces the built-in pack"),
        "{}",
        judged.stderr
    );
}

#[test]
fn a_pack_whose_test_fails_says_which_and_why() {
    let dir = tempfile::tempdir().unwrap();
    let pack = dir.path().join("team-pack");
    std::fs::create_dir(&pack).unwrap();
    std::fs::write(
        pack.join("policy.yaml"),
        "metadata: {id: team-pack, title: Team, version: 1.0.0}\nfilesystem: {block_read: ['*.key']}\n",
    )
    .unwrap();
    std::fs::write(
        pack.join("tests.yaml"),
        "tests:\n- name: keys are secret\n  request: {action_type: read_file, target: a.key}\n  expect: {decision: allow}\n",
    )
    .unwrap();
    let output = cavra(["policy", "test", "team-pack"])
        .args(["--policy-dir".as_ref(), dir.path().as_os_str()])
        .run();
    assert_eq!(output.code, Some(1));
    assert!(
        output.stdout.contains("team-pack: keys are secret"),
        "{}",
        output.stdout
    );
    assert!(
        output.stdout.contains("expected decision `allow`, got `block`"),
        "{}",
        output.stdout
    );
}

#[test]
fn a_directory_adds_to_and_overrides_the_built_in_packs() {
    let dir = tempfile::tempdir().unwrap();
    let write = |id: &str, text: &str| {
        std::fs::create_dir(dir.path().join(id)).unwrap();
        std::fs::write(dir.path().join(id).join("policy.yaml"), text).unwrap();
    };
    write(
        "team-pack",
        "metadata: {id: team-pack, title: T, version: 1.0.0, inherits: cavra-ai-agent-baseline}\ncommands: {block: ['deploy*']}\n",
    );
    write(
        "cavra-pci-dss",
        "metadata: {id: cavra-pci-dss, title: Ours, version: 9.9.9}\n",
    );
    write(
        "broken",
        "metadata: {id: broken, title: T, version: 1.0.0}\ncommands: {blok: []}\n",
    );
    let dir = dir.path().to_str().unwrap();
    let decide = |pack: &str, command: &str| {
        cavra([
            "evaluate",
            "execute_command",
            command,
            "--policy-pack",
            pack,
            "--policy-dir",
            dir,
            "--json",
        ])
        .run()
    };
    assert_eq!(
        decide("team-pack", "deploy now").json()["effective_decision"]["matched_pattern"],
        "deploy*"
    );
    assert_eq!(
        decide("team-pack", "terraform apply").json()["effective_decision"]["decision"],
        "block"
    );
    let listed = cavra(["policy", "list", "--json", "--policy-dir", dir])
        .run()
        .json();
    let ours = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|pack| pack["id"] == "cavra-pci-dss")
        .unwrap();
    assert_eq!(ours["version"], "9.9.9");
    let broken = decide("broken", "ls");
    assert_eq!(broken.code, Some(3));
    assert!(
        broken.stderr.contains("blok") && broken.stderr.contains("policy.yaml"),
        "{}",
        broken.stderr
    );
}

#[test]
fn a_pack_id_never_steps_out_of_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    let inside = dir.path().join("inside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::create_dir_all(&inside).unwrap();
    std::fs::write(
        outside.join("policy.yaml"),
        "metadata: {id: outside, title: T, version: 1.0.0}\n",
    )
    .unwrap();
    std::os::unix::fs::symlink(&outside, inside.join("outside")).unwrap();
    for id in ["outside", "../outside", "inside/../../outside", "/etc"] {
        let output = cavra(["evaluate", "read_file", "a", "--policy-pack", id])
            .args(["--policy-dir".as_ref(), inside.as_os_str()])
            .run();
        assert_eq!(output.code, Some(3), "{id}: {output:?}");
    }
}
