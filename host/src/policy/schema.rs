//! The keys of a pack, each once: the table that packs are checked against.
//!
//! Implements *Packs* in the decision semantics.

/// What stands behind a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `true` or `false`.
    Flag,
    /// A list of patterns: trimmed, never empty.
    Patterns,
    /// A list of names: compared exactly, so never trimmed.
    Names,
    /// Anything but null.
    Carried,
}

/// A key of a section.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether an evaluator looks at it.
    pub(super) evaluated: bool,
}

/// An object at the top of a pack.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) keys: &'static [Key],
    /// Whether keys that the table does not name are carried; otherwise they are faults.
    pub(super) open: bool,
}

/// The section that names the pack. Its `id` and `inherits` are read apart.
pub(super) const METADATA: &str = "metadata";
pub(super) const ID: &str = "id";
pub(super) const INHERITS: &str = "inherits";
/// The keys of `metadata`, in the order in which an error lists them.
pub(super) const METADATA_KEYS: [&str; 6] = [ID, "title", "version", "description", INHERITS, "mode"];
/// The texts of `metadata`, and whether a pack must have them.
pub(super) const METADATA_TEXTS: [(&str, bool); 4] = [
    ("title", true),
    ("version", true),
    ("description", false),
    ("mode", false),
];

/// The sections that hold rules.
pub(super) const SECTIONS: [Section; 4] = [
    Section {
        name: "filesystem",
        keys: &[
            patterns("block_read"),
            patterns("block_write"),
            patterns("require_approval_write"),
        ],
        open: false,
    },
    Section {
        name: "commands",
        keys: &[patterns("block"), patterns("require_approval"), patterns("allow")],
        open: false,
    },
    Section {
        name: "git",
        keys: &[patterns("protected_branches")],
        open: true,
    },
    Section {
        name: "mcp",
        keys: &[
            key("allowed_servers", Kind::Names, true),
            key("blocked_servers", Kind::Names, true),
            key("block_unknown_servers", Kind::Flag, true),
            key("allowlist_enabled", Kind::Flag, false),
            key("risk_scoring", Kind::Carried, false),
        ],
        open: false,
    },
];

/// The sections that are carried whole and never evaluated.
pub(super) const CARRIED: [&str; 3] = ["approvals", "evidence", "compliance"];

/// Lists of which the second is looked at first, so that an entry of both never
/// takes effect in the first; and whether ASCII case matters there.
pub(super) const SHADOWS: [(&str, &str, Case); 5] = [
    (
        "filesystem.require_approval_write",
        "filesystem.block_write",
        Case::Ignored,
    ),
    ("commands.require_approval", "commands.block", Case::Ignored),
    ("commands.allow", "commands.block", Case::Ignored),
    ("commands.allow", "commands.require_approval", Case::Ignored),
    ("mcp.allowed_servers", "mcp.blocked_servers", Case::Matters),
];

/// Whether `A` and `a` are the same in the stricter list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Matters,
    Ignored,
}

impl Section {
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }
}

/// Every key that may stand at the top of a pack.
pub(super) fn top_keys() -> Vec<&'static str> {
    let sections = SECTIONS.iter().map(|section| section.name);
    std::iter::once(METADATA).chain(sections).chain(CARRIED).collect()
}

const fn patterns(name: &'static str) -> Key {
    key(name, Kind::Patterns, true)
}

const fn key(name: &'static str, kind: Kind, evaluated: bool) -> Key {
    Key {
        name,
        kind,
        evaluated,
    }
}
