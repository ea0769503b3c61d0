//! The drill history and the drill schedule.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::shape::{
    Active, AnyList, AnyObject, Anything, At, Date, Disabled, NonEmpty, ObjectOrList, Pass, Positive, Reader,
    Shape, Text, True, object,
};
use super::{Binding, Model, Subject};

object! {
    /// The rollback drills that were made.
    pub(crate) DrillHistory (document) {
        /// Where they were made.
        optional environment: Text,
        /// The drills; the latest counts, and of several of one time the last.
        required drills: Drills,
        /// What it is about.
        optional subject: Subject,
        /// When it was issued.
        optional issued_at: Date,
        /// When it stops holding.
        optional expires_at: Date,
    }
}

object! {
    /// A rollback drill.
    pub(crate) Drill {
        /// Its id.
        optional drill_id: Anything,
        /// When it was.
        required executed_at: Date,
        /// Who made it.
        optional actor: Anything,
        /// The mode that was left.
        optional source_mode: Anything,
        /// The mode that was gone back to.
        required target_mode: Disabled,
        /// How it went.
        required status: Pass,
        /// The fallback was seen to work.
        required fallback_verified: True,
        /// How long going back took, in minutes.
        required recovery_minutes: Positive,
        /// How long it may take, in minutes.
        required max_recovery_minutes: Positive,
        /// Where the evidence is.
        required evidence_refs: NonEmpty<Text>,
        /// The runbook.
        required runbook_ref: Text,
        /// What it is about.
        optional subject: Subject,
        /// When it was issued.
        optional issued_at: Date,
        /// When it stops holding.
        optional expires_at: Date,
    }
}

object! {
    /// A drill of which only the time counts.
    pub(crate) Moment {
        /// When it was.
        required executed_at: Date,
    }
}

/// All drills, and the latest of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Drills {
    /// How many there are.
    pub(crate) count: usize,
    /// Where the latest stands.
    pub(crate) latest_index: usize,
    /// When it was.
    pub(crate) latest_at: Date,
    /// The latest.
    pub(crate) latest: Drill,
}

impl Drills {
    /// A history of one drill.
    pub(crate) fn one(at: Date, drill: Drill) -> Self {
        Self {
            count: 1,
            latest_index: 0,
            latest_at: at,
            latest: drill,
        }
    }

    /// The JSON pointer of the latest drill.
    pub(crate) fn pointer(&self) -> String {
        format!("/drills/{}", self.latest_index)
    }
}

impl Shape for Drills {
    fn read(value: &Value, at: &At<'_>, reader: &mut Reader) -> Option<Self> {
        let drills = reader.list(value, at)?;
        if drills.is_empty() {
            reader.wanted(at, value, "a list that is not empty");
            return None;
        }
        let mut latest: Option<(usize, Date)> = None;
        let mut dated = 0_usize;
        for (i, drill) in drills.iter().enumerate() {
            let moment = Moment::read(drill, &At::Index(at, i), reader);
            let Some(date) = moment.and_then(|it| it.executed_at.given().cloned()) else {
                continue;
            };
            dated = dated.saturating_add(1);
            // Of equal dates the last.
            if latest
                .as_ref()
                .is_none_or(|(_, known)| known.moment <= date.moment)
            {
                latest = Some((i, date));
            }
        }
        // One without a date may be the latest.
        let (latest_index, latest_at) = latest.filter(|_| dated == drills.len())?;
        let latest = Drill::read(drills.get(latest_index)?, &At::Index(at, latest_index), reader)?;
        Some(Self {
            count: drills.len(),
            latest_index,
            latest_at,
            latest,
        })
    }
}

/// A history is written with its latest drill alone.
impl Serialize for Drills {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [&self.latest].serialize(serializer)
    }
}

impl JsonSchema for Drills {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Drills".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // Which of several is the latest cannot be said; one alone is.
        json_schema!({
            "type": "array",
            "minItems": 1,
            "items": generator.subschema_for::<Moment>(),
            "if": { "maxItems": 1 },
            "then": { "items": generator.subschema_for::<Drill>() },
        })
    }
}

impl Model for DrillHistory {
    const SCHEMA: &'static str = "cavra.go-backend-rollback-drill-history.v1";

    fn bindings(&self) -> Vec<Binding<'_>> {
        let own = Binding {
            at: String::new(),
            subject: self.subject.given(),
            issued_at: self.issued_at.given(),
            expires_at: self.expires_at.given(),
        };
        let latest = self.drills.given().map(|drills| Binding {
            at: drills.pointer(),
            subject: drills.latest.subject.given(),
            issued_at: drills.latest.issued_at.given(),
            expires_at: drills.latest.expires_at.given(),
        });
        std::iter::once(own).chain(latest).collect()
    }
}

object! {
    /// When the next rollback drill is due, and who is told.
    pub(crate) DrillSchedule (document) {
        /// Its id.
        required schedule_id: Text,
        /// Where drills are made.
        optional environment: Anything,
        /// Whether it is followed.
        required status: Active,
        /// How many days apart drills are.
        required interval_days: Positive,
        /// When the next is due; where absent, an interval after the latest drill.
        optional next_due_at: Date,
        /// Who is told.
        required owners: NonEmpty<Text>,
        /// By what.
        required notification_providers: NonEmpty<Text>,
        /// The runbook.
        required runbook_ref: Text,
        /// How each owner is reached.
        optional owner_routes: ObjectOrList,
        /// The same; read where `owner_routes` is absent.
        optional routing_rules: ObjectOrList,
        /// When no drills are made.
        optional maintenance_windows: AnyList,
        /// The owners' calendars.
        optional owner_calendars: AnyObject,
        /// What it is about.
        optional subject: Subject,
        /// When it was issued.
        optional issued_at: Date,
        /// When it stops holding.
        optional expires_at: Date,
    }
}

impl Model for DrillSchedule {
    const SCHEMA: &'static str = "cavra.go-backend-rollback-drill-schedule.v1";

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![Binding {
            at: String::new(),
            subject: self.subject.given(),
            issued_at: self.issued_at.given(),
            expires_at: self.expires_at.given(),
        }]
    }
}
