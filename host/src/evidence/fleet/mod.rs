//! The evidence of many hosts in one PostgreSQL: every log as it is, entry by entry and
//! checkpoint by checkpoint, sent from the files that the host writes anyway.
//!
//! The files are the buffer and the database's last entry is the place to go on from:
//! there is no third thing that could disagree with the two.

mod address;
mod columns;
mod local;
mod prove;
mod read;
mod schema;
mod ship;
mod shipper;
mod stats;
mod verify;

pub use address::{AddressError, Credentials, StoreAddress};
pub use read::{Found, Hosted, Store};
pub use ship::{Shipment, Shipped};
pub use shipper::{ShipState, Shipper};
pub use verify::{FleetVerification, LogVerification};

use super::EvidenceError;

/// What can go wrong between a log and the fleet's store.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The database cannot be reached, or refuses.
    #[error("the evidence store {store}: {problem}")]
    Store {
        /// Where, without a password.
        store: String,
        /// What it said.
        problem: String,
    },
    /// The database does not answer.
    #[error("the evidence store {store} has not answered for {seconds} seconds")]
    Silent {
        /// Where, without a password.
        store: String,
        /// For how long.
        seconds: u64,
    },
    /// The password cannot be read.
    #[error("the password of the evidence store: `{path}`: {error}")]
    Password {
        /// The file.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
    /// The tables are missing and may not be made.
    #[error(
        "the evidence store {store} has not the tables of this version, and they cannot be made: {problem}; \
         somebody who may must run `cavra evidence migrate`"
    )]
    Schema {
        /// Where.
        store: String,
        /// Why not.
        problem: String,
    },
    /// The store and the files tell different stories of one log.
    #[error(
        "the log {origin} is forked: {problem}; nothing of it is sent any more. Find out which of the two was \
         changed; a host goes on in another directory"
    )]
    Forked {
        /// The log's name.
        origin: String,
        /// In what they differ.
        problem: String,
    },
    /// The files are not what they must be.
    #[error(
        "the log {origin} is damaged: {problem}; nothing of it is sent. `cavra evidence verify` tells more"
    )]
    Damaged {
        /// The log's name.
        origin: String,
        /// In what.
        problem: String,
    },
    /// There is no log to send.
    #[error("`{dir}` has no evidence log: `log.pub` is missing or unreadable")]
    NoLog {
        /// The directory.
        dir: String,
    },
    /// No such log in the store.
    #[error("the evidence store has no log `{0}`; `cavra evidence stats` lists them")]
    UnknownLog(String),
    /// The files cannot be read.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
}
