//! TLS with libpq's meaning of `sslmode`.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;
use vllm_rollback_engine::failure::Failure;

use super::target::{Target, TlsMode};

/// The connector for a target. It is made also when TLS will not be used: that is the client library's part.
pub(super) fn connector(target: &Target) -> Result<MakeRustlsConnect, Failure> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let lenient = |chain| Arc::new(LenientVerifier { chain, algorithms });
    let verifier: Arc<dyn ServerCertVerifier> = match target.tls {
        // As libpq: encrypted, but nobody knows with whom.
        TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => lenient(None),
        TlsMode::VerifyCa => lenient(Some(known(target, &provider)?)),
        TlsMode::VerifyFull => known(target, &provider)?,
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::usage("TLS cannot be set up").caused_by(&error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Checks chain and name against the target's authorities.
fn known(target: &Target, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, Failure> {
    let mut roots = RootCertStore::empty();
    match &target.root_certificates {
        Some(path) => roots.add_parsable_certificates(from_file(path)?),
        None => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    };
    if roots.is_empty() {
        let place = target
            .root_certificates
            .as_ref()
            .map_or("the system".to_owned(), |p| p.display().to_string());
        return Err(Failure::usage(format!("no certificate authority was found in {place}"))
            .next("name a PEM file in the connection string: sslrootcert=FILE"));
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| Failure::usage("the certificate authorities cannot be used").caused_by(&error))
}

fn from_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let wrong = |why: String| {
        Failure::usage(format!("sslrootcert {} cannot be read", path.display()))
            .because(why)
            .next("name a PEM file with the certificate of the authority")
    };
    CertificateDer::pem_file_iter(path)
        .map_err(|e| wrong(e.to_string()))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| wrong(e.to_string()))
}

/// Asks less of a server's certificate than its whole meaning: nothing without a chain to check (`sslmode=require`), else
/// only that a known authority signed it (`sslmode=verify-ca`). That the server holds the certificate's key is always checked.
#[derive(Debug)]
struct LenientVerifier {
    chain: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for LenientVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        // The chain is checked before the name, so an error about the name says that the chain is good.
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
