//! The `cavra` command.

use std::process::ExitCode;

use cavra::backend::supervisor;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    // Before anything else: the supervisor of a native runtime wants a process
    // with one thread and nothing set up.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == supervisor::SUBCOMMAND)
    {
        return supervisor::run(args.by_ref().skip(2));
    }
    cavra::cli::run(args).into()
}
