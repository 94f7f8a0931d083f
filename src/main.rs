//! The hitmap program: everything is in the library's `cli`.

fn main() -> std::process::ExitCode {
    hitmap::cli::run()
}
