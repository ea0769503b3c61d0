//! The policy setting: a file, a directory, or `auto`.

use super::super::{Catalog, PolicyError, PolicySource};
use super::{compile, directory, id, write};

#[test]
fn a_file_holds_one_pack_and_no_other() {
    let (root, catalog) = directory(&[("example", "[]", ""), ("other", "[]", "")]);
    let policy = compile(&catalog, "example").unwrap();
    write(root.path(), "any-name.json", policy.json());
    let source = PolicySource::open(root.path().join("any-name.json").to_str().unwrap(), &catalog).unwrap();
    assert_eq!(source.policy_for(&id("example")).unwrap(), policy);
    let missing = source.policy_for(&id("other")).unwrap_err();
    assert!(matches!(&missing, PolicyError::NotHeld { id: pack, .. } if *pack == id("other")));
    assert_eq!(
        missing.to_string(),
        "the compiled policy of `example` holds no policy for the pack `other`"
    );
}

#[test]
fn a_directory_holds_a_pack_in_the_file_of_its_name() {
    let (root, catalog) = directory(&[("example", "[]", ""), ("other", "[]", "")]);
    let policy = compile(&catalog, "example").unwrap();
    write(root.path(), "compiled/example.json", policy.json());
    write(root.path(), "compiled/other.json", policy.json());
    write(root.path(), "compiled/broken.json", "{");
    let source = PolicySource::open(root.path().join("compiled").to_str().unwrap(), &catalog).unwrap();
    assert_eq!(source.policy_for(&id("example")).unwrap(), policy);
    assert!(matches!(
        source.policy_for(&id("absent")),
        Err(PolicyError::NotHeld { .. })
    ));
    assert_eq!(
        source.policy_for(&id("other")).unwrap_err().to_string(),
        "other.json: /metadata/id: the pack is called `example` but lies in `other.json`; make them equal"
    );
    assert!(matches!(
        source.policy_for(&id("broken")),
        Err(PolicyError::Faulty(_))
    ));
}

#[cfg(unix)]
#[test]
fn nothing_leads_out_of_the_directory() {
    let (root, catalog) = directory(&[("example", "[]", "")]);
    write(
        root.path(),
        "example.json",
        compile(&catalog, "example").unwrap().json(),
    );
    std::fs::create_dir(root.path().join("compiled")).unwrap();
    std::os::unix::fs::symlink("../example.json", root.path().join("compiled/example.json")).unwrap();
    let source = PolicySource::open(root.path().join("compiled").to_str().unwrap(), &catalog).unwrap();
    assert!(matches!(
        source.policy_for(&id("example")),
        Err(PolicyError::Unreadable { .. })
    ));
}

#[test]
fn auto_compiles_what_the_catalog_has() {
    let (_root, catalog) = directory(&[("example", "[]", ""), ("orphan", "nobody", "")]);
    let source = PolicySource::open("auto", &catalog).unwrap();
    assert_eq!(
        source.policy_for(&id("example")).unwrap(),
        compile(&catalog, "example").unwrap()
    );
    assert!(matches!(
        source.policy_for(&id("absent")),
        Err(PolicyError::NotHeld { .. })
    ));
    assert!(
        matches!(source.policy_for(&id("orphan")), Err(PolicyError::Faulty(_))),
        "held, and unusable"
    );
}

#[test]
fn a_sample_of_a_file_is_its_one_pack() {
    let (root, catalog) = directory(&[("example", "[]", ""), ("other", "[]", "")]);
    let policy = compile(&catalog, "example").unwrap();
    write(root.path(), "policy.json", policy.json());
    let file = PolicySource::open(root.path().join("policy.json").to_str().unwrap(), &catalog).unwrap();
    assert_eq!(file.sample(&id("other")).unwrap(), policy);
    let auto = PolicySource::open("auto", &catalog).unwrap();
    assert_eq!(
        auto.sample(&id("other")).unwrap(),
        compile(&catalog, "other").unwrap()
    );
}

#[test]
fn a_setting_that_names_nothing_is_refused() {
    for setting in ["", "no/such/policy.json"] {
        let refused = PolicySource::open(setting, &Catalog::builtin()).unwrap_err();
        assert!(matches!(refused, PolicyError::Unreadable { .. }), "{refused}");
    }
}
