//! The hitmap program. All of it is in the library: see `hitmap::cli`.

fn main() -> std::process::ExitCode {
    hitmap::cli::run()
}
