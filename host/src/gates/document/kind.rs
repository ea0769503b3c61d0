//! The nine kinds of documents, and what they are called where.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::config::{Config, Setting};

macro_rules! kinds {
    ($($variant:ident $name:literal $file:literal $setting:ident $meaning:literal;)*) => {
        /// One of the nine documents.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum DocumentKind {
            $(#[doc = $meaning] $variant,)*
        }

        impl DocumentKind {
            /// Every kind, in the order of the specification.
            pub const ALL: [Self; 9] = [$(Self::$variant,)*];

            /// Its name on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The name of its file: in the package directory for the four deployment
            /// documents, and where a set-up is scaffolded for all.
            pub const fn file(self) -> &'static str {
                match self { $(Self::$variant => $file,)* }
            }

            /// The setting that names its path.
            pub const fn setting(self) -> Setting {
                match self { $(Self::$variant => Setting::$setting,)* }
            }

            /// What it is, for people.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

kinds! {
    EndpointDeployment "endpoint-deployment" "cavra-runtime.endpoint-deployment.json" EndpointDeployment
        "the endpoint deployment";
    CiRunnerBundles "ci-runner-bundles" "cavra-runtime.ci-runner-bundles.json" CiRunnerBundles
        "the CI runner bundles";
    WorkstationChannels "channels" "cavra-runtime.channels.json" WorkstationChannels
        "the workstation channels";
    UpdaterPolicy "updater-policy" "cavra-runtime.updater-policy.json" WorkstationUpdaterPolicy
        "the updater policy";
    PromotionEvidence "promotion-evidence" "promotion-evidence.json" PromotionEvidence
        "the promotion evidence";
    RollbackPlan "rollback-plan" "rollback-plan.json" RollbackPlan
        "the rollback plan";
    RollbackRehearsal "rollback-rehearsal" "rollback-rehearsal.json" RollbackRehearsal
        "the rollback rehearsal";
    DrillHistory "rollback-drill-history" "rollback-drill-history.json" RollbackDrillHistory
        "the drill history";
    DrillSchedule "rollback-drill-schedule" "rollback-drill-schedule.json" RollbackDrillSchedule
        "the drill schedule";
}

/// A name that no document has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no document `{name}`; the documents are {}", DocumentKind::names())]
pub struct UnknownDocument {
    /// The name that was given.
    pub name: String,
}

impl DocumentKind {
    /// Whether it is one of the four deployment documents, which lie in the package directory.
    pub fn in_package(self) -> bool {
        matches!(
            self,
            Self::EndpointDeployment
                | Self::CiRunnerBundles
                | Self::WorkstationChannels
                | Self::UpdaterPolicy
        )
    }

    /// Where the settings say it is; none: nowhere.
    pub fn path(self, config: &Config) -> Option<PathBuf> {
        let explicit = config.documents.get(&self.setting()).cloned();
        explicit.or_else(|| {
            let package = config.documents.get(&Setting::PackageDir);
            package
                .filter(|_| self.in_package())
                .map(|dir| dir.join(self.file()))
        })
    }

    fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DocumentKind {
    type Err = UnknownDocument;

    fn from_str(name: &str) -> Result<Self, UnknownDocument> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| UnknownDocument {
            name: name.to_owned(),
        })
    }
}
