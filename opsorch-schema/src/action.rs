//! A change, as one value.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::operation::with_operations;
use crate::query::{Parts, parts_schema};
use crate::*;

macro_rules! define_action {
    (
        read { $($read:tt)+ }
        write { $($write:ident $name:literal $capability:ident $repeat:ident $input:ident => $variant:ident($output:ty), $doc:literal;)+ }
    ) => {
        /// A change, as one value: an operation with its input. It does nothing by itself; it is submitted.
        ///
        /// Exhaustive on purpose: a `match` that forgets an operation does not compile. On the wire it is
        /// `{"operation": "ticket.create", "input": {"title": "disk full"}}`.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::exhaustive_enums)]
        pub enum Action {
            $(#[doc = concat!("`", $name, "`: ", $doc, ".")] $write($input),)+
        }

        impl Action {
            /// The operation this is a call of.
            pub fn operation(&self) -> Operation {
                match self {
                    $(Self::$write(_) => Operation::$write,)+
                }
            }

            /// Reads the input of an operation, from a [`Value`](serde_json::Value) or straight from any format.
            ///
            /// # Errors
            /// When the operation is not a change, or the input does not fit it.
            pub fn from_parts<'de, D: Deserializer<'de>>(operation: Operation, input: D) -> Result<Self, D::Error> {
                match operation {
                    $(Operation::$write => <$input>::deserialize(input).map(Self::$write),)+
                    other => Err(D::Error::custom(format!("{other} is a read, not a change"))),
                }
            }
        }

        impl Serialize for Action {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut parts = serializer.serialize_struct("Action", 2)?;
                parts.serialize_field("operation", &self.operation())?;
                match self {
                    $(Self::$write(input) => parts.serialize_field("input", input)?,)+
                }
                parts.end()
            }
        }

        // Every input belongs to exactly one operation.
        $(impl From<$input> for Action {
            fn from(input: $input) -> Self {
                Self::$write(input)
            }
        })+
    };
}
with_operations!(define_action);

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = Parts::deserialize(deserializer)?;
        Self::from_parts(parts.operation, parts.input).map_err(D::Error::custom)
    }
}

impl JsonSchema for Action {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Action".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        parts_schema(generator, Effect::Write)
    }
}
