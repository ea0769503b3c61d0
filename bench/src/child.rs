//! What is measured in a process of its own: a host that has loaded so many packs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use cavra::cache::Cache;
use cavra::config::{Config, Environment, Setting};
use cavra::model::Request;
use cavra::policy::Catalog;

use crate::contenders::sandbox;

/// Makes a command keep its cache in `folder`, and the key of it.
pub(crate) fn keep_cache(command: &mut Command, folder: &Path) {
    command
        .env(Setting::CacheDir.env(), folder)
        .env(Setting::CacheKey.env(), key(folder));
}

fn key(folder: &Path) -> PathBuf {
    folder.with_extension("key")
}

/// Evaluates once with each of the first `count` packs, and says on standard output
/// how large the process then is, in KiB.
pub(crate) fn load(policies: &Path, count: usize) -> Result<()> {
    // The parent has emptied the environment, but for the cache.
    let config = Config::read(&BTreeMap::new(), &Environment)?;
    let cache = match config.cache_dir.as_str() {
        "auto" => None,
        folder => Some(Cache::open(folder.as_ref(), config.cache_key.as_ref())?),
    };
    let host = sandbox::host(policies, &Environment, cache)?;
    let packs = Catalog::open(policies)?.ids()?;
    ensure!(packs.len() >= count, "only {} packs", packs.len());
    for id in packs.iter().take(count) {
        let request = Request {
            action_type: "read_file".to_owned(),
            target: Some("src/main.rs".to_owned()),
            policy_pack: id.to_string(),
            ..Request::default()
        };
        sandbox::decide(&host, &request).with_context(|| id.to_string())?;
    }
    writeln!(std::io::stdout(), "{}", resident_kib()?)?;
    // The packs must still be there when the size is read.
    drop(host);
    Ok(())
}

fn resident_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let size = line.and_then(|rest| rest.split_whitespace().next());
    Ok(size.context("no VmRSS")?.parse()?)
}

/// What a child told.
pub(crate) struct Loaded {
    /// Nanoseconds from its start until it had evaluated with the last pack.
    pub(crate) nanoseconds: f64,
    /// Its size then.
    pub(crate) kib: u64,
}

/// Runs [`load`] in a fresh process, with a cache in `cache` if that is given.
pub(crate) fn spawn(policies: &Path, count: usize, cache: Option<&Path>) -> Result<Loaded> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .env_clear()
        .arg("load")
        .arg(policies)
        .arg(count.to_string())
        .stdout(Stdio::piped());
    if let Some(cache) = cache {
        keep_cache(&mut command, cache);
    }
    let started = Instant::now();
    let mut child = command.spawn()?;
    let line = first_line(&mut child)?;
    let nanoseconds = started.elapsed().as_nanos() as f64;
    let status = child.wait()?;
    ensure!(status.success(), "the child ended with {status}");
    Ok(Loaded {
        nanoseconds,
        kib: line.trim().parse()?,
    })
}

fn first_line(child: &mut Child) -> Result<String> {
    let mut line = String::new();
    let output = child.stdout.as_mut().context("its output is piped")?;
    BufReader::new(output).read_line(&mut line)?;
    Ok(line)
}
