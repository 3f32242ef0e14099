use std::sync::Arc;

use engine_api::Cause;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

/// Where systems keep the certificates that everybody trusts: Debian's, Red Hat's, SUSE's and Alpine's places.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Which servers are believed to be who they say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// Those whose certificate this machine's own list of authorities vouches for.
    #[default]
    System,
    /// Those that an authority of this PEM text vouches for.
    Authority(Vec<u8>),
    /// The one whose certificate has this SHA-256 fingerprint, whatever else is in it.
    Pinned([u8; 32]),
    /// Anybody: the connection is encrypted, and nobody knows to whom.
    Insecure,
}

impl Trust {
    pub(super) fn config(&self) -> Result<ClientConfig, Cause> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Cause::new(error.to_string()).lasting())?;
        let config = match self {
            Self::System => builder.with_root_certificates(system_roots()?),
            Self::Authority(pem) => builder.with_root_certificates(roots(pem)?),
            Self::Pinned(fingerprint) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pin::new(Some(*fingerprint), &provider))),
            Self::Insecure => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pin::new(None, &provider))),
        };
        Ok(config.with_no_client_auth())
    }

    /// The authorities that it believes in, as DER, for a protocol that has its own client; `None` where it goes by other
    /// means than authorities.
    ///
    /// # Errors
    /// When there is no certificate where there should be one.
    pub fn authorities(&self) -> Result<Option<Vec<Vec<u8>>>, Cause> {
        let pem = match self {
            Self::System => system_bundle()?,
            Self::Authority(pem) => pem.clone(),
            Self::Pinned(_) | Self::Insecure => return Ok(None),
        };
        roots(&pem)?;
        let usable = |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
        let certificates = CertificateDer::pem_slice_iter(&pem).flatten().filter(usable);
        Ok(Some(certificates.map(|certificate| certificate.to_vec()).collect()))
    }
}

fn system_roots() -> Result<RootCertStore, Cause> {
    roots(&system_bundle()?)
}

fn system_bundle() -> Result<Vec<u8>, Cause> {
    let bundle = SYSTEM_BUNDLES.iter().find_map(|path| std::fs::read(path).ok());
    bundle.ok_or_else(|| {
        Cause::new("this machine has no list of certificate authorities")
            .with_hint("install the package ca-certificates, or give the record the server's certificate authority")
            .lasting()
    })
}

fn roots(pem: &[u8]) -> Result<RootCertStore, Cause> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
    if store.is_empty() {
        return Err(Cause::new("the certificate authority's file has no certificate in it")
            .with_hint("give a PEM file, which begins with -----BEGIN CERTIFICATE-----")
            .lasting());
    }
    Ok(store)
}

/// Believes one certificate, or any; the server must in both cases own the certificate's key.
#[derive(Debug)]
struct Pin {
    fingerprint: Option<[u8; 32]>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pin {
    fn new(fingerprint: Option<[u8; 32]>, provider: &CryptoProvider) -> Self {
        Self {
            fingerprint,
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found: [u8; 32] = Sha256::digest(certificate).into();
        match self.fingerprint {
            Some(wanted) if wanted != found => Err(CertificateError::ApplicationVerificationFailure.into()),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What is wrong with a server's certificate, and what can be done about it.
pub(super) fn distrust(error: &CertificateError) -> Cause {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => {
            Cause::new("the server's certificate has expired").with_hint("have the server's certificate renewed")
        }
        E::NotValidYet | E::NotValidYetContext { .. } => Cause::new("the server's certificate is not valid yet")
            .with_hint("check the clocks of this machine and of the server"),
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            Cause::new("the server's certificate is for another name")
                .with_hint("use the name that is in the certificate as the address")
        }
        E::UnknownIssuer => Cause::new("the server's certificate is signed by nobody whom this machine trusts")
            .with_hint("if the server signs its own, give the record its certificate authority"),
        E::ApplicationVerificationFailure => Cause::new("the server's certificate is not the one that was agreed on")
            .with_hint("if the server has a new certificate, give the record its fingerprint"),
        other => Cause::new(format!("the server's certificate is no good ({other})")),
    }
}
