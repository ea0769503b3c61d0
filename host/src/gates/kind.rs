//! The seven reports and what they are called where.

macro_rules! kinds {
    ($($variant:ident $command:literal $route:literal $key:literal $schema:literal $meaning:literal;)*) => {
        /// One of the seven reports.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ReportKind {
            $(#[doc = $meaning] $variant,)*
        }

        impl ReportKind {
            /// Every report, in the order of the specification.
            pub const ALL: [Self; 7] = [$(Self::$variant,)*];

            /// The subcommand of `cavra runtime` that prints it.
            pub const fn command(self) -> &'static str {
                match self { $(Self::$variant => $command,)* }
            }

            /// The last segment of its path under `/runtime/go-pilot/`.
            pub const fn route(self) -> &'static str {
                match self { $(Self::$variant => $route,)* }
            }

            /// Its key in the production report.
            pub const fn production_key(self) -> &'static str {
                match self { $(Self::$variant => $key,)* }
            }

            /// Its `schema_version`.
            pub const fn schema_version(self) -> &'static str {
                match self { $(Self::$variant => $schema,)* }
            }

            /// What it asks, in one line.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

kinds! {
    Readiness "go-pilot-readiness" "readiness" "go_backend_pilot"
        "cavra.go-backend-pilot.readiness.v1"
        "Whether the fast path can be run at all";
    Deployment "go-deployment-readiness" "deployment-readiness" "go_backend_deployment"
        "cavra.go-backend-pilot.deployment-readiness.v1"
        "Whether the deployment documents are complete and agree";
    Promotion "go-promotion-readiness" "promotion-readiness" "go_backend_promotion"
        "cavra.go-backend-pilot.promotion-readiness.v1"
        "Whether promotion is evidenced and approved";
    Rollback "go-rollback-readiness" "rollback-readiness" "go_backend_rollback"
        "cavra.go-backend-pilot.rollback-readiness.v1"
        "Whether there is an approved way back";
    Rehearsal "go-rollback-rehearsal" "rollback-rehearsal" "go_backend_rollback_rehearsal"
        "cavra.go-backend-pilot.rollback-rehearsal.v1"
        "Whether the way back was rehearsed in time";
    DrillHistory "go-rollback-drills" "rollback-drills" "go_backend_rollback_drill_history"
        "cavra.go-backend-pilot.rollback-drill-history.v1"
        "Whether the latest rollback drill passed and is fresh";
    DrillSchedule "go-rollback-drill-schedule" "rollback-drill-schedule" "go_backend_rollback_drill_schedule"
        "cavra.go-backend-pilot.rollback-drill-schedule.v1"
        "Whether the next rollback drill is planned and not overdue";
}
