//! Parsing of a PostgreSQL connection string, TLS included.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use vllm_rollback_engine::failure::Failure;

use super::dsn::Dsn;

/// `sslmode`, with libpq's meaning (PostgreSQL 17, §32.19.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// Never TLS.
    Disable,
    /// TLS when the server offers it; its certificate is not checked.
    Prefer,
    /// TLS or nothing; its certificate is not checked.
    Require,
    /// TLS with a certificate of a known authority, whatever its name.
    VerifyCa,
    /// TLS with a certificate of a known authority for this host.
    VerifyFull,
}

/// A parsed connection string.
#[derive(Clone)]
pub(super) struct Target {
    /// For the client library.
    pub(super) config: Config,
    /// Use of TLS.
    pub(super) tls: TlsMode,
    /// Authorities in a PEM file; none means the system's.
    pub(super) root_certificates: Option<PathBuf>,
}

impl Target {
    /// Parses a URL or libpq's `key=value` words. `sslmode=verify-…` and `sslrootcert` are ours, since the client library
    /// does not know them.
    pub(super) fn parse(dsn: &Dsn) -> Result<Self, Failure> {
        let (rest, settings) = take_tls(dsn.expose());
        let (tls, root_certificates) = tls_of(settings).map_err(|why| wrong(dsn, why))?;
        // The library's texts name options and positions, never values.
        let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
            let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            wrong(dsn, &reason)
        })?;
        if config.get_hosts().is_empty() {
            return Err(wrong(dsn, "it names no host"));
        }
        config.application_name("vllm-rollback");
        config.ssl_mode(match tls {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            _ => SslMode::Require,
        });
        Ok(Self {
            config,
            tls,
            root_certificates,
        })
    }

    /// `db:5432/models`, for messages and evidence.
    pub(super) fn place(&self) -> String {
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts().iter().enumerate().map(|(at, host)| {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        });
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("{}/{database}", hosts.collect::<Vec<_>>().join(","))
    }

    /// Takes the password out of a text that may quote it.
    pub(super) fn scrub(&self, text: &str) -> String {
        match self.config.get_password().map(String::from_utf8_lossy) {
            Some(password) if !password.is_empty() => text.replace(password.as_ref(), "<redacted>"),
            _ => text.to_owned(),
        }
    }
}

fn wrong(dsn: &Dsn, why: &str) -> Failure {
    Failure::usage(format!(
        "the connection string in {} is not a PostgreSQL connection string",
        dsn.origin()
    ))
    .because(why)
    .next("it looks like postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full")
}

/// As libpq understands them together (PostgreSQL 17, §32.19.1 and `sslrootcert` in §32.1.2): an authority that is named is
/// not ignored by `require`, and with the system's authorities nothing less than the host's name is checked.
fn tls_of(settings: Vec<(String, String)>) -> Result<(TlsMode, Option<PathBuf>), &'static str> {
    let (mut said, mut authorities) = (None, None);
    for (key, value) in settings {
        if key == "sslmode" {
            let known = mode(&value);
            said = Some(known.ok_or("sslmode is none of disable, allow, prefer, require, verify-ca, verify-full")?);
        } else {
            authorities = Some(value);
        }
    }
    match (said, authorities) {
        (None | Some(TlsMode::VerifyFull), Some(system)) if system == "system" => Ok((TlsMode::VerifyFull, None)),
        (Some(_), Some(system)) if system == "system" => Err("sslrootcert=system goes with sslmode=verify-full only"),
        (Some(TlsMode::Require), Some(file)) => Ok((TlsMode::VerifyCa, Some(file.into()))),
        (said, authorities) => Ok((said.unwrap_or(TlsMode::Prefer), authorities.map(PathBuf::from))),
    }
}

fn mode(word: &str) -> Option<TlsMode> {
    Some(match word {
        "disable" => TlsMode::Disable,
        "allow" | "prefer" => TlsMode::Prefer,
        "require" => TlsMode::Require,
        "verify-ca" => TlsMode::VerifyCa,
        "verify-full" => TlsMode::VerifyFull,
        _ => return None,
    })
}

fn is_tls(key: &str) -> bool {
    matches!(key, "sslmode" | "sslrootcert")
}

/// Splits off `sslmode` and `sslrootcert`.
fn take_tls(text: &str) -> (String, Vec<(String, String)>) {
    let mut taken = Vec::new();
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        let Some((base, query)) = text.split_once('?') else {
            return (text.to_owned(), taken);
        };
        let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let kept: Vec<&str> = query
            .split('&')
            .filter(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                let ours = is_tls(key);
                if ours {
                    taken.push((key.to_owned(), decode(value)));
                }
                !ours
            })
            .collect();
        let rest = if kept.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", kept.join("&"))
        };
        return (rest, taken);
    }
    let mut kept = Vec::new();
    for word in words(text) {
        match word.split_once('=') {
            Some((key, value)) if is_tls(key) => taken.push((key.to_owned(), value.trim_matches('\'').to_owned())),
            _ => kept.push(word),
        }
    }
    (kept.join(" "), taken)
}

/// libpq's words: separated by white space outside of single quotes.
fn words(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|c: char| {
        if escaped {
            escaped = false;
            return false;
        }
        match c {
            '\\' => escaped = true,
            '\'' => quoted = !quoted,
            _ => {}
        }
        c.is_whitespace() && !quoted
    })
    .filter(|word| !word.is_empty())
    .collect()
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::failure::FailureKind;

    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Target, Failure> {
        Target::parse(&Dsn::new(text, "$DSN").unwrap())
    }

    #[test]
    fn tls_settings_are_read_from_both_forms() {
        for text in [
            "postgres://u:p@db:6432/m?sslrootcert=%2Fca.pem&connect_timeout=3&sslmode=verify-full",
            "host=db port=6432 user=u password='p' dbname=m sslmode=verify-full sslrootcert=/ca.pem",
        ] {
            let target = parse(text).unwrap();
            assert_eq!(target.tls, TlsMode::VerifyFull);
            assert_eq!(
                target.root_certificates.as_deref(),
                Some(std::path::Path::new("/ca.pem"))
            );
            assert_eq!(target.place(), "db:6432/m");
        }
        assert_eq!(parse("postgres://u@db/m").unwrap().tls, TlsMode::Prefer);
    }

    #[test]
    fn an_authority_that_is_named_is_used() {
        let tls = |settings: &str| parse(&format!("postgres://u@db/m?{settings}")).map(|target| target.tls);
        assert_eq!(tls("sslmode=require").unwrap(), TlsMode::Require);
        assert_eq!(tls("sslmode=require&sslrootcert=/ca.pem").unwrap(), TlsMode::VerifyCa);
        assert_eq!(tls("sslrootcert=system").unwrap(), TlsMode::VerifyFull);
        assert!(tls("sslmode=verify-ca&sslrootcert=system").is_err());
        let system = parse("postgres://u@db/m?sslmode=verify-full&sslrootcert=system").unwrap();
        assert_eq!(system.root_certificates, None);
    }

    #[test]
    fn a_quoted_password_with_blanks_stays_whole() {
        let target = parse(r"host=db user=u password='a \'sslmode=disable b' sslmode=require").unwrap();
        assert_eq!(target.tls, TlsMode::Require);
        assert_eq!(target.config.get_password(), Some(&b"a 'sslmode=disable b"[..]));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        for text in [
            "postgres://u:hunter2@db/m?sslmode=yes",
            "postgres://u:hunter2@db/m?sslcert=x",
            "postgres://u:hunter2@db:port/m",
            "mysql://u:hunter2@db/m",
            "user=u password=hunter2",
            "hunter2",
        ] {
            let Err(failure) = parse(text) else {
                panic!("{text} was taken")
            };
            assert_eq!(failure.kind, FailureKind::Usage);
            assert!(!failure.to_string().contains("hunter2"), "{failure}");
            assert!(failure.to_string().contains("$DSN"), "{failure}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in ".{1,80}", tail in "[a-z=&?%' \\\\]{0,40}") {
            for text in [text.clone(), format!("postgres://{text}"), format!("postgres://h/d?{tail}"), tail.clone()] {
                if let Ok(dsn) = Dsn::new(&text, "$DSN") {
                    let _ = Target::parse(&dsn);
                }
            }
        }
    }
}
