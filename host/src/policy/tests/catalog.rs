//! Which packs there are, and that nothing leads out of their folder.

use std::fs;

use super::super::{Catalog, Origin, PackId, PackIdError, PolicyError};
use super::{compile, compiled, directory, id, pack, refusal, write};

#[test]
fn every_built_in_pack_compiles_and_its_tests_can_be_read() {
    let catalog = Catalog::builtin();
    let packs = catalog.list().unwrap();
    assert!(!packs.is_empty());
    for listing in packs {
        assert_eq!(listing.error, None, "{}", listing.id);
        assert_eq!(listing.origin, Origin::BuiltIn);
        assert_eq!(
            compile(&catalog, listing.id.as_str()).unwrap().pack_id(),
            &listing.id
        );
        assert!(
            catalog.tests(&listing.id).unwrap().is_some(),
            "{} has no tests",
            listing.id
        );
    }
}

#[test]
fn the_directory_adds_to_the_built_in_packs_and_overrides_them() {
    let built_in = Catalog::builtin().ids().unwrap().remove(0);
    let (_root, catalog) = directory(&[
        (built_in.as_str(), "[]", "commands: {block: [\"make deploy*\"]}"),
        ("our-own", "[]", ""),
    ]);
    let ids = catalog.ids().unwrap();
    assert_eq!(ids.len(), Catalog::builtin().ids().unwrap().len() + 1);
    assert!(ids.is_sorted());
    let list = catalog.list().unwrap();
    let origin = |id: &PackId| list.iter().find(|listing| listing.id == *id).unwrap().origin;
    assert_eq!(origin(&built_in), Origin::Directory);
    assert_eq!(origin(&id("our-own")), Origin::Directory);
    let policy = compiled(&catalog, built_in.as_str());
    assert_eq!(policy["commands"], serde_json::json!({"block": ["make deploy*"]}));
    assert!(
        catalog.tests(&built_in).unwrap().is_none(),
        "the built-in tests belong to the built-in pack"
    );
}

#[test]
fn a_broken_pack_is_listed_and_in_nobodys_way() {
    let built_in = Catalog::builtin().ids().unwrap().remove(0);
    let (root, catalog) = directory(&[("good", "[]", ""), ("broken", "[]", "commands: {block: }")]);
    write(root.path(), &format!("{built_in}/policy.yaml"), "commands: [");
    write(root.path(), "misnamed/policy.yaml", &pack("other-name", "[]", ""));
    write(root.path(), "No_Id/policy.yaml", &pack("good", "[]", ""));
    write(root.path(), "no-pack/readme.md", "");
    write(root.path(), "loose-file", "");

    compile(&catalog, "good").unwrap();
    assert!(
        refusal(&catalog, built_in.as_str()).contains("not valid YAML"),
        "no way back to the built-in one"
    );
    let list = catalog.list().unwrap();
    let error = |id: &str| {
        list.iter()
            .find(|listing| listing.id.as_str() == id)
            .unwrap()
            .error
            .clone()
    };
    assert_eq!(error("good"), None);
    assert_eq!(error("broken").unwrap(), refusal(&catalog, "broken"));
    assert_eq!(
        error("misnamed").unwrap(),
        "misnamed/policy.yaml:1:16: metadata.id: the pack is called `other-name` but lies in `misnamed`; make them equal"
    );
    assert!(
        !list
            .iter()
            .any(|listing| ["no-pack", "loose-file", "No_Id"].contains(&listing.id.as_str()))
    );
}

#[test]
fn an_unknown_pack_is_an_error_that_proposes_others() {
    let (_root, catalog) = directory(&[("payments-base", "[]", ""), ("payments-edge", "[]", "")]);
    assert_eq!(
        refusal(&catalog, "payments-bas"),
        "no pack is called `payments-bas`; did you mean `payments-base` or `payments-edge`?"
    );
    assert_eq!(
        refusal(&catalog, "zzz"),
        "no pack is called `zzz`; `cavra policy list` names them all"
    );
    assert!(matches!(
        catalog.tests(&id("zzz")),
        Err(PolicyError::UnknownPack { .. })
    ));
}

#[test]
fn only_ids_are_ids() {
    for text in ["a", "0", "base-2", "a-", &"x".repeat(64)] {
        assert_eq!(PackId::new(text).unwrap().as_str(), text);
    }
    assert_eq!(PackId::new(""), Err(PackIdError::Empty));
    assert_eq!(
        PackId::new(&"x".repeat(65)),
        Err(PackIdError::TooLong { length: 65 })
    );
    let hostile = [
        "..", ".", "../up", "a/b", "a\\b", "A", "-a", "a b", " a", "a\n", "a.json", "ä", "a\0", "/etc", "c:",
    ];
    for text in hostile {
        assert_eq!(
            PackId::new(text),
            Err(PackIdError::Malformed {
                text: text.to_owned()
            })
        );
    }
}

#[test]
fn a_policy_directory_must_be_one() {
    let (root, _) = directory(&[]);
    write(root.path(), "file", "");
    for name in ["absent", "file"] {
        let refused = Catalog::open(&root.path().join(name)).unwrap_err();
        assert!(matches!(refused, PolicyError::Unreadable { .. }), "{refused}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_inside_the_directory_is_followed_and_one_that_leaves_it_is_refused() {
    use std::os::unix::fs::symlink;

    let outside = tempfile::TempDir::new().unwrap();
    write(outside.path(), "stolen/policy.yaml", &pack("stolen", "[]", ""));
    write(outside.path(), "policy.yaml", &pack("file-link", "[]", ""));
    let (root, catalog) = directory(&[("good", "[]", "")]);
    symlink(outside.path().join("stolen"), root.path().join("stolen")).unwrap();
    symlink("../../..", root.path().join("climbing")).unwrap();
    fs::create_dir(root.path().join("file-link")).unwrap();
    symlink(
        outside.path().join("policy.yaml"),
        root.path().join("file-link/policy.yaml"),
    )
    .unwrap();
    symlink("good", root.path().join("alias")).unwrap();

    for escaping in ["stolen", "file-link"] {
        let refused = compile(&catalog, escaping).unwrap_err();
        assert!(matches!(refused, PolicyError::Unreadable { .. }), "{refused}");
        let list = catalog.list().unwrap();
        let listed = list
            .iter()
            .find(|listing| listing.id.as_str() == escaping)
            .unwrap();
        assert_eq!(listed.error.as_deref(), Some(refused.to_string().as_str()));
    }
    assert!(compile(&catalog, "climbing").is_err());
    // A link that stays inside is read; the pack there still has its own name.
    assert!(refusal(&catalog, "alias").contains("the pack is called `good` but lies in `alias`"));
    compile(&catalog, "good").unwrap();
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_does_not_bring_back_the_built_in_pack() {
    use std::os::unix::fs::symlink;

    let built_in = Catalog::builtin().ids().unwrap();
    let (root, catalog) = directory(&[("empty-folder/below", "[]", ""), ("good", "[]", "")]);
    symlink("nowhere", root.path().join(built_in[0].as_str())).unwrap();
    fs::create_dir(root.path().join(built_in[1].as_str())).unwrap();
    symlink(
        "nowhere",
        root.path().join(built_in[1].as_str()).join("policy.yaml"),
    )
    .unwrap();
    fs::create_dir(root.path().join(built_in[2].as_str())).unwrap();
    for id in &built_in[..3] {
        let refused = refusal(&catalog, id.as_str());
        assert!(
            refused.starts_with(&format!("cannot read {id}/policy.yaml: ")),
            "{refused}"
        );
        assert!(
            catalog
                .list()
                .unwrap()
                .iter()
                .any(|listing| listing.id == *id && listing.error.is_some())
        );
    }
    compile(&catalog, "good").unwrap();
    assert!(matches!(
        compile(&catalog, "empty-folder"),
        Err(PolicyError::UnknownPack { .. })
    ));
}

#[cfg(unix)]
#[test]
fn a_mounted_directory_of_links_is_read() {
    use std::os::unix::fs::symlink;

    let (root, catalog) = directory(&[]);
    write(
        root.path(),
        "..2026_01_01/example/policy.yaml",
        &pack("example", "[]", ""),
    );
    symlink("..2026_01_01", root.path().join("..data")).unwrap();
    symlink("..data/example", root.path().join("example")).unwrap();
    compile(&catalog, "example").unwrap();
    assert!(catalog.ids().unwrap().contains(&id("example")));
}

#[cfg(unix)]
#[test]
fn a_folder_in_place_of_the_file_is_refused() {
    let (root, catalog) = directory(&[]);
    fs::create_dir_all(root.path().join("odd/policy.yaml")).unwrap();
    assert_eq!(
        refusal(&catalog, "odd"),
        "cannot read odd/policy.yaml: not a regular file"
    );
}

#[test]
fn tests_are_read_from_beside_the_pack() {
    let (root, catalog) = directory(&[("example", "[]", ""), ("untested", "[]", "")]);
    let tests = "tests: [{name: a test, request: {action_type: read_file}, expect: {decision: allow}}]";
    write(root.path(), "example/tests.yaml", tests);
    assert_eq!(catalog.tests(&id("example")).unwrap().unwrap().tests.len(), 1);
    assert!(catalog.tests(&id("untested")).unwrap().is_none());
    write(root.path(), "example/tests.yaml", "tests: none");
    let refused = catalog.tests(&id("example")).unwrap_err().to_string();
    assert!(
        refused.starts_with("example/tests.yaml:1:8: tests: "),
        "{refused}"
    );
}
