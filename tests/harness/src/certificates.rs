//! Certificates of authorities that live as long as a test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process;

const PATIENCE: Duration = Duration::from_secs(60);

/// An authority that nobody knows but who is given its certificate.
#[derive(Debug)]
pub struct Authority {
    dir: tempfile::TempDir,
}

/// A server's certificate and its key, PEM files both.
#[derive(Debug, Clone)]
pub struct Certified {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one of this name.
    ///
    /// # Panics
    /// When openssl is not installed.
    pub fn new(name: &str) -> Self {
        let authority = Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
        };
        let own = authority.own();
        openssl(
            Command::new("openssl")
                .args([
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:prime256v1",
                    "-nodes",
                ])
                .args(["-days", "2", "-subj", &format!("/CN={name}"), "-keyout"])
                .arg(&own.key)
                .arg("-out")
                .arg(&own.certificate),
        );
        authority
    }

    /// Its certificate.
    pub fn certificate(&self) -> PathBuf {
        self.own().certificate
    }

    /// Its own certificate and key, as a careless server would use them.
    pub fn own(&self) -> Certified {
        self.at("authority")
    }

    /// A certificate for a server of this name.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn certify(&self, host: &str) -> Certified {
        self.certify_for(host, 2)
    }

    /// As [`Self::certify`], with one that ended yesterday.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn certify_too_late(&self, host: &str) -> Certified {
        self.certify_for(host, -1)
    }

    fn certify_for(&self, host: &str, days: i32) -> Certified {
        let own = self.own();
        let server = self.at(host);
        let request = self.dir.path().join("request");
        openssl(
            Command::new("openssl")
                .args([
                    "req",
                    "-new",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:prime256v1",
                    "-nodes",
                ])
                .args(["-subj", "/CN=a server of a test", "-keyout"])
                .arg(&server.key)
                .arg("-out")
                .arg(&request),
        );
        let names = self.dir.path().join("names");
        std::fs::write(&names, format!("subjectAltName=DNS:{host}\n")).expect("a fresh directory is writable");
        openssl(
            Command::new("openssl")
                .args(["x509", "-req", "-days", &days.to_string(), "-CAcreateserial", "-in"])
                .arg(&request)
                .arg("-CA")
                .arg(&own.certificate)
                .arg("-CAkey")
                .arg(&own.key)
                .arg("-extfile")
                .arg(&names)
                .arg("-out")
                .arg(&server.certificate),
        );
        server
    }

    fn at(&self, name: &str) -> Certified {
        let file = |kind: &str| self.dir.path().join(format!("{name}.{kind}"));
        Certified {
            certificate: file("pem"),
            key: file("key"),
        }
    }
}

impl Certified {
    /// Copies both to where a server wants them.
    ///
    /// # Panics
    /// When the directory is not writable.
    pub fn copy_to(&self, directory: &Path) -> Self {
        let copy = |from: &Path, name: &str| {
            let to = directory.join(name);
            std::fs::copy(from, &to).expect("the directory is writable");
            to
        };
        Self {
            certificate: copy(&self.certificate, "server.pem"),
            key: copy(&self.key, "server.key"),
        }
    }
}

fn openssl(command: &mut Command) {
    let output = process::run(command, PATIENCE);
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
