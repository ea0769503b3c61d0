//! The promotion report, one change at a time.

use serde_json::json;

use super::*;

#[test]
fn one_change_fails_the_checks_that_read_it_and_no_others() {
    use DocumentKind as D;
    each_alone(
        ReportKind::Promotion,
        vec![
            (
                D::PromotionEvidence,
                "/parity_status",
                json!("PASS"),
                &["go_parity_evidence"],
            ),
            (
                D::PromotionEvidence,
                "/parity_status",
                json!(" pass"),
                &["go_parity_evidence"],
            ),
            (
                D::PromotionEvidence,
                "/approved",
                json!(false),
                &["go_promotion_approval"],
            ),
            (
                D::PromotionEvidence,
                "/approved",
                json!("true"),
                &["go_parity_evidence", "go_promotion_approval"],
            ),
            (
                D::PromotionEvidence,
                "/approved",
                json!(null),
                &["go_parity_evidence", "go_promotion_approval"],
            ),
            (
                D::PromotionEvidence,
                "/approval/status",
                json!("denied"),
                &["go_promotion_approval"],
            ),
            (
                D::PromotionEvidence,
                "/approval/status",
                json!(true),
                &["go_parity_evidence", "go_promotion_approval"],
            ),
            (
                D::PromotionEvidence,
                "/approval",
                json!("approved"),
                &["go_parity_evidence", "go_promotion_approval"],
            ),
            (
                D::PromotionEvidence,
                "/approval/approval_id",
                json!(7),
                &["go_parity_evidence"],
            ),
            (D::PromotionEvidence, "/evidence_refs", json!([]), &[]),
            (
                D::PromotionEvidence,
                "/evidence_refs",
                json!([""]),
                &["go_parity_evidence"],
            ),
            (
                D::PromotionEvidence,
                "/schema_version",
                json!("v2"),
                &["go_parity_evidence", "go_promotion_approval"],
            ),
            (D::PromotionEvidence, "/anything", json!({"deep": [1, null]}), &[]),
            (
                D::PromotionEvidence,
                "/note",
                json!("Bearer abcdef0123456789"),
                &["go_parity_evidence"],
            ),
            (
                D::PromotionEvidence,
                "/subject/runtime_sha256",
                json!("00"),
                &["go_parity_evidence"],
            ),
            (
                D::PromotionEvidence,
                "/subject/policy_sha256",
                json!("00"),
                &["go_parity_evidence"],
            ),
            (
                D::PromotionEvidence,
                "/subject/reference_sha256",
                json!("00"),
                &["go_parity_evidence"],
            ),
            (
                D::PromotionEvidence,
                "/subject/engine_fingerprint",
                json!("00"),
                &["go_parity_evidence"],
            ),
            (D::PromotionEvidence, "/subject", json!({}), &[]),
            (
                D::PromotionEvidence,
                "/subject",
                json!("x"),
                &["go_parity_evidence"],
            ),
            (
                D::PromotionEvidence,
                "/issued_at",
                json!("2030-06-01T12:04:00Z"),
                &[],
            ),
            (
                D::PromotionEvidence,
                "/issued_at",
                json!("2030-06-01T12:06:00Z"),
                &["go_parity_evidence"],
            ),
            (
                D::PromotionEvidence,
                "/expires_at",
                json!("2030-06-01T12:00:00Z"),
                &["go_parity_evidence"],
            ),
            (
                D::PromotionEvidence,
                "/expires_at",
                json!("2030-06-01"),
                &["go_parity_evidence"],
            ),
        ],
    );
}
