//! Passphrases of private keys: from a file, a variable, or whoever sits at the terminal.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::signing::{KeyError, Passphrase};

/// The variable that holds a passphrase.
const VARIABLE: &str = "CAVRA_KEY_PASSPHRASE";
const MAX_BYTES: u64 = 4096;
/// Shorter ones are guessed.
const LEAST_CHARACTERS: usize = 8;

/// Where the passphrase of a private key comes from.
#[derive(Debug, Args)]
pub(super) struct PassphraseArgs {
    /// A file whose first line is the key's passphrase [default: the variable
    /// CAVRA_KEY_PASSPHRASE, or else it is asked for at the terminal]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// The passphrase of a key that there is.
    pub(super) fn read(&self) -> Result<Passphrase, KeyError> {
        match self.given()? {
            Some(passphrase) => Ok(passphrase),
            None => ask("Passphrase of the key: "),
        }
    }

    /// The passphrase of a new key.
    pub(super) fn choose(&self) -> Result<Passphrase, KeyError> {
        let chosen = match self.given()? {
            Some(passphrase) => passphrase,
            None => {
                let chosen = ask("Passphrase of the new key: ")?;
                if !chosen.is(&ask("The same once more: ")?) {
                    return Err(KeyError::NoPassphrase("the two passphrases differ".to_owned()));
                }
                chosen
            }
        };
        if chosen.length() < LEAST_CHARACTERS {
            return Err(KeyError::NoPassphrase(format!(
                "a passphrase must have {LEAST_CHARACTERS} characters at least; --unencrypted makes a key without one"
            )));
        }
        Ok(chosen)
    }

    #[expect(clippy::disallowed_methods, reason = "a secret is no setting, and no flag")]
    fn given(&self) -> Result<Option<Passphrase>, KeyError> {
        if let Some(path) = &self.passphrase_file {
            return first_line(path).map(Some).map_err(|problem| {
                KeyError::NoPassphrase(format!("the passphrase file `{}` {problem}", path.display()))
            });
        }
        match std::env::var(VARIABLE) {
            Ok(text) if !text.is_empty() => Ok(Some(Passphrase::new(text))),
            _ => Ok(None),
        }
    }
}

fn first_line(path: &Path) -> Result<Passphrase, String> {
    let file = File::open(path).map_err(|e| format!("cannot be read: {e}"))?;
    let mut line = String::new();
    BufReader::new(file.take(MAX_BYTES))
        .read_line(&mut line)
        .map_err(|e| format!("cannot be read: {e}"))?;
    match line.trim_end_matches(['\n', '\r']) {
        "" => Err("has no passphrase in its first line".to_owned()),
        text => Ok(Passphrase::new(text)),
    }
}

/// Asks at the terminal, without showing what is typed.
fn ask(prompt: &str) -> Result<Passphrase, KeyError> {
    let none = |_: std::io::Error| {
        KeyError::NoPassphrase(format!(
            "the key is encrypted and there is no terminal to ask at; set {VARIABLE} or --passphrase-file"
        ))
    };
    // A script that has no passphrase is told so, and not kept waiting for somebody.
    if !std::io::stdin().is_terminal() {
        return Err(none(std::io::ErrorKind::NotFound.into()));
    }
    let mut terminal = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(none)?;
    terminal.write_all(prompt.as_bytes()).map_err(none)?;
    let before = tcgetattr(&terminal).map_err(|e| none(e.into()))?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &silent).map_err(|e| none(e.into()))?;
    let mut line = String::new();
    let read = BufReader::new(&terminal).take(MAX_BYTES).read_line(&mut line);
    // Whatever happened, what is typed next is to be seen.
    let _ = tcsetattr(&terminal, OptionalActions::Flush, &before);
    let _ = writeln!(terminal);
    read.map_err(none)?;
    Ok(Passphrase::new(line.trim_end_matches(['\n', '\r'])))
}
