//! From values as written to a [`Config`] that cannot be wrong. Every problem is collected; a value that is wrong
//! is replaced by its default meanwhile, so that one mistake does not hide, or cause, another.

use super::environment::Environment;
use super::problem::{Problem, Problems};
use super::raw::{RawConfig, RawParameters, RawTelemetry};
use super::sources::Sources;
use super::{Config, LimitsStore, LogFormat, LogLevel, ResponsesStore, SessionStore, Telemetry};
use crate::translate::request::{OnParameter, Parameters};

mod auth;
mod limits;
mod models;
mod reader;
mod redis;
mod resilience;
mod responses;
mod server;
mod sessions;
mod upstream;

use reader::{Read, Reader};

/// Checks it all. `problems` are those that are already known.
pub(super) fn check(
    raw: RawConfig,
    environment: &Environment,
    sources: &mut Sources,
    problems: Vec<Problem>,
) -> Result<Config, Problems> {
    let mut reader = Reader::new(environment, sources, problems);
    let raw_auth = raw.auth.unwrap_or_default();
    let raw_upstream = raw.upstream.unwrap_or_default();
    let server = server::check(&mut reader, &raw.server.unwrap_or_default());
    let upstream = upstream::check(&mut reader, &raw_upstream);
    let mode = auth::mode(&mut reader, &raw_auth, server.listen);
    let key = models::default_key(&mut reader, &raw_upstream, mode);
    let raw_models = raw.models.unwrap_or_default();
    let models = models::check(&mut reader, &raw_models, mode, &key);
    let auth = auth::check(&mut reader, &raw_auth, mode, &raw_models);
    let sessions = sessions::check(&mut reader, &raw.sessions.unwrap_or_default());
    let responses = responses::check(&mut reader, &raw.responses.unwrap_or_default());
    let limits = limits::check(&mut reader, &raw.limits.unwrap_or_default());
    let in_redis = [
        (sessions.store == SessionStore::Redis, "sessions.store: redis"),
        (responses.store == ResponsesStore::Redis, "responses.store: redis"),
        (limits.store == LimitsStore::Redis, "limits.store: redis"),
    ];
    let needs_redis = in_redis.into_iter().find_map(|(is_there, setting)| is_there.then_some(setting));
    let redis = redis::check(&mut reader, &raw.redis.unwrap_or_default(), needs_redis);
    let parameters = parameters(&mut reader, &raw.parameters.unwrap_or_default());
    let telemetry = telemetry(&mut reader, &raw.telemetry.unwrap_or_default());
    reader.finish()?;
    Ok(Config { server, upstream, models, auth, sessions, responses, limits, redis, parameters, telemetry })
}

fn parameters(reader: &mut Reader<'_>, raw: &RawParameters) -> Parameters {
    Parameters {
        unsupported: reader.value("parameters.unsupported", raw.unsupported.as_ref()).or(OnParameter::Ignore),
        unknown: reader.value("parameters.unknown", raw.unknown.as_ref()).or(OnParameter::Ignore),
    }
}

fn telemetry(reader: &mut Reader<'_>, raw: &RawTelemetry) -> Telemetry {
    if let Read::Good(otlp) = reader.value("telemetry.otlp", raw.otlp.as_ref())
        && otlp.0.is_some()
    {
        reader.problem("telemetry.otlp", "is not supported yet; use `off`");
    }
    Telemetry {
        log: reader.value("telemetry.log", raw.log.as_ref()).or(LogFormat::Json),
        level: reader.value("telemetry.level", raw.level.as_ref()).or(LogLevel::Info),
        content: reader.value("telemetry.content", raw.content.as_ref()).or(false),
    }
}
