//! The pages of the made-up site: a home page, lists, and the pages of its movies.
//!
//! Owns: [`Pages`]. May import: `random`, `text`. Must not know: visitors, time, log formats.

use super::random::{Random, Weighted};
use super::text::push_number;

/// Pages `/list/1.html` to `/list/21.html`.
pub(super) const LISTS: u32 = 21;
/// The home page and the lists.
pub(super) const FIXED_PAGES: u32 = 1 + LISTS;

/// First segments of movie pages; further sections are numbered.
const SECTIONS: [&str; 20] = [
    "movie", "series", "actor", "director", "review", "news", "trailer", "genre", "award",
    "festival", "cinema", "ticket", "forum", "user", "video", "photo", "music", "book", "shop",
    "help",
];

/// A page is a number: 0 is `/`, then come the lists, then the movies.
#[derive(Debug)]
pub(super) struct Pages {
    movies: u32,
    sections: Vec<String>,
    popularity: Weighted,
}

impl Pages {
    /// A site with `movies` movie pages spread over `sections` sections, both at least 1.
    pub(super) fn new(movies: u32, sections: u32, random: &mut Random) -> Self {
        let mut shuffled: Vec<u32> = (FIXED_PAGES..FIXED_PAGES + movies).collect();
        random.shuffle(&mut shuffled);
        // By rank: the home page, then a list before every four movies.
        let mut weights = vec![0.0; (FIXED_PAGES + movies) as usize];
        let mut rank = 0.0;
        let mut place = |page: u32| {
            rank += 1.0;
            weights[page as usize] = 1.0 / rank;
        };
        let mut movies_by_rank = shuffled.into_iter();
        place(0);
        for list in 1..=LISTS {
            place(list);
            movies_by_rank.by_ref().take(4).for_each(&mut place);
        }
        movies_by_rank.for_each(&mut place);
        let sections = (0..sections)
            .map(|index| match SECTIONS.get(index as usize) {
                Some(&name) => name.to_owned(),
                None => format!("section{}", index + 1),
            })
            .collect();
        Self { movies, sections, popularity: Weighted::new(&weights) }
    }

    /// How many pages there are.
    pub(super) fn count(&self) -> u32 {
        FIXED_PAGES + self.movies
    }

    /// A page, the popular ones more often: Zipf's law with exponent 1.
    pub(super) fn draw(&self, random: &mut Random) -> u32 {
        self.popularity.draw(random.bits())
    }

    /// Writes a page's path with `slash` for each `/`, which is `/` or `%2F`.
    pub(super) fn write(&self, page: u32, slash: &[u8], output: &mut Vec<u8>) {
        output.extend_from_slice(slash);
        if page == 0 {
            return;
        }
        let number = if page <= LISTS {
            output.extend_from_slice(b"list");
            page
        } else {
            let movie = page - LISTS;
            let section = (movie as usize - 1) % self.sections.len();
            output.extend_from_slice(self.sections[section].as_bytes());
            movie
        };
        output.extend_from_slice(slash);
        push_number(output, u64::from(number));
        output.extend_from_slice(b".html");
    }

    /// A page's path.
    pub(super) fn path(&self, page: u32) -> Vec<u8> {
        let mut path = Vec::new();
        self.write(page, b"/", &mut path);
        path
    }
}

#[cfg(test)]
mod tests {
    use super::{Pages, Random};

    #[test]
    fn paths_are_distinct_and_popular_pages_are_drawn_more_often() {
        let mut random = Random::new(1);
        let pages = Pages::new(1000, 23, &mut random);
        let mut paths: Vec<Vec<u8>> = (0..pages.count()).map(|page| pages.path(page)).collect();
        assert_eq!(paths[0], b"/");
        assert_eq!(paths[21], b"/list/21.html");
        assert_eq!(paths[22], b"/movie/1.html");
        assert_eq!(paths[23], b"/series/2.html");
        assert_eq!(paths[44], b"/section23/23.html");
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), 1022);
        let home = (0..10_000).filter(|_| pages.draw(&mut random) == 0).count();
        // 1 / H(1022) = 13.3 %.
        assert!((1_150..1_550).contains(&home), "{home}");
    }
}
