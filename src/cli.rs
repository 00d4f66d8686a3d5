//! The command line. Logs go to standard error, answers to standard output.
//!
//! Exit codes: 0 it went well, 1 a problem was found, 2 the command line is not understood (from clap).

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{Application, Origin};
use crate::config::{self, Config, Environment, LogFormat, LogLevel, Sources};
use crate::emulator::{self, Emulator};
use crate::proxy::Question;
use crate::session::Fingerprinter;
use crate::telemetry;
use crate::{explain, sandbox};

/// What a client key begins with, so that scanners for secrets can find it.
const KEY_PREFIX: &str = "chipp-proxy-";

/// How long `health` waits.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Parser)]
#[command(version, about, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ConfigFile,
}

#[derive(Subcommand)]
enum Command {
    /// Run the proxy; also what no command means
    Serve(ConfigFile),
    /// Run the proxy with a pretend Chipp behind it: no account, no file, no key
    Sandbox(Listen),
    /// Run the pretend Chipp alone
    Emulate(Emulate),
    /// Validate a configuration; print every problem with its key path
    Check(ConfigFile),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Print the effective configuration, defaults filled in and secrets masked
    Config(ConfigFile),
    /// Print what becomes of each parameter; or of one request, without sending it
    Explain(Explain),
    /// Client keys
    #[command(subcommand)]
    Key(Key),
    /// Ask a running proxy whether it takes requests; for container health checks
    Health(Health),
}

#[derive(Subcommand)]
enum Key {
    /// Make a key: it is printed once, with the entry for `auth.keys` that knows only its SHA-256
    New {
        /// The entry's name, for logs and limits
        name: String,
    },
}

#[derive(Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "config.yaml")]
    config: PathBuf,
}

#[derive(Args)]
struct Explain {
    /// The body of a chat completion request; `-` is standard input
    #[arg(value_name = "REQUEST.json")]
    request: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Args)]
struct Listen {
    /// Where clients connect; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

#[derive(Args)]
struct Emulate {
    /// Where the proxy connects; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8181")]
    listen: SocketAddr,
    /// Take also what Chipp does not document, in place of refusing it
    #[arg(long)]
    lenient: bool,
}

#[derive(Args)]
struct Health {
    /// The proxy's admin address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    admin: SocketAddr,
}

/// Runs the program.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let environment = Environment::from_process();
    let done = match arguments.command.unwrap_or(Command::Serve(arguments.serve)) {
        Command::Serve(file) => serve(&file.config, &environment),
        Command::Sandbox(listen) => sandbox(listen.listen, &environment),
        Command::Emulate(options) => emulate(&options),
        Command::Check(file) => check(&file.config, &environment),
        Command::Schema => print(&config::schema()),
        Command::Config(file) => show(&file.config, &environment),
        Command::Explain(Explain { request: None, .. }) => print(&explain::parameter_table()),
        Command::Explain(Explain { request: Some(request), file }) => {
            explain_request(&request, &file.config, &environment)
        }
        Command::Key(Key::New { name }) => new_key(&name),
        Command::Health(health) => ask_health(health.admin),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; then the exit code has to do.
            let _ = writeln!(std::io::stderr(), "chipp-proxy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(file: &Path, environment: &Environment) -> anyhow::Result<()> {
    let mut sources = Sources::default();
    let config = Config::load_noting(file, environment, &mut sources);
    let config = config.map_err(|problems| problems_of(file, &problems))?;
    let origin = Origin { file: file.to_owned(), environment: environment.clone(), sources };
    let log = telemetry::init(config.telemetry.log, config.telemetry.level, environment.get("RUST_LOG"));
    allow_many_connections();
    actix_rt::System::new().block_on(async {
        let (auth, models) = (config.auth.mode(), config.models.routes().count());
        let application = Application::build(config)?.follow(origin, log.dial())?;
        let stopped = stopped()?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            listen = %application.listen(),
            admin = application.admin().map(tracing::field::display),
            auth,
            models,
            "serving"
        );
        Ok(application.run_until(stopped).await?)
    })
}

fn sandbox(listen: SocketAddr, environment: &Environment) -> anyhow::Result<()> {
    let emulator = Emulator::start(emulator::Options::default()).context("cannot start the emulator")?;
    let config = sandbox::config(listen, &emulator.base_url())?;
    let _log = telemetry::init(LogFormat::Pretty, LogLevel::Info, environment.get("RUST_LOG"));
    allow_many_connections();
    actix_rt::System::new().block_on(async {
        let application = Application::build(config).context("use --listen to choose another address")?;
        print(&sandbox::welcome(application.listen()))?;
        Ok(application.run_until(stopped()?).await?)
    })
}

fn emulate(options: &Emulate) -> anyhow::Result<()> {
    let strict = if options.lenient { emulator::Strictness::Lenient } else { emulator::Strictness::Strict };
    let options = emulator::Options { listen: options.listen, strict, ..emulator::Options::default() };
    let emulator = Emulator::start(options).context("cannot start the emulator")?;
    print(&format!("Chipp's chat API is pretended at {}\n\n{}", emulator.base_url(), emulator::describe()))?;
    actix_rt::System::new().block_on(async {
        stopped()?.await;
        anyhow::Ok(())
    })
}

fn check(file: &Path, environment: &Environment) -> anyhow::Result<()> {
    let config = load(file, environment)?;
    let noun = match config.models.routes().count() {
        1 => "1 model".to_owned(),
        count => format!("{count} models"),
    };
    print(&format!("{}: no problems; {noun}\n", file.display()))
}

fn show(file: &Path, environment: &Environment) -> anyhow::Result<()> {
    print(&load(file, environment)?.show())
}

/// A refusal is printed as the client would get it, so that the two can be compared.
fn explain_request(request: &Path, file: &Path, environment: &Environment) -> anyhow::Result<()> {
    let config = load(file, environment)?;
    let body = if request == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body).map(|_| body)
    } else {
        std::fs::read(request)
    };
    let body = body.with_context(|| format!("cannot read {}", request.display()))?;
    let fingerprinter = Fingerprinter::random().context("the system gives no randomness")?;
    let told = Question::guess(body.into()).and_then(|question| {
        explain::request(&question, &config, &fingerprinter).map(|explanation| explanation.to_string())
    });
    match told {
        Ok(explanation) => print(&explanation),
        Err(error) => {
            print(&format!("{}\n", String::from_utf8_lossy(&error.to_json())))?;
            anyhow::bail!("the client would get this error, with status {}", error.status)
        }
    }
}

/// A prefix that secret scanners can match, and 256 random bits.
fn new_key(name: &str) -> anyhow::Result<()> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).context("the system gives no randomness")?;
    let key = format!("{KEY_PREFIX}{}", hex(&secret));
    let hash = hex(&Sha256::digest(key.as_bytes()));
    // A JSON string is a YAML string, whatever is in the name.
    let name = serde_json::to_string(name)?;
    print(&format!(
        "{key}\n\nIt is shown this once. The entry for auth.keys:\n\n    - name: {name}\n      sha256: [{hash}]\n"
    ))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

fn load(file: &Path, environment: &Environment) -> anyhow::Result<Config> {
    Config::load(file, environment).map_err(|problems| problems_of(file, &problems))
}

fn problems_of(file: &Path, problems: &config::Problems) -> anyhow::Error {
    let count = problems.iter().count();
    let noun = if count == 1 { "problem" } else { "problems" };
    anyhow::anyhow!("{count} {noun} in {}\n{problems}", file.display())
}

/// A stream needs two sockets, and a shell's usual 1,024 files would end at 500 streams.
fn allow_many_connections() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Ready at the first SIGTERM or SIGINT.
fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn ask_health(admin: SocketAddr) -> anyhow::Result<()> {
    let mut connection =
        TcpStream::connect_timeout(&admin, HEALTH_TIMEOUT).context("the proxy does not answer")?;
    connection.set_read_timeout(Some(HEALTH_TIMEOUT))?;
    connection.set_write_timeout(Some(HEALTH_TIMEOUT))?;
    write!(connection, "GET /readyz HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).context("the proxy does not answer")?;
    anyhow::ensure!(answer.starts_with(b"HTTP/1.1 200 "), "the proxy takes no requests");
    print("ready\n")
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
