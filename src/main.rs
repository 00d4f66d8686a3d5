//! The program: reads its arguments, runs, and says by its exit code how it went.

use std::process::ExitCode;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    chipp_proxy::cli::run()
}
