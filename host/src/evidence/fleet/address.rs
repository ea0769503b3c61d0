//! Where the store is, and how its password stays a secret.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::FleetError;

/// A text that is no address of a store. It never holds a part of the text: that may
/// be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It begins otherwise.
    #[error("it must be postgres://user@host:port/database")]
    Scheme,
    /// Something of a password stands where it is shown.
    #[error("a password's characters such as / ? # @ must be written as %2F %3F %23 %40")]
    Unescaped,
    /// A parameter that nobody knows.
    #[error("it has a parameter that is none of: {}", PARAMETERS.join(", "))]
    Parameter,
    /// Something else of it cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

/// What may stand after the `?`.
const PARAMETERS: [&str; 8] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "application_name",
    "options",
    "dbname",
];

/// The address of a store. Shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreAddress {
    text: String,
}

/// An address and, if it is not in the address, the file with the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Where.
    pub address: StoreAddress,
    /// The file with the password, which is read for every connection.
    pub password_file: Option<PathBuf>,
}

impl StoreAddress {
    /// The parameters; of a text that was accepted.
    fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let query = self.text.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').filter(|it| !it.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    /// The password, if it is in the address.
    fn password(&self) -> Option<&str> {
        let (_, rest) = self.text.split_once("://")?;
        let (user, _) = rest.split_once('@')?;
        user.split_once(':').map(|(_, password)| password)
    }

    fn read(&self) -> Result<PgConnectOptions, AddressError> {
        let options = PgConnectOptions::from_str(&self.text);
        let mut options = options.map_err(|error| AddressError::Unreadable(error.to_string()))?;
        // Whoever did not say otherwise does not send evidence, nor a password, in the clear.
        let told = self.parameters().any(|(name, _)| name == "sslmode");
        if !told && !is_local(&options) {
            options = options.ssl_mode(PgSslMode::VerifyFull);
        }
        Ok(options.disable_statement_logging())
    }
}

/// Whether what is sent stays on this machine.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let ip = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || ip.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

impl FromStr for StoreAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        if scheme != "postgres" && scheme != "postgresql" {
            return Err(AddressError::Scheme);
        }
        let after = rest.find(['/', '?', '#']).and_then(|end| rest.get(end..));
        if after.is_some_and(|it| it.contains(['@', '#'])) || rest.matches('@').count() > 1 {
            return Err(AddressError::Unescaped);
        }
        let address = Self {
            text: text.to_owned(),
        };
        if address.parameters().any(|(name, _)| !PARAMETERS.contains(&name)) {
            return Err(AddressError::Parameter);
        }
        address.read()?;
        Ok(address)
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(options) = self.read() else {
            return f.write_str("postgres://…");
        };
        let user = options.get_username();
        let database = options.get_database().unwrap_or(user);
        match options.get_socket() {
            Some(socket) => write!(f, "postgres://{user}@{}/{database}", socket.display()),
            None => {
                let (host, port) = (options.get_host(), options.get_port());
                write!(f, "postgres://{user}@{host}:{port}/{database}")
            }
        }
    }
}

impl fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreAddress({self})")
    }
}

impl Credentials {
    /// How a connection is made, by what is in the files now.
    pub(super) fn options(&self) -> Result<PgConnectOptions, FleetError> {
        let options = self
            .address
            .read()
            .map_err(|error| self.refused(&error.to_string()))?;
        Ok(match self.password_of_file()? {
            Some(password) => options.password(&password),
            None => options,
        })
    }

    fn password_of_file(&self) -> Result<Option<String>, FleetError> {
        let Some(path) = &self.password_file else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).map_err(|error| FleetError::Password {
            path: path.display().to_string(),
            error,
        })?;
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// What the store said, as an error.
    pub(super) fn told(&self, error: &sqlx::Error) -> FleetError {
        let problem = match error {
            sqlx::Error::Database(error) => error.message().to_owned(),
            other => other.to_string(),
        };
        self.refused(&problem)
    }

    /// An error without the password, whoever has put it there.
    pub(super) fn refused(&self, problem: &str) -> FleetError {
        FleetError::Store {
            store: self.address.to_string(),
            problem: self.without_password(problem),
        }
    }

    pub(super) fn without_password(&self, text: &str) -> String {
        let of_file = self.password_of_file().ok().flatten();
        let secrets = [self.address.password(), of_file.as_deref()];
        let secrets = secrets.into_iter().flatten().filter(|it| it.len() > 3);
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "[hidden]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<StoreAddress, AddressError> {
        text.parse()
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        for text in [
            "postgres://writer:planted-secret@db.example:5433/evidence",
            "postgresql://writer:planted-secret@db.example:5433/evidence?sslmode=require",
        ] {
            let address = read(text).unwrap();
            assert_eq!(address.to_string(), "postgres://writer@db.example:5433/evidence");
            assert!(!format!("{address:?}").contains("planted"));
        }
    }

    #[test]
    fn what_is_refused_is_not_repeated() {
        for text in [
            "mysql://writer:planted@db/evidence",
            "writer:planted@db/evidence",
            "postgres://writer:plan/ted@db/evidence",
            "postgres://writer:12/planted@db/evidence",
            "postgres://writer:12#planted@db/evidence",
            "postgres://writer:12?planted@db/evidence",
            "postgres://writer:planted@x@db/evidence",
            "postgres://writer@db/evidence?password=planted",
            "postgres://writer@db/evidence?planted",
            "postgres://writer:planted@db:port/evidence",
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(
                !error.contains("planted") && !error.contains("ted@"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn beyond_this_machine_the_server_must_prove_itself() {
        let mode = |text: &str| format!("{:?}", read(text).unwrap().read().unwrap().get_ssl_mode());
        assert_eq!(mode("postgres://w@db.example/e"), "VerifyFull");
        assert_eq!(mode("postgres://w@192.0.2.7/e"), "VerifyFull");
        assert_eq!(mode("postgres://w@db.example/e?sslmode=disable"), "Disable");
        for local in ["127.0.0.1", "localhost", "[::1]"] {
            assert_ne!(mode(&format!("postgres://w@{local}/e")), "VerifyFull", "{local}");
        }
    }
}
