//! Every check: its id, which the contract fixes, and when it passes.

macro_rules! checks {
    ($($name:ident $id:literal $passes:literal;)*) => {
        $(#[doc = $passes] pub(super) const $name: &str = $id;)*

        /// Every check of every report with when it passes, in the order of the documentation.
        pub const CHECKS: &[(&str, &str)] = &[$(($id, $passes),)*];
    };
}

checks! {
    GO_BACKEND_OPT_IN "go_backend_opt_in"
        "the mode is not `disabled`";
    GO_RUNTIME_BINARY "go_runtime_binary"
        "the runtime is a component of this world that can be loaded, or an executable file";
    GO_RUNTIME_POLICY "go_runtime_policy"
        "there is a valid compiled policy";
    GO_RUNTIME_REGISTRY "go_runtime_registry"
        "no trust registry is set, or a valid one";
    PYTHON_FALLBACK "python_fallback"
        "the reference loads and decides a probe";
    PARITY_GATE "parity_gate"
        "always: the two decisions are compared for every request";
    GO_DEPLOYMENT_METADATA_CONFIGURED "go_deployment_metadata_configured"
        "a package directory or a deployment document is set, or the mode is `disabled`";
    GO_RELEASE_PACKAGE_DIR "go_release_package_dir"
        "no package directory is set, or it is there";
    GO_ENDPOINT_DEPLOYMENT_MANIFEST "go_endpoint_deployment_manifest"
        "the endpoint deployment is valid";
    GO_CI_RUNNER_BUNDLES "go_ci_runner_bundles"
        "the CI runner bundles are valid, and every bundle's target is a CI runner of a valid endpoint deployment";
    GO_WORKSTATION_CHANNELS "go_workstation_channels"
        "the workstation channels are valid";
    GO_WORKSTATION_UPDATER_POLICY "go_workstation_updater_policy"
        "the updater policy is valid, and its channels are those of valid workstation channels";
    GO_PROMOTION_REQUESTED "go_promotion_requested"
        "the mode is `promoted`, or the document's path is set; likewise the next four";
    GO_ROLLBACK_REQUESTED "go_rollback_requested"
        "the same";
    GO_ROLLBACK_REHEARSAL_REQUESTED "go_rollback_rehearsal_requested"
        "the same";
    GO_ROLLBACK_DRILL_HISTORY_REQUESTED "go_rollback_drill_history_requested"
        "the same";
    GO_ROLLBACK_DRILL_SCHEDULE_REQUESTED "go_rollback_drill_schedule_requested"
        "the same";
    GO_RUNTIME_READY "go_runtime_ready"
        "the readiness report is `ready`";
    GO_DEPLOYMENT_READY "go_deployment_ready"
        "the deployment report is `ready`";
    GO_PARITY_EVIDENCE "go_parity_evidence"
        "the promotion evidence is valid";
    GO_PROMOTION_APPROVAL "go_promotion_approval"
        "it says that it is approved, and nobody denies it";
    PYTHON_FALLBACK_AVAILABLE "python_fallback_available"
        "the reference loads and decides a probe";
    GO_ROLLBACK_PLAN "go_rollback_plan"
        "the rollback plan is valid";
    GO_ROLLBACK_APPROVAL "go_rollback_approval"
        "it says that it is approved, and nobody denies it";
    GO_ROLLBACK_DISABLE_PATH "go_rollback_disable_path"
        "its `target_mode` is `disabled`";
    GO_ROLLBACK_CONTROLS "go_rollback_controls"
        "it lacks none of the controls";
    GO_ROLLBACK_REHEARSAL_EVIDENCE "go_rollback_rehearsal_evidence"
        "the rehearsal is valid, and of the plan's approval";
    GO_ROLLBACK_REHEARSAL_SIMULATED "go_rollback_rehearsal_simulated"
        "a failure was simulated";
    GO_ROLLBACK_REHEARSAL_FALLBACK_VERIFIED "go_rollback_rehearsal_fallback_verified"
        "the fallback was seen to work";
    GO_ROLLBACK_REHEARSAL_RECOVERY_SLA "go_rollback_rehearsal_recovery_sla"
        "going back took no longer than rehearsal and plan say it may";
    GO_ROLLBACK_REHEARSAL_EVIDENCE_REFS "go_rollback_rehearsal_evidence_refs"
        "there is evidence";
    GO_ROLLBACK_DRILL_HISTORY_FILE "go_rollback_drill_history_file"
        "the drill history is valid, its latest drill included";
    GO_ROLLBACK_DRILL_LATEST_PASSED "go_rollback_drill_latest_passed"
        "the latest drill passed";
    GO_ROLLBACK_DRILL_DISABLED_TARGET "go_rollback_drill_disabled_target"
        "it went back to `disabled`";
    GO_ROLLBACK_DRILL_FALLBACK_VERIFIED "go_rollback_drill_fallback_verified"
        "the fallback was seen to work";
    GO_ROLLBACK_DRILL_RECOVERY_SLA "go_rollback_drill_recovery_sla"
        "going back took no longer than it may";
    GO_ROLLBACK_DRILL_FRESHNESS "go_rollback_drill_freshness"
        "the latest drill is neither too old nor in the future";
    GO_ROLLBACK_DRILL_SCHEDULE_FILE "go_rollback_drill_schedule_file"
        "the drill schedule is valid";
    GO_ROLLBACK_DRILL_SCHEDULE_ACTIVE "go_rollback_drill_schedule_active"
        "it is active";
    GO_ROLLBACK_DRILL_SCHEDULE_CADENCE "go_rollback_drill_schedule_cadence"
        "there is an interval";
    GO_ROLLBACK_DRILL_SCHEDULE_NEXT_DUE "go_rollback_drill_schedule_next_due"
        "the next drill has a date, within an interval of the latest";
    GO_ROLLBACK_DRILL_SCHEDULE_NOT_STALE "go_rollback_drill_schedule_not_stale"
        "that date is known and has not passed";
    GO_ROLLBACK_DRILL_NOTIFICATION_ROUTES "go_rollback_drill_notification_routes"
        "there is somebody to tell, and a way to";
    POLICY_CATALOG "policy_catalog"
        "there is a policy pack";
    API_ACCESS_CONTROL "api_access_control"
        "only this machine can call the service, or callers need tokens; the command line serves nobody and passes";
    EVIDENCE_STORE "evidence_store"
        "an [evidence log](evidence.md) is configured, can be written, and verifies";
    MODULE_TRUST "module_trust"
        "the mode is `disabled`, or a trust policy is set and takes everything that is loaded";
    GO_BACKEND_PILOT "go_backend_pilot"
        "the readiness report is `ready` or `disabled`";
    GO_BACKEND_DEPLOYMENT_PATHS "go_backend_deployment_paths"
        "the deployment report is `ready`, or the mode is `disabled` and nothing is configured";
    GO_BACKEND_PROMOTION_GATE "go_backend_promotion_gate"
        "the promotion report is `ready` or `not_requested`";
    GO_BACKEND_ROLLBACK_CONTROLS "go_backend_rollback_controls"
        "the rollback report is";
    GO_BACKEND_ROLLBACK_REHEARSAL "go_backend_rollback_rehearsal"
        "the rehearsal report is";
    GO_BACKEND_ROLLBACK_DRILL_HISTORY "go_backend_rollback_drill_history"
        "the drill history report is";
    GO_BACKEND_ROLLBACK_DRILL_SCHEDULE "go_backend_rollback_drill_schedule"
        "the drill schedule report is, or is `due_soon`";
}
