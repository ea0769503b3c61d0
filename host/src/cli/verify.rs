//! `cavra evidence verify` and `public-key`: whether a log is whole, and by whose key.

use std::path::{Path, PathBuf};

use clap::Args;

use super::evidence::{LogArgs, OneLogArgs, read};
use super::settings::{EvidenceDirArgs, EvidenceSource};
use super::{Exit, Failure, fleet, output};
use crate::clock::{Clock, SystemClock};
use crate::evidence::fleet::Store;
use crate::evidence::log::PUBLIC_KEY;
use crate::evidence::note::{Checkpoint, PublicKey};
use crate::evidence::verify::{Verification, verify};
use crate::signing::trust::TrustPolicy;

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The log [default: that of the settings]
    dir: Option<PathBuf>,
    /// An old checkpoint, as `cavra evidence checkpoint` has printed it: the log must still hold what it is about
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The log's public key, kept elsewhere; without it, the one beside the log is used
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// A trust policy: the log's key must be one that it gives the role `evidence-host` now. Only what
    /// is named here is asked, not the setting
    #[arg(long, value_name = "FILE", conflicts_with = "public_key")]
    trust_policy: Option<PathBuf>,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    place: EvidenceDirArgs,
}

#[derive(Debug, Args)]
pub(super) struct PublicKeyArgs {
    /// As PEM, for a trust policy
    #[arg(long)]
    pem: bool,
    #[command(flatten)]
    of: OneLogArgs,
}

impl PublicKeyArgs {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let OneLogArgs { log, place } = &self.of;
        let key: PublicKey = match log.source(place, None)? {
            EvidenceSource::Dir(dir) => read(&dir.join(PUBLIC_KEY))?,
            EvidenceSource::Store(at) => {
                let key = fleet::one(&mut Store::open(&at)?, log)?.public_key;
                key.parse()
                    .map_err(|e| Failure::Internal(format!("`{key}`: {e}")))?
            }
        };
        if self.pem {
            let key = crate::signing::PublicKey::ed25519(key.bytes());
            let pem = key.and_then(|key| key.to_pem());
            output::text(pem.map_err(|e| Failure::Internal(e.to_string()))?.trim_end())?;
        } else {
            output::text(&key.to_string())?;
        }
        Ok(Exit::Done)
    }
}

impl VerifyArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let source = self.log.source(&self.place, self.dir)?;
        let key = self.public_key.as_deref().map(read::<PublicKey>).transpose()?;
        let old = self.checkpoint.as_deref().map(read::<Checkpoint>).transpose()?;
        let found = match source {
            EvidenceSource::Dir(dir) => {
                let trusted = self.trust_policy.as_deref().map(|path| trusted(path, &dir));
                let key = trusted.transpose()?.or(key);
                verify(&dir, key.as_ref(), old.as_ref())?
            }
            EvidenceSource::Store(_) if self.trust_policy.is_some() => {
                return Err(Failure::Input(
                    "--trust-policy is about the log of a directory; of a store, give --log and --public-key"
                        .to_owned(),
                ));
            }
            EvidenceSource::Store(at) => {
                let log = self.log.log.as_deref();
                let found = Store::open(&at)?.verify(log, key.as_ref(), old.as_ref())?;
                return fleet::verified(&found, self.json);
            }
        };
        if self.json {
            output::json(&found)?;
        } else {
            show(&found)?;
        }
        Ok(if found.verified { Exit::Done } else { Exit::Failure })
    }
}

/// The key beside the log in `dir`, if the trust policy gives it the role.
fn trusted(policy: &Path, dir: &Path) -> Result<PublicKey, Failure> {
    let told = |faults| {
        Failure::Input(format!(
            "the trust policy `{}` cannot be used:\n{faults}",
            policy.display()
        ))
    };
    let policy = TrustPolicy::read(policy).map_err(told)?;
    let beside: PublicKey = read(&dir.join(PUBLIC_KEY))?;
    let key = crate::signing::PublicKey::ed25519(beside.bytes());
    let key = key.map_err(|e| Failure::Internal(e.to_string()))?;
    policy.evidence_host(&key, SystemClock.now()).map_err(|refusal| {
        Failure::Internal(format!(
            "the log in `{}` is not trusted: {refusal}",
            dir.display()
        ))
    })?;
    Ok(beside)
}

/// Prints what was found, for people.
pub(super) fn show(found: &Verification) -> Result<(), Failure> {
    let mut table = output::table(&[]);
    let word = if found.verified {
        "verified"
    } else {
        "not verified"
    };
    table.add_row(vec!["log".into(), output::mark(word, found.verified)]);
    let mut row = |name: &str, value: String| {
        table.add_row(vec![name.to_owned(), value]);
    };
    row("entries", found.entries.to_string());
    row("evaluations", found.evaluations.to_string());
    row(
        "checkpoints",
        format!(
            "{}, and {} entries after the last",
            found.checkpoints, found.unsigned
        ),
    );
    row("root", found.root.clone());
    let told = if found.key_was_given {
        "given"
    } else {
        "found beside the log"
    };
    if let Some(key) = &found.public_key {
        row("key", format!("{key} ({told})"));
    }
    for (name, count, what) in [
        ("pruned", found.pruned, "entries are left as hashes"),
        ("gaps", found.gaps, "evaluations were answered without a record"),
        (
            "recovered",
            found.recovered,
            "times part of a line was set aside after a crash",
        ),
        ("sealed", found.sealed, "masked records are in the sealed store"),
        ("torn", found.torn_bytes, "bytes at the end are part of a line"),
    ] {
        if count > 0 {
            row(name, format!("{count} {what}"));
        }
    }
    output::text(&table.to_string())?;
    if found.faults.is_empty() {
        return Ok(());
    }
    let mut table = output::table(&["fault", "place", "entry", "what"]);
    for fault in &found.faults {
        table.add_row(vec![
            fault.kind.as_str().to_owned(),
            fault.place.clone(),
            fault.sequence.map(|it| it.to_string()).unwrap_or_default(),
            output::short(&fault.message, 200),
        ]);
    }
    output::text(&table.to_string())
}
