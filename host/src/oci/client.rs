//! What registries are asked for, by the distribution specification: manifests, blobs and
//! what refers to them, read and written.
//!
//! Whoever has the registry may send anything: every answer has a limit, and counts only
//! with the digest that it was asked by.

use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderValue, LINK, RANGE};
use reqwest::{Method, StatusCode};
use tokio::time::sleep;

use super::artifact::{
    self, ArtifactError, BUNDLE, Blob, Described, INDEX, IndexEntry, MAX_MANIFEST_BYTES, ReferrerArtifact,
};
use super::error::harmless;
use super::reference::{Reference, Version};
use super::transport::{Ask, Lost, Transport, What, plain};
use super::{OciError, Patience};
use crate::store::Digest;

/// Every kind of manifest there is, so that one of another kind than is wanted is told.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";
/// Where a registry says what it has for content.
const CONTENT_DIGEST: &str = "docker-content-digest";
/// By which a registry says that it keeps referrers itself.
const SUBJECT: &str = "oci-subject";
/// What uploads are.
const OCTETS: &str = "application/octet-stream";
/// On so many pages a list of referrers may stand.
const MAX_PAGES: usize = 16;

/// A repository of a registry.
pub(super) struct Repository(Transport);

/// A manifest as it was sent.
pub(super) struct Manifest {
    /// Of the bytes.
    pub(super) digest: Digest,
    pub(super) bytes: Vec<u8>,
}

impl Repository {
    pub(super) fn to_read(reference: &Reference, patience: Patience) -> Result<Self, OciError> {
        Transport::new(reference, false, patience).map(Self)
    }

    pub(super) fn to_write(reference: &Reference, patience: Patience) -> Result<Self, OciError> {
        Transport::new(reference, true, patience).map(Self)
    }

    /// The manifest that a tag or a digest stands for.
    pub(super) async fn manifest(&self, version: &Version) -> Result<Manifest, OciError> {
        let found = self.find_manifest(version).await?;
        found.ok_or_else(|| self.0.missing(&manifest_what(version)))
    }

    pub(super) async fn find_manifest(&self, version: &Version) -> Result<Option<Manifest>, OciError> {
        let what = manifest_what(version);
        let ask = Ask::get(self.0.url(&format!("manifests/{version}"))?, &what).accept(MANIFESTS);
        let Some((headers, bytes)) = self.0.find(&ask, MAX_MANIFEST_BYTES).await? else {
            return Ok(None);
        };
        let digest = Digest::of(&bytes);
        // What a tag stands for, only the registry knows; it says so beside it.
        let wanted = match version {
            Version::Digest(wanted) => Some(wanted.clone()),
            Version::Tag(_) => text(&headers, CONTENT_DIGEST).parse().ok(),
        };
        if wanted.is_some_and(|wanted| wanted != digest) {
            return Err(self.wrong_digest(&what, digest));
        }
        Ok(Some(Manifest { digest, bytes }))
    }

    fn wrong_digest(&self, what: &What, found: Digest) -> OciError {
        OciError::WrongDigest {
            registry: self.0.registry(),
            what: what.to_string(),
            found,
        }
    }

    /// A blob, all of it or none. A download that is interrupted goes on where it was.
    /// How long it may be was asked where its description was read.
    pub(super) async fn blob(&self, of: &Described, what: &str) -> Result<Vec<u8>, OciError> {
        let named: What = format!("{what} {}", of.digest).into();
        let mut bytes = Vec::new();
        let mut tries = 0_u32;
        loop {
            let before = bytes.len();
            let lost = match self.go_on(of, &mut bytes, &named).await {
                Ok(()) => break,
                Err(lost) => lost,
            };
            // What got further was worth its try.
            tries = if bytes.len() > before {
                1
            } else {
                tries.saturating_add(1)
            };
            let patience = self.0.patience();
            match lost {
                Lost::For(error) => return Err(error),
                lost if tries < patience.tries => drop(lost),
                Lost::Connection(_) if !bytes.is_empty() => {
                    return Err(OciError::Interrupted {
                        registry: self.0.registry(),
                        what: named.to_string(),
                        got: bytes.len() as u64,
                        size: of.size,
                        tries,
                    });
                }
                lost => return Err(self.0.given_up(&named, lost, tries)),
            }
            sleep(patience.after(tries)).await;
        }
        let found = Digest::of(&bytes);
        if found == of.digest {
            Ok(bytes)
        } else {
            Err(self.wrong_digest(&named, found))
        }
    }

    /// Reads on from where `bytes` ends.
    async fn go_on(&self, of: &Described, bytes: &mut Vec<u8>, what: &What) -> Result<(), Lost> {
        if !bytes.is_empty() && bytes.len() as u64 == of.size {
            // Nothing but the end of the answer was lost.
            return Ok(());
        }
        let mut ask = Ask::get(self.0.url(&format!("blobs/{}", of.digest))?, what);
        if !bytes.is_empty() {
            let from = HeaderValue::from_str(&format!("bytes={}-", bytes.len()));
            ask.headers
                .insert(RANGE, from.map_err(|e| OciError::Local(e.to_string()))?);
        }
        let response = self.0.once(&ask).await?;
        let mut response = response.ok_or_else(|| self.0.missing(what))?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            // It begins anew.
            bytes.clear();
        } else if !text(response.headers(), CONTENT_RANGE.as_str())
            .starts_with(&format!("bytes {}-", bytes.len()))
        {
            return Err(Lost::For(OciError::Answer {
                registry: self.0.registry(),
                what: what.to_string(),
                problem: "another part of it than was asked for".to_owned(),
            }));
        }
        let wrong = |found: u64| {
            Lost::For(OciError::WrongSize {
                registry: self.0.registry(),
                what: what.to_string(),
                found,
                said: of.size,
            })
        };
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(Lost::Connection(plain(&error))),
            }
            if bytes.len() as u64 > of.size {
                return Err(wrong(bytes.len() as u64));
            }
        }
        // An end that was marked as one: nothing was lost on the way.
        if bytes.len() as u64 == of.size {
            Ok(())
        } else {
            Err(wrong(bytes.len() as u64))
        }
    }

    /// What attaches a bundle to a manifest: by the registry's own list, or by the tag
    /// that stands for it where the registry keeps none.
    pub(super) async fn bundles_of(&self, subject: &Digest) -> Result<Vec<Described>, OciError> {
        let what: What = format!("the list of what refers to {subject}").into();
        let mut url = self.0.url(&format!("referrers/{subject}"))?;
        url.query_pairs_mut().append_pair("artifactType", BUNDLE);
        let told = |e: ArtifactError| self.no_list(subject, &e);
        let answer = |problem: &str| OciError::Answer {
            registry: self.0.registry(),
            what: what.to_string(),
            problem: problem.to_owned(),
        };
        let mut entries = Vec::new();
        for page in 0..MAX_PAGES {
            let ask = Ask::get(url.clone(), &what).accept(INDEX);
            let Some((headers, bytes)) = self.0.find(&ask, MAX_MANIFEST_BYTES).await? else {
                if page > 0 {
                    return Err(answer("no page that it says is the next"));
                }
                let index = self.tagged_index(subject).await?;
                let index = index.map(|bytes| artifact::read_index(&bytes)).transpose();
                let entries = index.map_err(told)?.unwrap_or_default();
                return artifact::bundles_among(&entries).map_err(told);
            };
            entries.extend(artifact::read_index(&bytes).map_err(told)?);
            let bundles = artifact::bundles_among(&entries).map_err(told)?;
            let Some(next) = next_page(&headers) else {
                return Ok(bundles);
            };
            let next = url.join(next).ok().filter(|next| self.0.is_registry(next));
            url = next.ok_or_else(|| answer("a next page at another address"))?;
        }
        Err(answer(&format!("more than {MAX_PAGES} pages")))
    }

    /// The index that stands for the list of referrers where a registry keeps none.
    async fn tagged_index(&self, subject: &Digest) -> Result<Option<Vec<u8>>, OciError> {
        let found = self.find_manifest(&Version::referrers(subject)).await?;
        Ok(found.map(|manifest| manifest.bytes))
    }

    fn no_list(&self, subject: &Digest, problem: &ArtifactError) -> OciError {
        OciError::Answer {
            registry: self.0.registry(),
            what: format!("the list of what refers to {subject}"),
            problem: harmless(problem),
        }
    }

    /// Puts a blob into the repository, if it is not there.
    pub(super) async fn push_blob(&self, of: &Described, bytes: &[u8], what: &str) -> Result<(), OciError> {
        let what: What = format!("{what} {}", of.digest).into();
        let there = self.0.url(&format!("blobs/{}", of.digest))?;
        let there = Ask::new(Method::HEAD, there, &what);
        let patience = self.0.patience();
        let mut tries = 0_u32;
        loop {
            tries = tries.saturating_add(1);
            let found = self
                .0
                .patiently(&what, async || Ok(self.0.once(&there).await?.is_some()));
            if found.await? {
                return Ok(());
            }
            // When its answer is lost, an upload may have come to its end, or be one that
            // cannot be ended: it is looked for, and begun anew.
            match self.upload(of, bytes, &what).await {
                Ok(()) => return Ok(()),
                Err(lost) if tries >= patience.tries || matches!(lost, Lost::For(_)) => {
                    return Err(self.0.given_up(&what, lost, tries));
                }
                Err(_) => sleep(patience.after(tries)).await,
            }
        }
    }

    async fn upload(&self, of: &Described, bytes: &[u8], what: &What) -> Result<(), Lost> {
        let begin = Ask::new(Method::POST, self.0.url("blobs/uploads/")?, what);
        let begun = self.0.find(&begin, MAX_MANIFEST_BYTES).await?;
        let (headers, _) = begun.ok_or_else(|| self.0.missing(what))?;
        let location = self.0.location(&begin.url, &headers);
        let mut location = location.ok_or_else(|| OciError::Answer {
            registry: self.0.registry(),
            what: what.to_string(),
            problem: "no address that may be uploaded to".to_owned(),
        })?;
        location
            .query_pairs_mut()
            .append_pair("digest", &of.digest.to_string());
        let put = Ask::new(Method::PUT, location, what).body(OCTETS, bytes.to_vec());
        let done = self.0.once(&put).await?;
        done.map(drop).ok_or_else(|| self.0.missing(what).into())
    }

    /// Puts a manifest into the repository, by its digest or under a tag. Says whether the
    /// registry has put it on its list of referrers.
    pub(super) async fn push_manifest(&self, version: &Version, manifest: &Blob) -> Result<bool, OciError> {
        let what = manifest_what(version);
        let url = self.0.url(&format!("manifests/{version}"))?;
        let ask = Ask::new(Method::PUT, url, &what).body(manifest.media_type, manifest.bytes.clone());
        let done = self.0.find(&ask, MAX_MANIFEST_BYTES).await?;
        let (headers, _) = done.ok_or_else(|| self.0.missing(&what))?;
        Ok(headers.contains_key(SUBJECT))
    }

    /// Attaches a bundle: its manifest with its blobs, and its place on the list.
    pub(super) async fn push_referrer(
        &self,
        subject: &Digest,
        it: &ReferrerArtifact,
    ) -> Result<(), OciError> {
        for (blob, what) in [
            (&it.config, "the empty configuration"),
            (&it.bundle, "the bundle"),
        ] {
            self.push_blob(&blob.described(), &blob.bytes, what).await?;
        }
        let by_digest = Version::Digest(it.manifest.digest.clone());
        if self.push_manifest(&by_digest, &it.manifest).await? {
            return Ok(());
        }
        let told = |e: ArtifactError| self.no_list(subject, &e);
        let index = self.tagged_index(subject).await?;
        let mut entries = match index {
            Some(bytes) => artifact::read_index(&bytes).map_err(told)?,
            None => Vec::new(),
        };
        if entries
            .iter()
            .any(|entry| entry.manifest.digest == it.manifest.digest)
        {
            return Ok(());
        }
        entries.push(IndexEntry {
            manifest: it.manifest.described(),
            artifact_type: Some(BUNDLE.to_owned()),
            annotations: artifact::Annotations::new(),
        });
        let index = artifact::index_for(&entries).map_err(told)?;
        let tag = Version::referrers(subject);
        self.push_manifest(&tag, &index).await.map(drop)
    }
}

fn manifest_what(version: &Version) -> What {
    match version {
        Version::Tag(tag) => format!("manifest with the tag `{tag}`"),
        Version::Digest(digest) => format!("manifest {digest}"),
    }
    .into()
}

/// Where a list goes on, by the header `link`.
fn next_page(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(LINK).iter().filter_map(|it| it.to_str().ok());
    for line in lines {
        let mut rest = line;
        while let Some((target, after)) = rest.split_once('<').and_then(|(_, link)| link.split_once('>')) {
            let params = after.split('<').next().unwrap_or_default();
            let mut params = params.trim_end_matches([',', ' ']).split(';').map(str::trim);
            if params.any(|it| it.eq_ignore_ascii_case("rel=\"next\"") || it.eq_ignore_ascii_case("rel=next"))
            {
                return Some(target);
            }
            rest = after;
        }
    }
    None
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|it| it.to_str().ok());
    value.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_list_goes_on_is_read() {
        for (line, wanted) in [
            ("</v2/a?last=b>; rel=\"next\"", Some("/v2/a?last=b")),
            ("</v2/a,b>;rel=next", Some("/v2/a,b")),
            ("<x>; rel=\"prev\", <y>; n=1; Rel=\"next\"", Some("y")),
            ("<x>; rel=\"prev\"", None),
            ("x; rel=\"next\"", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(LINK, HeaderValue::from_static(line))]);
            assert_eq!(next_page(&headers), wanted, "{line}");
        }
    }
}
