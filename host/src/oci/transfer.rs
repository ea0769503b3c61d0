//! A module from a registry, and into one.

use std::time::Duration;

use super::artifact::{self, ArtifactError};
use super::client::{Manifest, Repository};
use super::error::harmless;
use super::reference::Reference;
use super::{OciError, Patience};
use crate::clock::Clock;
use crate::sandbox::is_component;
use crate::signing::{MAX_BUNDLE_BYTES, MAX_SEALS, Seals};
use crate::store::{Digest, ModuleStore, Origin, Stored};

/// A module as a registry has it. Nobody has verified its signatures.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// What it is called from now on: by the digest of its manifest.
    pub reference: Reference,
    /// Its manifest, which has that digest.
    manifest: Vec<u8>,
    /// The component, which has the digest that the manifest says.
    pub module: Vec<u8>,
    /// That digest.
    pub digest: Digest,
    /// Its Sigstore bundles.
    pub bundles: Vec<Vec<u8>>,
}

impl Pulled {
    /// Its signatures, as those beside a file.
    pub fn seals(&self) -> Seals {
        Seals::of_bundles(&self.bundles)
    }

    /// Puts it into the store. Whether it is to be trusted must have been asked.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn keep(&self, store: &ModuleStore, clock: &dyn Clock) -> Result<Digest, OciError> {
        let origin = Origin {
            reference: Some(self.reference.to_string()),
            time: clock.now(),
        };
        Ok(store.put_known(&self.module, &self.bundles, &origin, &self.manifest)?)
    }
}

/// A module that is in a registry now.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// What it is called: by the digest of its manifest.
    pub reference: Reference,
    /// The digest of the module.
    pub module: Digest,
    /// How many signatures are attached to it.
    pub bundles: usize,
}

/// Of the store, the module whose manifest has this digest. Both are hashed; the registry
/// is not asked.
///
/// # Errors
/// When the store cannot be read.
pub fn kept(store: &ModuleStore, manifest: &Digest) -> Result<Option<Stored>, OciError> {
    let Some((module, bytes)) = store.manifest(manifest)? else {
        return Ok(None);
    };
    // What the manifest says is what its digest promises; where it lies is not.
    match artifact::read_manifest(&bytes) {
        Ok(read) if read.layer.digest == module => Ok(Some(store.get(&module)?)),
        _ => Ok(None),
    }
}

/// Fetches a module with its signatures. Nothing is kept of it.
///
/// # Errors
/// Why the registry does not give it, or what it gives is not it.
pub fn pull(reference: &Reference, patience: Patience) -> Result<Pulled, OciError> {
    let reference = reference.clone();
    waiting(patience, reference.registry().to_owned(), async move || {
        let repository = Repository::to_read(&reference, patience)?;
        let Manifest { digest, bytes } = repository.manifest(reference.version()).await?;
        let no_module = |problem: String| OciError::NotAModule {
            reference: reference.to_string(),
            problem,
        };
        if let Some(kind) = list(&bytes) {
            return Err(no_module(format!(
                "it is {kind}, which names several artifacts; name one of them by its digest"
            )));
        }
        let read = artifact::read_manifest(&bytes).map_err(|e| no_module(harmless(&e)))?;
        let module = repository.blob(&read.layer, "module").await?;
        if !is_component(&module) {
            return Err(no_module("its layer is no WebAssembly component".to_owned()));
        }
        let bundles = bundles(&repository, &digest).await?;
        Ok(Pulled {
            reference: reference.at(&digest),
            manifest: bytes,
            module,
            digest: read.layer.digest,
            bundles,
        })
    })
}

/// The bundles that are attached to a manifest.
async fn bundles(repository: &Repository, subject: &Digest) -> Result<Vec<Vec<u8>>, OciError> {
    let listed = repository.bundles_of(subject).await?;
    if listed.len() > MAX_SEALS {
        return Err(OciError::TooManyReferrers {
            of: subject.clone(),
            found: listed.len(),
            most: MAX_SEALS,
        });
    }
    let mut bundles = Vec::new();
    let mut together = 0_u64;
    for referrer in listed {
        let manifest = repository.manifest(&referrer.digest.clone().into()).await?;
        let bundle = match artifact::read_referrer(&manifest.bytes, subject) {
            Ok(bundle) => bundle,
            Err(ArtifactError::OtherSubject { found, .. }) => {
                return Err(OciError::ForeignReferrer {
                    referrer: referrer.digest,
                    wanted: subject.clone(),
                    found: found.to_string(),
                });
            }
            Err(e) => {
                return Err(OciError::NoSignature {
                    referrer: referrer.digest,
                    problem: harmless(&e),
                });
            }
        };
        together = together.saturating_add(bundle.size);
        if together > MAX_BUNDLE_BYTES {
            return Err(OciError::TooLarge {
                what: format!("all signatures of {subject} together"),
                bytes: together,
                most: MAX_BUNDLE_BYTES,
            });
        }
        bundles.push(repository.blob(&bundle, "signature").await?);
    }
    Ok(bundles)
}

/// Puts a component and its bundles into a registry, under the reference's tag if it has
/// one. Doing it again changes nothing.
///
/// # Errors
/// Why the registry does not take it.
pub fn push(
    reference: &Reference,
    module: Vec<u8>,
    bundles: Vec<Vec<u8>>,
    patience: Patience,
) -> Result<Pushed, OciError> {
    let no_module = |e: &ArtifactError| OciError::Local(format!("it cannot be pushed: {e}"));
    let artifact = artifact::manifest_for(&module).map_err(|e| no_module(&e))?;
    let manifest = artifact.manifest.described();
    let attached = bundles.iter();
    let attached = attached.map(|bundle| artifact::referrer_for(bundle, &manifest));
    let attached: Vec<_> = attached.collect::<Result<_, _>>().map_err(|e| no_module(&e))?;
    let pushed = Pushed {
        reference: reference.at(&manifest.digest),
        module: Digest::of(&module),
        bundles: attached.len(),
    };
    if reference
        .digest()
        .is_some_and(|digest| *digest != manifest.digest)
    {
        return Err(OciError::Local(format!(
            "`{reference}` names another digest than this module has, which would be {}; name a tag",
            pushed.reference
        )));
    }
    let reference = reference.clone();
    waiting(patience, reference.registry().to_owned(), async move || {
        let repository = Repository::to_write(&reference, patience)?;
        let layer = artifact::layer_of(&module);
        repository.push_blob(&layer, &module, "module").await?;
        let config = &artifact.config;
        repository
            .push_blob(&config.described(), &config.bytes, "configuration")
            .await?;
        // Signatures first: whoever pulls by the tag finds them.
        let by_digest = manifest.digest.clone().into();
        repository.push_manifest(&by_digest, &artifact.manifest).await?;
        for referrer in &attached {
            repository.push_referrer(&manifest.digest, referrer).await?;
        }
        if *reference.version() != by_digest {
            repository
                .push_manifest(reference.version(), &artifact.manifest)
                .await?;
        }
        Ok(pushed)
    })
}

/// What kind of list a manifest is, if it is one.
fn list(manifest: &[u8]) -> Option<&'static str> {
    let read: serde_json::Value = serde_json::from_slice(manifest).ok()?;
    read.get("manifests")?.as_array()?;
    let docker = read.get("mediaType").and_then(|it| it.as_str());
    Some(match docker.is_some_and(|it| it.contains("docker")) {
        true => "a manifest list",
        false => "an image index",
    })
}

/// Runs what waits for a registry, on a thread and a runtime of its own: whoever calls may
/// be part of another.
fn waiting<T: Send + 'static>(
    patience: Patience,
    registry: String,
    work: impl AsyncFnOnce() -> Result<T, OciError> + Send + 'static,
) -> Result<T, OciError> {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| OciError::Local(format!("no connection can be made: {e}")))?;
        let done = runtime.block_on(async { tokio::time::timeout(patience.total, work()).await });
        // A credential helper that hangs is not waited for.
        runtime.shutdown_timeout(Duration::ZERO);
        done.unwrap_or(Err(OciError::TooSlow {
            registry,
            seconds: patience.total.as_secs(),
        }))
    };
    let failed = |problem: &str| OciError::Local(format!("no connection can be made: {problem}"));
    let thread = std::thread::Builder::new()
        .name("cavra-registry".to_owned())
        .spawn(run);
    let thread = thread.map_err(|e| failed(&e.to_string()))?;
    thread.join().unwrap_or_else(|_| Err(failed("its thread failed")))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Answers with a byte now and then: it is never silent. It ends, so that who waits for
    /// all of it is found out.
    fn drip(mut stream: TcpStream) -> std::io::Result<()> {
        BufReader::new(stream.try_clone()?).read_line(&mut String::new())?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        for _ in 0..100 {
            stream.write_all(b" ")?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    #[test]
    fn a_registry_that_is_slow_and_never_silent_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = format!("oci://{}/acme/fast:1", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || drip(stream));
            }
        });
        let patience = Patience {
            total: Duration::from_secs(1),
            ..Patience::HOST
        };
        let error = pull(&name.parse().unwrap(), patience).unwrap_err();
        assert!(
            error.to_string().contains("takes longer than 1 seconds"),
            "{error}"
        );
    }
}
