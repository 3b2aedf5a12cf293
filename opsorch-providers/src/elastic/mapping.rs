//! What the indices say of their fields: how a field can be compared, and how its time is counted.

use opsorch::{Error, Result, Time, visible};

use super::wire::FieldCaps;

/// How a field is indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Word by word.
    Text,
    /// As a whole.
    Keyword,
    /// As a whole, in an object of which every member is.
    Flattened,
    /// Time in milliseconds.
    Date,
    /// Time in nanoseconds.
    DateNanos,
    /// As an address in the network.
    Address,
    /// As a span of numbers, times or addresses.
    Range,
    /// As a number or the like.
    Other,
}

impl Kind {
    /// The kind of a type; none for what holds no value itself.
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "text" | "match_only_text" | "annotated_text" | "search_as_you_type" | "pattern_text" => Self::Text,
            "keyword" | "constant_keyword" | "wildcard" | "counted_keyword" | "version" | "_index" => Self::Keyword,
            "flattened" | "flat_object" => Self::Flattened,
            "date" => Self::Date,
            "date_nanos" => Self::DateNanos,
            "ip" => Self::Address,
            "object" | "nested" | "passthrough" | "unmapped" => return None,
            range if range.ends_with("_range") => Self::Range,
            _ => Self::Other,
        })
    }
}

/// A field as some indices have it.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The indices that have it so, where others have it otherwise.
    pub(super) indices: Option<Vec<String>>,
}

/// The names below a text under which the whole of it is indexed too.
const WHOLE: [&str; 2] = ["keyword", "raw"];

/// What the indices say of the fields that a query names.
#[derive(Debug)]
pub(super) struct Mapping(FieldCaps);

impl Mapping {
    pub(super) fn new(caps: FieldCaps) -> Self {
        Self(caps)
    }

    /// All that is to be asked about a field: itself, what it is below, and what is below it.
    pub(super) fn names_for(field: &str) -> impl Iterator<Item = String> {
        let above = field.match_indices('.').filter_map(|(end, _)| field.get(..end)).map(str::to_owned);
        let below = WHOLE.iter().map(move |whole| format!("{field}.{whole}"));
        above.chain([field.to_owned()]).chain(below)
    }

    /// Whether there is no index at all.
    pub(super) fn is_of_nothing(&self) -> bool {
        self.0.indices.is_empty()
    }

    /// A field, once for each way in which it is indexed; empty where no index has it.
    ///
    /// # Errors
    /// `Unsupported` for a field that cannot be searched.
    pub(super) fn fields(&self, name: &str) -> Result<Vec<Field>> {
        if let Some(list) = self.above(name).find(|above| self.has(above, "nested")) {
            let message = format!("`{}` is in `{}`, a list of objects of type `nested`", visible(name), visible(list));
            return Err(Error::unsupported(message));
        }
        let Some(types) = self.0.fields.get(name) else {
            let is_flat = self.above(name).any(|above| self.has(above, "flattened") || self.has(above, "flat_object"));
            return Ok(match is_flat {
                true => vec![Field { name: name.to_owned(), kind: Kind::Flattened, indices: None }],
                false => Vec::new(),
            });
        };
        let mut found = Vec::new();
        for (kind, capability) in types {
            let Some(kind) = Kind::of(kind) else { continue };
            if !capability.searchable {
                let message = format!("the field `{}` is not indexed for search", visible(name));
                return Err(Error::unsupported(message));
            }
            found.push(Field { name: name.to_owned(), kind, indices: capability.indices() });
        }
        Ok(found)
    }

    /// As [`fields`](Self::fields), each as it can be compared as a whole.
    ///
    /// # Errors
    /// `Unsupported` also for a text that is indexed by its words alone.
    pub(super) fn whole_fields(&self, name: &str) -> Result<Vec<Field>> {
        let mut fields = self.fields(name)?;
        for field in fields.iter_mut().filter(|field| field.kind == Kind::Text) {
            let mut whole = WHOLE.iter().map(|whole| format!("{name}.{whole}"));
            let whole = whole.find(|whole| self.has(whole, "keyword") || self.has(whole, "wildcard"));
            field.name = whole.ok_or_else(|| {
                let name = visible(name);
                let message = format!(
                    "`{name}` is a text that is indexed word by word, without a `{name}.keyword` beside it, so that it \
                     cannot be compared as a whole; search for words with `search`, or compare another field"
                );
                Error::unsupported(message)
            })?;
            field.kind = Kind::Keyword;
        }
        Ok(fields)
    }

    /// How the field for the time is counted.
    ///
    /// # Errors
    /// `Invalid`, about the configuration, where entries cannot be ordered by it.
    pub(super) fn clock(&self, name: &str) -> Result<Clock> {
        let fields = self.fields(name)?;
        let has = |kind: Kind| fields.iter().any(|field| field.kind == kind);
        let wrong = fields.iter().any(|field| !matches!(field.kind, Kind::Date | Kind::DateNanos));
        if wrong || fields.is_empty() {
            let found = match fields.is_empty() {
                true => "no index has it",
                false => "an index has it as another type",
            };
            let message = format!(
                "expected the name of a field of type `date` or `date_nanos`, by which entries can be ordered, got `{}`: \
                 {found}",
                visible(name)
            );
            return Err(Error::invalid("fields.timestamp", message));
        }
        Ok(match (has(Kind::Date), has(Kind::DateNanos)) {
            (true, true) => Clock::Mixed,
            (false, true) => Clock::Nanoseconds,
            _ => Clock::Milliseconds,
        })
    }

    fn has(&self, name: &str, kind: &str) -> bool {
        self.0.fields.get(name).is_some_and(|types| types.contains_key(kind))
    }

    fn above<'n>(&self, name: &'n str) -> impl Iterator<Item = &'n str> + use<'n> {
        name.match_indices('.').filter_map(move |(end, _)| name.get(..end))
    }
}

/// How the time of entries is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    Milliseconds,
    Nanoseconds,
    /// In some indices so, in others so: the cluster is asked to order by nanoseconds.
    Mixed,
}

impl Clock {
    /// Reads what an entry is ordered by.
    pub(super) fn reader(self) -> fn(i64) -> Option<Time> {
        match self {
            Self::Milliseconds => Time::from_timestamp_millis,
            Self::Nanoseconds | Self::Mixed => |count| Some(Time::from_timestamp_nanos(count)),
        }
    }
}
