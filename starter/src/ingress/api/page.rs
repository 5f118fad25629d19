//! Lists in pages, the newest or best first. A page begins after a key, not at a position, so that nothing is told twice or
//! left out when the list changes between two pages.

use super::super::problem::Problem;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const USUAL: u32 = 50;
const MOST: u32 = 200;

/// Which page of a list.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// `next_cursor` of the page before.
    pub(super) cursor: Option<String>,
    /// Most items of a page; 50 without.
    #[schemars(range(min = 1, max = 200))]
    pub(super) limit: Option<u32>,
}

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// The `cursor` of the next page; null on the last one.
    pub(super) next_cursor: Option<String>,
}

/// A place in a list; lists run from the greatest to the least.
pub(super) type Key = (i64, String);

impl PageQuery {
    /// The page of a list that this asks for.
    pub(super) fn cut<T>(&self, mut list: Vec<T>, key: impl Fn(&T) -> Key) -> Result<Page<T>, Problem> {
        let refused = |detail: &str| Problem::new(StatusCode::BAD_REQUEST, detail);
        let limit = self.limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(refused("`limit` must be 1 to 200"));
        }
        list.sort_by_cached_key(|item| std::cmp::Reverse(key(item)));
        if let Some(cursor) = &self.cursor {
            let after = read(cursor).ok_or_else(|| refused("`cursor` is none that a page gave as `next_cursor`"))?;
            list.retain(|item| key(item) < after);
        }
        let more = list.len() > limit as usize;
        list.truncate(limit as usize);
        let next_cursor = list.last().filter(|_| more).map(|item| {
            let (order, id) = key(item);
            format!("{order}~{id}")
        });
        Ok(Page { items: list, next_cursor })
    }
}

impl<T> Page<T> {
    pub(super) fn map<U>(self, of: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(of).collect(), next_cursor: self.next_cursor }
    }
}

fn read(cursor: &str) -> Option<Key> {
    let (order, id) = cursor.split_once('~')?;
    Some((order.parse().ok()?, id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_together_when_the_list_changes() {
        let page = |list: &[i64], cursor: Option<&str>| {
            let query = PageQuery { cursor: cursor.map(Into::into), limit: Some(2) };
            query.cut(list.to_vec(), |item| (*item, format!("id-{item}"))).unwrap()
        };
        let first = page(&[1, 2, 3, 4, 5], None);
        assert_eq!(first.items, [5, 4]);
        // One came and the last one of the first page went.
        let second = page(&[1, 2, 3, 5, 6], first.next_cursor.as_deref());
        assert_eq!((second.items, second.next_cursor.as_deref()), (vec![3, 2], Some("2~id-2")));
        let last = page(&[1, 2, 3, 5, 6], Some("2~id-2"));
        assert_eq!((last.items, last.next_cursor), (vec![1], None));
        assert_eq!(page(&[1, 2], None).next_cursor, None, "a full page is the last one when nothing follows");
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for (cursor, limit) in [(Some("x"), None), (Some("x~y"), None), (None, Some(0)), (None, Some(201))] {
            let query = PageQuery { cursor: cursor.map(Into::into), limit };
            assert_eq!(query.cut(vec![1], |item| (*item, String::new())).unwrap_err().status, 400);
        }
    }
}
