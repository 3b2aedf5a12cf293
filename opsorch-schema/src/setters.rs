//! The consuming builder methods of the domain types, written once.

/// Writes builder methods inside an `impl` block, a line for each:
///
/// * `some service: String;` sets an optional field,
/// * `each statuses as status: IncidentStatus;` adds to a list,
/// * `entry fields as field: Value;` adds to a map, replacing what was there under the key,
/// * `scope;` narrows the scope of a query,
/// * `page;` says how much of the result is wanted.
macro_rules! setters {
    () => {};
    (some $field:ident: $type:ty; $($rest:tt)*) => {
        #[doc = concat!("Sets `", stringify!($field), "`.")]
        pub fn $field(mut self, $field: impl Into<$type>) -> Self {
            self.$field = Some($field.into());
            self
        }
        setters! { $($rest)* }
    };
    (each $field:ident as $one:ident: $type:ty; $($rest:tt)*) => {
        #[doc = concat!("Adds one to `", stringify!($field), "`.")]
        pub fn $one(mut self, $one: impl Into<$type>) -> Self {
            self.$field.push($one.into());
            self
        }
        setters! { $($rest)* }
    };
    (entry $field:ident as $one:ident: $type:ty; $($rest:tt)*) => {
        #[doc = concat!("Adds an entry to `", stringify!($field), "`; a key that is there already gets the new value.")]
        pub fn $one(mut self, key: impl Into<String>, value: impl Into<$type>) -> Self {
            self.$field.insert(key.into(), value.into());
            self
        }
        setters! { $($rest)* }
    };
    (scope; $($rest:tt)*) => {
        /// Narrows the scope to a service.
        pub fn service(mut self, service: impl Into<String>) -> Self {
            self.scope.service = Some(service.into());
            self
        }

        /// Narrows the scope to a team.
        pub fn team(mut self, team: impl Into<String>) -> Self {
            self.scope.team = Some(team.into());
            self
        }

        /// Narrows the scope to an environment.
        pub fn environment(mut self, environment: impl Into<String>) -> Self {
            self.scope.environment = Some(environment.into());
            self
        }
        setters! { $($rest)* }
    };
    (page; $($rest:tt)*) => {
        /// Sets how many items a page has at most.
        pub fn limit(mut self, limit: u32) -> Self {
            self.limit = Some(limit);
            self
        }

        /// Continues where the previous page ended.
        pub fn after(mut self, cursor: crate::Cursor) -> Self {
            self.cursor = Some(cursor);
            self
        }

        /// How many items a page has at most: the limit, or [`DEFAULT_LIMIT`](crate::DEFAULT_LIMIT).
        pub fn page_size(&self) -> u32 {
            self.limit.unwrap_or(crate::DEFAULT_LIMIT)
        }
        setters! { $($rest)* }
    };
}
pub(crate) use setters;
