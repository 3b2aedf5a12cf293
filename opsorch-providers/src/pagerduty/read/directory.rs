//! Pages through the lists that PagerDuty orders by name, and that are narrowed here.

use opsorch::{Context, Cursor, Error, Item, Page, Result};

use crate::pagerduty::KIND;
use crate::pagerduty::api::{Api, List, Parameters, Rest, WALL, is_id};
use crate::pagerduty::wire::Part;

/// The place after an item: how many came up to it, and which it was. That it still stands there is checked when the list
/// is read on, so that what was put in or taken out meanwhile neither repeats nor hides anything.
#[derive(Clone, Debug)]
struct Place {
    count: usize,
    id: String,
}

impl Place {
    fn parse(cursor: &Cursor) -> Result<Self> {
        let foreign = || Error::invalid("cursor", "expected the `next` of a page of this provider, got something else");
        let (count, id) = cursor.as_str().split_once(',').ok_or_else(foreign)?;
        let count = count.parse().ok().filter(|count| (1..=WALL).contains(count)).ok_or_else(foreign)?;
        if is_id(id) { Ok(Self { count, id: id.to_owned() }) } else { Err(foreign()) }
    }

    fn cursor(&self) -> Cursor {
        Cursor::new(format!("{},{}", self.count, self.id))
    }
}

/// A list that is narrowed here.
#[derive(Debug)]
pub(super) struct Directory<'a, M> {
    pub(super) api: &'a Api,
    pub(super) path: &'a [&'a str],
    pub(super) parameters: Parameters,
    /// What an item is in the schema; `None` for one without an id.
    pub(super) map: M,
}

impl<M> Directory<'_, M> {
    /// The items that come after a cursor and are meant, up to a size.
    pub(super) async fn page<P: Part, T: Item>(
        &self,
        cx: &Context,
        size: usize,
        cursor: Option<&Cursor>,
        is_meant: impl Fn(&T) -> bool,
    ) -> Result<Page<T>>
    where
        M: Fn(P::Item) -> Option<T>,
    {
        let start = cursor.map(Place::parse).transpose()?;
        let mut count = match &start {
            Some(start) => self.count_up_to::<P, T>(cx, start).await?,
            None => 0,
        };
        let (mut found, mut place, mut list) = (Vec::new(), start, self.list().from(count));
        let began = count;
        loop {
            let (items, rest) = match list.next::<P>(cx).await {
                // What was read is kept. The cursor leads on when PagerDuty answers again.
                Err(error) if error.is_retryable() && count > began => {
                    return Ok(after(found, place).failure(error.to_source_failure(KIND)));
                }
                part => part?,
            };
            for item in items {
                count += 1;
                let Some(item) = (self.map)(item) else { continue };
                if found.len() == size {
                    return Ok(after(found, place));
                }
                place = Some(Place { count, id: item.key().to_owned() });
                found.extend(Some(item).filter(&is_meant));
            }
            match rest {
                Rest::More => {}
                Rest::Nothing => return Ok(Page::new(found)),
                Rest::Beyond => {
                    return Ok(Page::new(found).truncated(format!("PagerDuty gives {WALL} of a list at most")));
                }
            }
        }
    }

    /// How many items come up to the one at a place: as many as before, or as many as it takes to find it.
    ///
    /// # Errors
    /// `Invalid` where it is gone.
    async fn count_up_to<P: Part, T: Item>(&self, cx: &Context, place: &Place) -> Result<usize>
    where
        M: Fn(P::Item) -> Option<T>,
    {
        let is_it = |item: P::Item| (self.map)(item).is_some_and(|item| item.key() == place.id);
        let (there, _) = self.list().from(place.count - 1).page(1).next::<P>(cx).await?;
        if there.into_iter().any(is_it) {
            return Ok(place.count);
        }
        let (all, _) = self.list().all::<P>(cx).await?;
        all.into_iter().position(is_it).map(|index| index + 1).ok_or_else(|| {
            Error::invalid("cursor", "what the cursor points to is gone; begin with the first page again")
        })
    }

    fn list(&self) -> List<'_> {
        self.api.list(self.path, self.parameters.clone())
    }
}

fn after<T>(found: Vec<T>, place: Option<Place>) -> Page<T> {
    Page::new(found).next(place.as_ref().map(Place::cursor))
}
