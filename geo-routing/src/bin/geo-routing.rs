//! The name server as a program of its own; `meridian geodns` is the same.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use meridian_geo_routing::Cli;

/// Wrong usage, as in sysexits.h.
const USAGE: u8 = 64;

/// Authoritative GeoDNS: the nearest healthy region that the law of the traveller's country allows.
#[derive(Debug, Parser)]
#[command(
    name = "geo-routing",
    version,
    after_help = "Exit codes: 0 done, 1 could not be done (the reason is on standard error), 2 a \
                  check found something wrong, 64 wrong usage."
)]
struct Program {
    /// How log lines look on standard error: text or json.
    #[arg(long, global = true, env = "MERIDIAN_LOG_FORMAT", default_value = "text",
          value_parser = ["text", "json"])]
    log_format: String,
    #[command(flatten)]
    cli: Cli,
}

fn main() -> ExitCode {
    let program = match Program::try_parse() {
        Ok(program) => program,
        Err(error) => {
            // Help and version are answers, everything else is wrong usage.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match program.log_format.as_str() {
        "json" => log.json().init(),
        _ => log.init(),
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(program.cli.run(None)),
        Err(error) => Err(format!("no threads could be had: {error}")),
    };
    outcome.unwrap_or_else(|reason| {
        eprintln!("geo-routing: {reason}");
        ExitCode::FAILURE
    })
}
