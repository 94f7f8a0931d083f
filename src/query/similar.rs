//! Existing names that a name without data may have been meant for.
//!
//! Owns: [`Similar`]. May import: std. Must not know: what is named.

/// Names to suggest, at most.
const SUGGESTED: usize = 3;
/// Longer names are not compared letter by letter.
const LONGEST: usize = 200;

/// Finds the names that are most like a wanted one, among any number of names.
#[derive(Debug)]
pub(super) struct Similar {
    wanted: String,
    /// The best so far, best first: how unlike they are, and the names.
    found: Vec<(usize, String)>,
}

/// The letters that count: neither case nor slashes around them.
fn core(name: &str) -> String {
    name.trim_matches('/').to_lowercase()
}

impl Similar {
    pub(super) fn new(wanted: &str) -> Self {
        Self { wanted: core(wanted), found: Vec::new() }
    }

    /// Looks at a name.
    pub(super) fn add(&mut self, name: &str) {
        let Some(distance) = self.distance(&core(name)) else { return };
        let place = self.found.partition_point(|(other, known)| {
            (*other, known.len(), known.as_str()) < (distance, name.len(), name)
        });
        if place < SUGGESTED && self.found.get(place).is_none_or(|(_, known)| known != name) {
            self.found.insert(place, (distance, name.to_owned()));
            self.found.truncate(SUGGESTED);
        }
    }

    /// The names, the likest first. Names that are like the wanted one but for case and slashes stand alone.
    pub(super) fn into_names(mut self) -> Vec<String> {
        if self.found.first().is_some_and(|&(distance, _)| distance == 0) {
            self.found.retain(|&(distance, _)| distance == 0);
        }
        self.found.into_iter().map(|(_, name)| name).collect()
    }

    /// How unlike a name is; `None` if it is not like the wanted one.
    fn distance(&self, name: &str) -> Option<usize> {
        if self.wanted == name {
            return Some(0);
        }
        if self.wanted.is_empty() || name.is_empty() {
            return None;
        }
        let most = (self.wanted.chars().count() / 3).clamp(1, 3);
        let by_letters = changed_letters(&self.wanted, name, most);
        // A longer name, of which the beginning or the end was written: after all slips of the pen.
        let is_part = name.starts_with(&self.wanted) || name.ends_with(&self.wanted);
        by_letters.or((is_part && self.wanted.len() > 1).then_some(most + 1))
    }
}

/// The letters that must be changed, added or left out to get from one name to the other, or swapped with their neighbour; at
/// most `most`.
fn changed_letters(one: &str, other: &str, most: usize) -> Option<usize> {
    if one.len() > LONGEST || other.len().abs_diff(one.len()) > 4 * most {
        return None;
    }
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // Rows of the matrix of optimal string alignment: before the last one, the last one.
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.iter().enumerate() {
        let mut next = vec![index + 1];
        for (place, other_letter) in other.iter().enumerate() {
            let same = row[place] + usize::from(letter != other_letter);
            let mut least = same.min(row[place + 1] + 1).min(next[place] + 1);
            let is_swapped = index > 0
                && place > 0
                && one[index - 1] == *other_letter
                && other[place - 1] == *letter;
            if is_swapped {
                least = least.min(before[place - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().filter(|&letters| letters <= most)
}

#[cfg(test)]
mod tests {
    use super::{Similar, changed_letters};

    fn similar(wanted: &str, names: &[&str]) -> Vec<String> {
        let mut similar = Similar::new(wanted);
        names.iter().for_each(|name| similar.add(name));
        similar.into_names()
    }

    #[test]
    fn slashes_and_case_are_forgiven_first() {
        let names = ["/blog/", "/blogs/", "/block/", "/movie/", "/"];
        assert_eq!(similar("blog", &names), ["/blog/"]);
        assert_eq!(similar("/Blog", &names), ["/blog/"]);
        assert_eq!(similar("/bolg/", &names), ["/blog/"]);
        assert_eq!(similar("moive", &names), ["/movie/"]);
        assert_eq!(similar("mov", &names), ["/movie/"]);
        assert!(similar("shop", &names).is_empty() && similar("x", &names).is_empty());
        assert!(similar("", &["/blog/"]).is_empty());
        assert_eq!(similar("", &["/", "/blog/"]), ["/"]);
    }

    #[test]
    fn a_few_are_suggested_the_likest_first() {
        let pages =
            ["/list/13.html", "/list/12.html", "/list/112.html", "/list/1.html", "/list/12.html"];
        let found = similar("list/12.htm", &pages);
        assert_eq!(found, ["/list/12.html", "/list/1.html", "/list/13.html"]);
        assert!(similar(&"x".repeat(5_000), &["/list/"]).is_empty());
    }

    #[test]
    fn letters_are_counted() {
        for (one, other, letters) in [
            ("blog", "blog", Some(0)),
            ("blog", "bolg", Some(1)),
            ("blog", "log", Some(1)),
            ("blog", "blogs", Some(1)),
            ("ü", "u", Some(1)),
            ("blog", "shop", None),
        ] {
            assert_eq!(changed_letters(one, other, 2), letters, "{one} {other}");
            assert_eq!(changed_letters(other, one, 2), letters, "{other} {one}");
        }
    }
}
