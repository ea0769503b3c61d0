//! The closed lists of what can be wrong in a file, and of what is probably not meant.

use super::error::quoted;
use super::{MAX_INHERITANCE_DEPTH, MAX_MERGED_PACKS, PackId, PackIdError};

/// What is wrong at a place.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The file is not UTF-8.
    #[error("not UTF-8 (first bad byte at offset {offset}); save the file as UTF-8")]
    NotUtf8 {
        /// Where the first invalid sequence begins, in bytes.
        offset: usize,
    },
    /// The file is not the YAML or JSON that is read here.
    #[error("not valid {format}: {message}")]
    Syntax {
        /// `YAML` or `JSON`.
        format: &'static str,
        /// What the parser said.
        message: String,
    },
    /// The file says nothing.
    #[error("the file is empty")]
    EmptyDocument,
    /// More nesting, values, aliases or text than is read.
    #[error("more than {most} {what}; split the file or make it simpler")]
    Limit {
        /// The limit.
        most: usize,
        /// What is counted.
        what: &'static str,
    },
    /// A key stands twice in one object.
    #[error("the key {} is given twice; remove one", quoted(.key))]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A value of the wrong kind.
    #[error("must be {expected}, not {found}{}", and_hint(.hint))]
    WrongKind {
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
        /// What to do, where it is not obvious.
        hint: Option<&'static str>,
    },
    /// Nothing where a value belongs.
    #[error("has no value; write {instead}, or remove the entry")]
    Null {
        /// What could stand there.
        instead: &'static str,
    },
    /// A required key is absent.
    #[error("the key `{key}` is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A key that has no meaning here.
    #[error("unknown key; the keys here are {}", listed(.known))]
    UnknownKey {
        /// The keys that have a meaning here.
        known: Vec<&'static str>,
    },
    /// A word that is not one of a closed list.
    #[error("unknown word {}; write one of {}", quoted(.word), listed(.known))]
    UnknownWord {
        /// The word.
        word: String,
        /// The words that are known.
        known: Vec<&'static str>,
    },
    /// A text with nothing in it, after trimming where the key is trimmed.
    #[error("{what} is empty; write one or remove the entry")]
    Empty {
        /// What is empty: `the pattern`, `the text`.
        what: &'static str,
    },
    /// A pack id that is none.
    #[error(transparent)]
    BadId(#[from] PackIdError),
    /// The pack's id is not the name that the folder or file has.
    #[error("the pack is called {} but lies in `{name}`; make them equal", quoted(.id))]
    OtherName {
        /// What the file says.
        id: String,
        /// The folder or file.
        name: String,
    },
    /// A parent that no pack is.
    #[error("no pack is called `{id}`; {}", near_ids(.near))]
    UnknownParent {
        /// The parent.
        id: PackId,
        /// Ids that look like it.
        near: Vec<PackId>,
    },
    /// A pack inherits from itself, by itself or through others.
    #[error("the packs inherit in a circle: {}; remove one `inherits`", circle(.chain))]
    Cycle {
        /// From the pack to itself.
        chain: Vec<PackId>,
    },
    /// Too long a line of ancestors.
    #[error("more than {MAX_INHERITANCE_DEPTH} packs stand above one another; flatten the inheritance")]
    TooDeep,
    /// Too many ancestors.
    #[error("more than {MAX_MERGED_PACKS} packs are merged; flatten the inheritance")]
    TooManyAncestors,
    /// A parent is named twice.
    #[error("the parent `{id}` is named twice; remove one")]
    RepeatedParent {
        /// The parent.
        id: PackId,
    },
    /// Something over something else that it cannot be merged with.
    #[error(
        "is {found} here and {inherited} in {other}; the two cannot be merged, so make them the same kind"
    )]
    KindConflict {
        /// What is in this file.
        found: &'static str,
        /// What is in the other one.
        inherited: &'static str,
        /// The file that is overlaid.
        other: String,
    },
    /// An overlay that names parents.
    #[error("an overlay has no parents; inherit in a pack instead")]
    OverlayInherits,
    /// A number that JSON readers do not agree on.
    #[error("the number is beyond ±9007199254740991 and not exact in JSON; write it as a string")]
    InexactNumber,
    /// A compiled policy of another format.
    #[error("the schema {} is not read here; compile the pack again for `{wanted}`", quoted(.found))]
    OtherSchema {
        /// What the file says.
        found: String,
        /// What is read.
        wanted: &'static str,
    },
    /// A sealed policy was changed after it was compiled.
    #[error("the digest does not match the policy, which has {actual}; compile the pack again")]
    DigestMismatch {
        /// The digest of what is there.
        actual: String,
    },
    /// A digest in a policy that does not say what it covers.
    #[error("a digest without `schema_version` covers nothing known; compile the pack again")]
    DigestWithoutSchema,
    /// A pattern of a sealed policy that the compiler would have trimmed.
    #[error(
        "the pattern begins or ends with blanks, which a compiled policy never has; compile the pack again"
    )]
    NotTrimmed,
    /// A record that can never be the record of a server.
    #[error("the record names no server; give it a `server_id` or a `name`")]
    NamelessRecord,
    /// A test that says for which pack it is.
    #[error("a test is always of the pack that it lies beside; remove `policy_pack`")]
    TestNamesPack,
    /// Two tests of one name.
    #[error("another test has the name {}; give each its own", quoted(.name))]
    RepeatedTest {
        /// The name.
        name: String,
    },
    /// The file cannot be read at all.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// A folder that was to hold packs holds none.
    #[error("no `<pack id>/policy.yaml` in this folder")]
    NoPack,
}

/// What is accepted and probably not meant.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Advice {
    /// A key that no evaluator looks at.
    #[error("carried into the compiled policy, and not evaluated: it decides nothing")]
    NotEvaluated,
    /// A pattern with blanks at its ends.
    #[error("the pattern begins or ends with blanks, which are removed")]
    Trimmed,
    /// A server name with blanks at its ends; names are compared exactly.
    #[error("the name begins or ends with blanks, and names are compared exactly")]
    BlankEnds,
    /// An entry that stands in the same list already.
    #[error("repeats {}, and is dropped", quoted(.entry))]
    Repeated {
        /// The entry.
        entry: String,
    },
    /// An entry that never decides, because a stricter list holds the same one.
    #[error("never takes effect: {by} holds {} too", quoted(.entry))]
    Shadowed {
        /// The entry.
        entry: String,
        /// The list that is looked at first.
        by: &'static str,
    },
}

/// What to do about an id that no pack has.
pub(super) fn near_ids(near: &[PackId]) -> String {
    if near.is_empty() {
        return "`cavra policy list` names them all".to_owned();
    }
    let names: Vec<String> = near.iter().map(|id| format!("`{id}`")).collect();
    format!("did you mean {}?", names.join(" or "))
}

fn and_hint(hint: &Option<&'static str>) -> String {
    hint.map(|hint| format!("; {hint}")).unwrap_or_default()
}

fn listed(words: &[&'static str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

fn circle(ids: &[PackId]) -> String {
    let names: Vec<&str> = ids.iter().map(PackId::as_str).collect();
    names.join(" → ")
}
