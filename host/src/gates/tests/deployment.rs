//! The deployment report, one change at a time.

use serde_json::json;

use super::*;

#[test]
fn one_change_fails_the_checks_that_read_it_and_no_others() {
    use DocumentKind as D;
    each_alone(
        ReportKind::Deployment,
        vec![
            (
                D::EndpointDeployment,
                "/deployment_targets/0/platform",
                json!(""),
                &["go_endpoint_deployment_manifest", "go_ci_runner_bundles"],
            ),
            (
                D::EndpointDeployment,
                "/deployment_targets/0/surface",
                json!("workstation"),
                &["go_ci_runner_bundles"],
            ),
            (
                D::EndpointDeployment,
                "/deployment_targets",
                json!([]),
                &["go_ci_runner_bundles"],
            ),
            (
                D::CiRunnerBundles,
                "/runner_bundles/0/required_outputs",
                json!(["release-governance-evidence-verification.json.txt"]),
                &["go_ci_runner_bundles"],
            ),
            (
                D::CiRunnerBundles,
                "/runner_bundles/0/required_outputs",
                json!(["release-governance-evidence-verification.json"]),
                &[],
            ),
            (
                D::CiRunnerBundles,
                "/controls/0",
                json!("other"),
                &["go_ci_runner_bundles"],
            ),
            (
                D::WorkstationChannels,
                "/channels/0/auto_update",
                json!(null),
                &["go_workstation_channels", "go_workstation_updater_policy"],
            ),
            (
                D::WorkstationChannels,
                "/channels/0/channel",
                json!("beta"),
                &["go_workstation_updater_policy"],
            ),
            (
                D::UpdaterPolicy,
                "/policies/0/approval_required",
                json!(null),
                &["go_workstation_updater_policy"],
            ),
            (
                D::UpdaterPolicy,
                "/policies/0/approval_required",
                json!(true),
                &[],
            ),
            (
                D::UpdaterPolicy,
                "/default_auto_update",
                json!("false"),
                &["go_workstation_updater_policy"],
            ),
        ],
    );
}

#[test]
fn a_package_directory_is_looked_into_and_a_path_wins() {
    let mut set_up = SetUp::new();
    for setting in [
        Setting::EndpointDeployment,
        Setting::CiRunnerBundles,
        Setting::WorkstationChannels,
        Setting::WorkstationUpdaterPolicy,
    ] {
        set_up.flags.remove(&setting);
    }
    let package = set_up.dir.path().display().to_string();
    set_up.flags.insert(Setting::PackageDir, package.clone());
    assert_eq!(
        status(&set_up.reports(), ReportKind::Deployment),
        ReportStatus::Ready
    );
    set_up
        .flags
        .insert(Setting::CiRunnerBundles, format!("{package}/nothing.json"));
    assert_eq!(
        warnings(&set_up.reports(), ReportKind::Deployment),
        ["go_ci_runner_bundles"]
    );
    set_up.flags.remove(&Setting::CiRunnerBundles);
    set_up
        .flags
        .insert(Setting::PackageDir, format!("{package}/nowhere"));
    assert_eq!(warnings(&set_up.reports(), ReportKind::Deployment).len(), 5);
}
