//! The schema of a request: its parser is written by hand, and so is this, from the
//! same list of fields.

use std::borrow::Cow;

use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, SchemaType};
use utoipa::openapi::{Object, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::model::REQUEST_FIELDS;

/// A text without NUL.
const NO_NUL: &str = r"^[^\u0000]*$";

/// The `Request` of the document.
pub(super) struct RequestSchema;

impl ToSchema for RequestSchema {
    fn name() -> Cow<'static, str> {
        "Request".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((AnyValue::name().into_owned(), AnyValue::schema()));
    }
}

impl PartialSchema for RequestSchema {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new()
            .description(Some("One action that an agent wants to take. `null` is absent. Other fields are kept and judge nothing."))
            .required("action_type")
            .property_names(Some(text()))
            .additional_properties(Some(AdditionalProperties::RefOr(Ref::from_schema_name(AnyValue::name()).into())));
        let object = REQUEST_FIELDS.iter().fold(object, |object, (name, meaning)| {
            let mut field = text();
            field.description = Some((*meaning).to_owned());
            if *name != "action_type" {
                field.schema_type = SchemaType::from_iter([Type::String, Type::Null]);
            }
            object.property(*name, field)
        });
        object.into()
    }
}

/// Any JSON value in which no text holds NUL.
struct AnyValue;

impl ToSchema for AnyValue {
    fn name() -> Cow<'static, str> {
        "AnyValue".into()
    }
}

impl PartialSchema for AnyValue {
    fn schema() -> RefOr<Schema> {
        let itself = || Ref::from_schema_name(Self::name());
        let scalar = |kind| ObjectBuilder::new().schema_type(kind).build();
        let object = ObjectBuilder::new()
            .property_names(Some(text()))
            .additional_properties(Some(AdditionalProperties::RefOr(itself().into())));
        OneOfBuilder::new()
            .description(Some("Any JSON value in which no text holds NUL."))
            .item(scalar(Type::Null))
            .item(scalar(Type::Boolean))
            .item(scalar(Type::Number))
            .item(text())
            .item(ArrayBuilder::new().items(itself()))
            .item(object)
            .into()
    }
}

fn text() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(NO_NUL))
        .build()
}
