//! The names of fields as a tree: an entry's source is walked beside it.

use crate::elastic::FieldNames;

/// What a field holds that every entry has a place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Timestamp,
    Message,
    Severity,
    Service,
}

/// A part of a name, and the names that go on from there.
#[derive(Debug, Default)]
pub(in crate::elastic) struct Names {
    part: String,
    place: Option<Place>,
    /// Whether its texts are labels: `labels` of the Elastic Common Schema.
    pub(super) holds_labels: bool,
    parts: Vec<Names>,
}

/// What a name stands for.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) role: Role,
    /// The first name counts before the second one.
    pub(super) rank: usize,
    pub(super) name: String,
}

impl Names {
    pub(in crate::elastic) fn new(fields: &FieldNames) -> Self {
        let mut root = Self::default();
        root.at("labels").holds_labels = true;
        let lists =
            [(Role::Message, &fields.message), (Role::Severity, &fields.severity), (Role::Service, &fields.service)];
        for (role, names) in lists {
            for (rank, name) in names.iter().enumerate() {
                root.at(name).place = Some(Place { role, rank, name: name.clone() });
            }
        }
        root.at(&fields.timestamp).place =
            Some(Place { role: Role::Timestamp, rank: 0, name: fields.timestamp.clone() });
        root
    }

    /// The node of a name, made where there is none.
    fn at(&mut self, name: &str) -> &mut Self {
        name.split('.').fold(self, |node, part| {
            let index = node.parts.iter().position(|known| known.part == part).unwrap_or_else(|| {
                node.parts.push(Self { part: part.to_owned(), ..Self::default() });
                node.parts.len() - 1
            });
            #[allow(clippy::indexing_slicing)] // it was found there, or put there
            &mut node.parts[index]
        })
    }

    /// The node below this one that a key leads to; a key with dots leads as far as several without.
    pub(super) fn below(&self, key: &str) -> Option<&Self> {
        match key.contains('.') {
            true => key.split('.').try_fold(self, Self::part),
            false => self.part(key),
        }
    }

    fn part(&self, part: &str) -> Option<&Self> {
        self.parts.iter().find(|known| known.part == part)
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }
}
