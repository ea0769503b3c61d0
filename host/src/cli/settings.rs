//! The settings as flags: made from the one table in `config`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::Failure;
use crate::access::TokenFile;
use crate::config::{Config, Environment, EvidenceConfig, OneVariable, Setting};
use crate::evidence::fleet::Credentials;
use crate::policy::Catalog;

/// A flag for every setting.
#[derive(Clone, Debug, Default)]
pub(super) struct SettingsArgs(pub(super) BTreeMap<Setting, String>);

impl SettingsArgs {
    /// Reads the settings: these flags over the environment.
    pub(super) fn config(&self) -> Result<Config, Failure> {
        Ok(Config::read(&self.0, &Environment)?)
    }

    /// Reads one setting and takes the defaults of all others.
    pub(super) fn only(&self, setting: Setting) -> Result<Config, Failure> {
        let mut flags = self.0.clone();
        flags.retain(|it, _| *it == setting);
        Ok(Config::read(&flags, &OneVariable(setting))?)
    }
}

impl Args for SettingsArgs {
    /// Made when the command is the one that is called: flags of all commands would
    /// take longer than many a command.
    fn augment_args(command: Command) -> Command {
        command.defer(|command| flags(command, |setting| !setting.is_of_service()))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingsArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in Setting::ALL {
            // A command that has no such flag was not given it.
            if let Ok(Some(value)) = matches.try_get_one::<String>(setting.flag()) {
                self.0.insert(*setting, value.clone());
            }
        }
        Ok(())
    }
}

/// [`SettingsArgs`] and the flags that only the service has.
#[derive(Clone, Debug, Default)]
pub(super) struct ServiceArgs(pub(super) SettingsArgs);

impl Args for ServiceArgs {
    fn augment_args(command: Command) -> Command {
        command.defer(|command| {
            let command = flags(command, |setting| !setting.is_of_service());
            flags(command, Setting::is_of_service)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServiceArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(SettingsArgs::from_arg_matches(matches)?))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

fn flags(command: Command, which: fn(Setting) -> bool) -> Command {
    let settings = Setting::ALL.iter().copied();
    command.args(settings.filter(|setting| which(*setting)).map(flag))
}

fn flag(setting: Setting) -> Arg {
    let default = match setting.default() {
        "" => String::new(),
        default => format!(", default: {default}"),
    };
    let arg = Arg::new(setting.flag());
    let arg = if setting.is_switch() {
        arg.num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
    } else {
        arg
    };
    arg.long(setting.flag())
        .value_name(setting.value_name())
        .help(format!("{} [env: {}{default}]", setting.help(), setting.env()))
        .help_heading("Settings")
        .hide_short_help(!matches!(
            setting,
            Setting::Mode
                | Setting::RuntimePath
                | Setting::PolicyPath
                | Setting::RegistryPath
                | Setting::PolicyDir
                | Setting::TrustPolicy
                | Setting::TimeoutSeconds
                | Setting::EvidenceDir
                | Setting::Addr
                | Setting::Tokens
                | Setting::TlsCert
                | Setting::TlsKey
        ))
        // So that `--evaluate-fuel -1` is told with all other faults.
        .allow_negative_numbers(true)
        // An empty value stands for the default, so it is not refused here.
        .value_parser(clap::builder::ValueParser::string())
}

/// The one setting that commands about packs use.
#[derive(Clone, Debug, Default)]
pub(super) struct PolicyDirArgs(SettingsArgs);

impl PolicyDirArgs {
    /// The packs: the built-in ones and those of the directory.
    pub(super) fn catalog(&self) -> Result<Catalog, Failure> {
        Ok(match self.0.config()?.policy_dir {
            Some(dir) => Catalog::open(&dir)?,
            None => Catalog::builtin(),
        })
    }
}

impl Args for PolicyDirArgs {
    fn augment_args(command: Command) -> Command {
        command.arg(flag(Setting::PolicyDir))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PolicyDirArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        if let Some(dir) = matches.get_one::<String>(Setting::PolicyDir.flag()) {
            self.0.0.insert(Setting::PolicyDir, dir.clone());
        }
        Ok(())
    }
}

/// The one setting that commands about tokens use.
#[derive(Clone, Debug, Default)]
pub(super) struct TokensArgs(SettingsArgs);

impl TokensArgs {
    /// The token file.
    pub(super) fn file(&self) -> Result<TokenFile, Failure> {
        match self.0.only(Setting::Tokens)?.service.tokens {
            Some(path) => Ok(TokenFile::new(path)),
            None => Err(Failure::Input(format!("which file? set {}", Setting::Tokens))),
        }
    }
}

impl Args for TokensArgs {
    fn augment_args(command: Command) -> Command {
        command.arg(flag(Setting::Tokens))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The settings that commands about the evidence log use.
#[derive(Clone, Debug, Default)]
pub(super) struct EvidenceDirArgs(SettingsArgs);

const EVIDENCE: [Setting; 3] = [
    Setting::EvidenceDir,
    Setting::EvidenceStore,
    Setting::EvidenceStorePasswordFile,
];

/// Where evidence is read from.
#[derive(Clone, Debug)]
pub(super) enum EvidenceSource {
    /// One log's files.
    Dir(PathBuf),
    /// The store of a fleet.
    Store(Credentials),
}

impl EvidenceDirArgs {
    /// Where to read: what is given on the command line, else the directory of the
    /// environment, else its store.
    pub(super) fn source(&self, given: Option<PathBuf>) -> Result<EvidenceSource, Failure> {
        let flag = |setting| self.0.0.get(&setting).is_some_and(|it| !it.trim().is_empty());
        let (dir, store) = (flag(Setting::EvidenceDir), flag(Setting::EvidenceStore));
        if store && (dir || given.is_some()) {
            return Err(Failure::Input(
                "evidence is read from a directory or from --evidence-store, not from both".to_owned(),
            ));
        }
        let config = self.0.config()?;
        match (given, config.evidence, config.evidence_store) {
            (Some(given), _, _) => Ok(EvidenceSource::Dir(given)),
            (None, Some(evidence), _) if !store => Ok(EvidenceSource::Dir(evidence.dir)),
            (None, _, Some(store)) => Ok(EvidenceSource::Store(store)),
            _ => Err(Failure::Input(format!(
                "no evidence log is named; set {}, or {} for that of a fleet",
                Setting::EvidenceDir,
                Setting::EvidenceStore
            ))),
        }
    }

    /// The store.
    pub(super) fn store(&self) -> Result<Credentials, Failure> {
        let store = self.0.config()?.evidence_store;
        store.ok_or_else(|| {
            Failure::Input(format!(
                "no evidence store is named; set {}",
                Setting::EvidenceStore
            ))
        })
    }

    /// How the log in `dir` is kept, if it is the settings'.
    pub(super) fn own(&self, dir: &Path) -> Result<Option<EvidenceConfig>, Failure> {
        Ok(self.0.config()?.evidence.filter(|it| it.dir == dir))
    }

    /// The log: the one that is given, else that of the settings.
    pub(super) fn dir(&self, given: Option<PathBuf>) -> Result<PathBuf, Failure> {
        if let Some(dir) = given {
            return Ok(dir);
        }
        let evidence = self.0.config()?.evidence;
        evidence
            .map(|evidence| evidence.dir)
            .ok_or_else(|| Failure::Input(format!("no evidence log is named; set {}", Setting::EvidenceDir)))
    }
}

impl Args for EvidenceDirArgs {
    fn augment_args(command: Command) -> Command {
        EVIDENCE
            .iter()
            .fold(command, |command, it| command.arg(flag(*it)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TokensArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(SettingsArgs::from_arg_matches(matches)?))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl FromArgMatches for EvidenceDirArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in EVIDENCE {
            if let Some(value) = matches.get_one::<String>(setting.flag()) {
                self.0.0.insert(setting, value.clone());
            }
        }
        Ok(())
    }
}
