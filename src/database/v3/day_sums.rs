//! Sums over a day of a site.
