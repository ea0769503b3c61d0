//! The production report, one change at a time.

use std::collections::BTreeMap;

use super::*;

#[test]
fn the_production_report_says_what_is_missing() {
    let set_up = SetUp::new();
    let report = ProductionReport::new(
        Mode::Promoted,
        &set_up.reports(),
        Ok(3),
        ApiAccess::Tokens,
        Err("no log".to_owned()),
    );
    let failing: Vec<&str> = report
        .checks
        .iter()
        .filter(|it| !it.passes())
        .map(|it| it.id)
        .collect();
    assert_eq!(failing, ["evidence_store", "module_trust"], "there is neither");
    assert_eq!(report.status, ReportStatus::NeedsAttention);
    let report = ProductionReport::new(
        Mode::Promoted,
        &set_up.reports(),
        Ok(0),
        ApiAccess::Open,
        Ok("a log".to_owned()),
    );
    assert!(!report.checks[0].passes() && !report.checks[1].passes());
    let document = serde_json::to_value(&report).unwrap();
    for kind in ReportKind::ALL {
        assert_eq!(
            document[kind.production_key()]["schema_version"],
            kind.schema_version()
        );
    }

    let mut disabled = SetUp::new();
    disabled.flags = BTreeMap::new();
    let report = ProductionReport::new(
        Mode::Disabled,
        &disabled.reports(),
        Ok(3),
        ApiAccess::Loopback,
        Err("no log".to_owned()),
    );
    let failing: Vec<&str> = report
        .checks
        .iter()
        .filter(|it| !it.passes())
        .map(|it| it.id)
        .collect();
    assert_eq!(failing, ["evidence_store"], "a disabled pilot is acceptable");
}
