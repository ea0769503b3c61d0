//! The host's documents and reports: read and computed once, and anew when a file or
//! the time asks for it.

use std::cell::OnceCell;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};

use super::files::Files;
use super::{Host, HostError, State};
use crate::backend::NativeRuntime;
use crate::gates::{
    ApiAccess, Digests, Documents, ProductionReport, ReadinessReport, Report, ReportKind, Reports,
};
use crate::pilot::{Gates, Mode};
use crate::sandbox::is_wasm;

/// How long reports hold although time passes: a gate closes within a second.
const REPORTS_HOLD: SignedDuration = SignedDuration::from_secs(1);

/// Documents and reports of one state.
#[derive(Default)]
pub(super) struct Governance {
    /// The documents, and how their files looked before they were read.
    documents: ArcSwapOption<(Files, Documents)>,
    /// What is on disk by now, where that is not what is loaded: documents are held to it.
    found: ArcSwapOption<Digests>,
    /// The reports as they were computed last.
    reports: ArcSwapOption<Reports>,
}

impl Host {
    /// Whether the mode is promoted, so that gates count.
    pub fn is_promoted(&self) -> bool {
        self.state.load().config.mode == Mode::Promoted
    }

    /// All seven reports, as of now. Documents are read once, and again by
    /// [`refresh`](Self::refresh); what depends on the time is computed anew.
    pub fn reports(&self) -> Arc<Reports> {
        self.state.load().make_reports(self.base.clock.now())
    }

    /// Whether this is fit for production.
    pub fn production_readiness(&self, access: ApiAccess) -> ProductionReport {
        let state = self.state.load();
        let packs = state
            .catalog
            .ids()
            .map(|ids| ids.len())
            .map_err(|e| e.to_string());
        let reports = state.make_reports(self.base.clock.now());
        ProductionReport::new(state.mode(), &reports, packs, access, self.evidence_store())
    }

    /// Reads the files again that the settings name, and swaps in what follows from
    /// them: documents at once; modules, policies and the registry, if their files
    /// changed, once all is loaded.
    ///
    /// In promoted mode the gates close before that, as soon as it is known that what
    /// is on disk is not what documents are about.
    ///
    /// # Errors
    /// As [`reload`](Self::reload). The old modules and policies stay; the documents
    /// are the new ones.
    pub fn refresh(&self) -> Result<(), HostError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state.load_full();
        state.read_documents();
        if state.has_reports() {
            state.make_reports(self.base.clock.now());
        }
        let code = Files::of_code(&state.config, &self.base);
        if state.code == code && !self.trust_is_over() {
            return Ok(());
        }
        self.replace(state.config.clone())
    }
}

impl State {
    /// The documents as they were read last; read now if they never were.
    fn documents(&self) -> Arc<(Files, Documents)> {
        match self.governance.documents.load_full() {
            Some(documents) => documents,
            None => self.read_documents(),
        }
    }

    fn read_documents(&self) -> Arc<(Files, Documents)> {
        let files = Files::of_documents(&self.config);
        let documents = Arc::new((files, Documents::read(&self.config).guarded(self.trust.clone())));
        self.governance.documents.store(Some(Arc::clone(&documents)));
        documents
    }

    /// SHA-256 of every governance document, by its setting's flag.
    pub(super) fn document_digests(&self) -> std::collections::BTreeMap<String, String> {
        self.documents().1.digests()
    }

    /// How the files looked of which this state was made.
    pub(super) fn files(&self) -> (Files, Files) {
        (self.code.clone(), self.documents().0.clone())
    }

    /// Whether anybody has asked for reports.
    pub(super) fn has_reports(&self) -> bool {
        self.governance.reports.load().is_some()
    }

    /// The reports, if they are no older than they may be.
    fn held_reports(&self, now: Timestamp) -> Option<Arc<Reports>> {
        self.governance.reports.load_full().filter(|reports| {
            // A clock that was set back makes them anew, too.
            now >= reports.made_at() && now.duration_since(reports.made_at()) < REPORTS_HOLD
        })
    }

    /// Whether gates can be asked at once, without making reports first.
    pub(super) fn gates_at_hand(&self, now: Timestamp) -> bool {
        self.config.mode != Mode::Promoted || self.held_reports(now).is_some()
    }

    /// The reports, no older than they may be.
    fn current_reports(&self, now: Timestamp) -> Arc<Reports> {
        self.held_reports(now).unwrap_or_else(|| self.make_reports(now))
    }

    pub(super) fn make_reports(&self, now: Timestamp) -> Arc<Reports> {
        let readiness = self.readiness();
        let found = self.governance.found.load();
        let digests = found.as_deref().unwrap_or(&readiness.digests);
        let reports = Reports::new(
            &self.effective(),
            Arc::clone(readiness),
            digests,
            &self.documents().1,
            now,
        );
        let reports = Arc::new(reports);
        // The gates of an evaluation are those of the mode of the settings.
        if !self.base.rollback.engaged() {
            self.governance.reports.store(Some(Arc::clone(&reports)));
        }
        reports
    }

    /// Holds documents to what `next` will load, which takes its time: the gates must
    /// not stay open for what is no longer there.
    pub(super) fn close_for(&self, next: &State) {
        if self.config.mode != Mode::Promoted || !self.has_reports() {
            return;
        }
        let bytes = |setting: &str| next.base.fetch(setting).ok().map(|fetched| fetched.bytes);
        let sha256 = |setting: &str| bytes(setting).map(|bytes| bytes.sha256_hex());
        let runtime = bytes(&next.config.runtime_path).and_then(|bytes| {
            if is_wasm(&bytes) {
                return Some(bytes.sha256_hex());
            }
            NativeRuntime::inspect(Path::new(&next.config.runtime_path)).ok()
        });
        let found = Digests {
            runtime_sha256: runtime,
            policy_sha256: next.policy_digest().ok(),
            reference_sha256: sha256(&next.config.reference_module),
            ..self.readiness().digests.clone()
        };
        if found == self.readiness().digests {
            return self.reopen();
        }
        self.governance.found.store(Some(Arc::new(found)));
        self.make_reports(self.base.clock.now());
    }

    /// Holds documents to what is loaded again.
    pub(super) fn reopen(&self) {
        if self.governance.found.swap(None).is_some() {
            self.make_reports(self.base.clock.now());
        }
    }
}

/// The gates during one evaluation: one snapshot, taken when it is first asked for.
pub(super) struct GatesNow<'a> {
    state: &'a State,
    now: Timestamp,
    reports: OnceCell<Arc<Reports>>,
}

impl<'a> GatesNow<'a> {
    pub(super) fn new(state: &'a State, now: Timestamp) -> Self {
        Self {
            state,
            now,
            reports: OnceCell::new(),
        }
    }
}

impl Gates for GatesNow<'_> {
    fn readiness(&self) -> &Arc<ReadinessReport> {
        self.state.readiness()
    }

    fn promoted(&self, kind: ReportKind) -> Option<&Arc<Report>> {
        let reports = self.reports.get_or_init(|| self.state.current_reports(self.now));
        Some(reports.get(kind))
    }
}
