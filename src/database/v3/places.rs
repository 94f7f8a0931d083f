//! Numbers of places (sites, sections, pages) and rows of the calendar.
