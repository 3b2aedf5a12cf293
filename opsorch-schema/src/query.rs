//! A read, as one value.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::operation::with_operations;
use crate::*;

macro_rules! define_query {
    (
        read { $($read:ident $name:literal $capability:ident $repeat:ident $input:ty => $variant:ident($output:ty), $doc:literal;)+ }
        write { $($write:tt)+ }
    ) => {
        /// A read, as one value: an operation with its input.
        ///
        /// Exhaustive on purpose: a `match` that forgets an operation does not compile. On the wire it is
        /// `{"operation": "ticket.get", "input": "T-1"}`.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::exhaustive_enums)]
        pub enum Query {
            $(#[doc = concat!("`", $name, "`: ", $doc, ".")] $read($input),)+
        }

        impl Query {
            /// The operation this is a call of.
            pub fn operation(&self) -> Operation {
                match self {
                    $(Self::$read(_) => Operation::$read,)+
                }
            }

            /// Reads the input of an operation, from a [`Value`](serde_json::Value) or straight from any format.
            ///
            /// # Errors
            /// When the operation is not a read, or the input does not fit it.
            pub fn from_parts<'de, D: Deserializer<'de>>(operation: Operation, input: D) -> Result<Self, D::Error> {
                match operation {
                    $(Operation::$read => <$input>::deserialize(input).map(Self::$read),)+
                    other => Err(D::Error::custom(format!("{other} is a change, not a read"))),
                }
            }
        }

        impl Serialize for Query {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut parts = serializer.serialize_struct("Query", 2)?;
                parts.serialize_field("operation", &self.operation())?;
                match self {
                    $(Self::$read(input) => parts.serialize_field("input", input)?,)+
                }
                parts.end()
            }
        }
    };
}
with_operations!(define_query);

impl<'de> Deserialize<'de> for Query {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = Parts::deserialize(deserializer)?;
        Self::from_parts(parts.operation, parts.input).map_err(D::Error::custom)
    }
}

/// An operation and its input, before the input is read. It goes through a [`Value`] so that the meaning does
/// not depend on the order of the keys, nor on the features `serde_json` was built with.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parts {
    pub(crate) operation: Operation,
    #[serde(default)]
    pub(crate) input: Value,
}

impl JsonSchema for Query {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Query".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        parts_schema(generator, Effect::Read)
    }
}

/// `{"operation", "input"}` for each operation of an effect.
pub(crate) fn parts_schema(generator: &mut schemars::SchemaGenerator, effect: Effect) -> schemars::Schema {
    let all = Operation::ALL.iter().filter(|operation| operation.effect() == effect);
    let alternatives: Vec<_> = all
        .map(|operation| {
            let input = operation.input_schema(generator);
            schemars::json_schema!({
                "type": "object",
                "properties": { "operation": { "const": operation.name() }, "input": input },
                "required": ["operation", "input"],
                "additionalProperties": false,
            })
        })
        .collect();
    schemars::json_schema!({ "oneOf": alternatives })
}

/// The inputs that belong to exactly one operation.
macro_rules! from_inputs {
    ($($input:ident => $variant:ident,)+) => {$(
        impl From<$input> for Query {
            fn from(input: $input) -> Self {
                Self::$variant(input)
            }
        }
    )+};
}
from_inputs! {
    IncidentQuery => IncidentQuery,
    AlertQuery => AlertQuery,
    LogQuery => LogQuery,
    MetricQuery => MetricQuery,
    TicketQuery => TicketQuery,
    ServiceQuery => ServiceQuery,
    DeploymentQuery => DeploymentQuery,
    TeamQuery => TeamQuery,
    PlanQuery => OrchestrationPlansQuery,
    RunQuery => OrchestrationRunsQuery,
}
