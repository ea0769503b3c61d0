//! How long a registry is waited for.

use std::time::Duration;

/// How patient one is with a registry.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often something is tried without getting any further.
    pub tries: u32,
    /// How long it is waited before it is tried again; then twice as long, and so on.
    pub pause: Duration,
    /// How long connecting may take.
    pub connect: Duration,
    /// How long a registry may send nothing.
    pub silence: Duration,
    /// How long everything may take.
    pub total: Duration,
}

impl Patience {
    /// That of somebody who has called a command.
    pub const COMMAND: Self = Self {
        tries: 5,
        pause: Duration::from_millis(250),
        connect: Duration::from_secs(10),
        silence: Duration::from_secs(30),
        total: Duration::from_secs(600),
    };
    /// That of a host which is being loaded. Its first decision waits for that, also the
    /// reference's: so long at most, once a process and whenever it is reloaded.
    pub const HOST: Self = Self {
        tries: 3,
        pause: Duration::from_millis(250),
        connect: Duration::from_secs(5),
        silence: Duration::from_secs(10),
        total: Duration::from_secs(60),
    };

    /// How long it is waited after so many tries.
    pub(super) fn after(&self, tries: u32) -> Duration {
        let factor = 2_u32.saturating_pow(tries.saturating_sub(1).min(6));
        self.pause.saturating_mul(factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_and_has_an_end() {
        let patience = Patience::COMMAND;
        assert_eq!(patience.after(1).as_millis(), 250);
        assert_eq!(patience.after(3).as_millis(), 1000);
        assert_eq!(patience.after(u32::MAX), patience.after(7));
    }
}
