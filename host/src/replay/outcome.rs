//! What became of a record that was replayed.

use std::fmt;

use serde::Serialize;

use super::Departure;

/// A record that was replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// The evaluation.
    pub evaluation_id: String,
    /// What became of it.
    #[serde(flatten)]
    pub finding: Finding,
    /// Whether the fuel was compared.
    pub fuel: Fuel,
    /// What was taken from the record because nothing gives it again, such as how long
    /// something took; empty where everything was made again.
    pub taken: Vec<Taken>,
}

/// What a replay shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Finding {
    /// Everything is the same, byte for byte.
    Identical,
    /// Something is not.
    Differs {
        /// Each field, and from which byte on.
        fields: Vec<Departure>,
    },
    /// The record cannot be replayed.
    Cannot {
        /// Everything that is missing.
        missing: Vec<Missing>,
    },
}

impl Finding {
    /// The word in every document.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Differs { .. } => "differs",
            Self::Cannot { .. } => "cannot",
        }
    }
}

/// Whether fuel was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fuel {
    /// It was, with everything else.
    Compared,
    /// It was recorded by a host with another engine, where the same takes another amount.
    NotComparable,
    /// None was recorded, or nothing was run.
    None,
}

macro_rules! obstacles {
    ($($variant:ident $word:literal $meaning:literal,)*) => {
        /// Why a record cannot be replayed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Obstacle {
            $(#[doc = $meaning] $variant,)*
        }

        impl Obstacle {
            /// Every obstacle with its word and meaning, in the order of the documentation.
            pub const TABLE: &[(Self, &str, &str)] = &[$((Self::$variant, $word, $meaning),)*];

            /// The word in every document.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

obstacles! {
    Masked "masked" "The request was masked, so that the record does not hold what was judged.",
    NoRequest "no_request" "Masking failed, and the record holds no request.",
    ReferenceModule "reference_module" "No module has the reference's digest.",
    FastpathModule "fastpath_module" "No module has the fast path's digest.",
    ReferencePolicy "reference_policy" "No compiled policy has the digest of the reference's policy.",
    FastpathPolicy "fastpath_policy" "No compiled policy has the digest of the fast path's policy.",
    Registry "registry" "No trust registry has the recorded digest.",
    Native "native" "The fast path was a native binary, whose decisions no sandbox makes repeatable.",
    Limits "limits" "The record's limit of memory is above that of this replay.",
    Unusable "unusable" "A module cannot be loaded by this host.",
    Malformed "malformed" "The record is none that a host has written.",
}

/// One thing that is missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Missing {
    /// What.
    pub obstacle: Obstacle,
    /// Which, and what to do about it.
    pub detail: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.obstacle.as_str(), self.detail)
    }
}

/// Something that is taken from the record as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// Where the gates stood: on documents and readiness at the time.
    Gates,
    /// That the reference was not there or passed its deadline.
    ReferenceFault,
    /// That the fast path was not there or passed its deadline.
    FastpathFault,
}

/// How many records became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// All.
    pub records: u64,
    /// Those that are the same, byte for byte.
    pub identical: u64,
    /// Those that are not.
    pub differs: u64,
    /// Those that cannot be replayed.
    pub cannot: u64,
    /// Those whose fuel was compared, with everything else.
    pub fuel_compared: u64,
    /// Those whose fuel another engine has counted.
    pub fuel_not_comparable: u64,
}

impl Totals {
    /// Counts one more.
    pub fn add(&mut self, it: &Replayed) {
        let count = |total: &mut u64| *total = total.saturating_add(1);
        count(&mut self.records);
        count(match it.finding {
            Finding::Identical => &mut self.identical,
            Finding::Differs { .. } => &mut self.differs,
            Finding::Cannot { .. } => &mut self.cannot,
        });
        match it.fuel {
            Fuel::Compared => count(&mut self.fuel_compared),
            Fuel::NotComparable => count(&mut self.fuel_not_comparable),
            Fuel::None => {}
        }
    }

    /// Whether the records are proven: there are some that could be replayed, and none differs.
    pub fn proven(&self) -> bool {
        self.differs == 0 && (self.identical > 0 || self.records == 0)
    }
}
