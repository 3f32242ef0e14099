//! Keys: which part of one encrypts, signs or decrypts.

use std::io::Write;

use pgp::composed::{PublicOrSecret, SignedPublicKey, SignedPublicSubKey, SignedSecretKey};
use pgp::packet::{
    OnePassSignature, PacketTrait, PublicKey, PublicKeyEncryptedSessionKey, PublicSubkey, SecretKey, SecretSubkey,
    Signature, SignatureConfig, SignatureHasher, SignatureType, Subpacket, SubpacketData,
};
use pgp::types::{KeyDetails, KeyId, Password, SigningKey, Timestamp};
use rand_core::OsRng;

use super::error::CryptError;

/// The keys in an export; more than one may be.
fn parse(bytes: &[u8], what: &'static str) -> Result<Vec<PublicOrSecret>, CryptError> {
    let no_key = |error: pgp::errors::Error| CryptError::NoKey {
        what,
        why: error.to_string(),
    };
    let (keys, _) = PublicOrSecret::from_reader_many(bytes).map_err(no_key)?;
    let keys = keys.collect::<Result<Vec<_>, _>>().map_err(no_key)?;
    if keys.is_empty() {
        let why = "there is none in it".to_owned();
        return Err(CryptError::NoKey { what, why });
    }
    Ok(keys)
}

/// The public keys in an export, of secret keys their public parts.
pub(super) fn public(bytes: &[u8]) -> Result<Vec<SignedPublicKey>, CryptError> {
    let keys = parse(bytes, "public")?.into_iter();
    let public = |key| match key {
        PublicOrSecret::Public(key) => key,
        PublicOrSecret::Secret(key) => key.to_public_key(),
    };
    Ok(keys.map(public).collect())
}

/// The secret keys in an export, unlocked.
pub(super) fn unlocked(bytes: &[u8], passwords: &[Password]) -> Result<Vec<SignedSecretKey>, CryptError> {
    let mut unlocked = Vec::new();
    for key in parse(bytes, "secret")? {
        let PublicOrSecret::Secret(mut key) = key else {
            let why = "it is a public one".to_owned();
            return Err(CryptError::NoKey { what: "secret", why });
        };
        let id = key.primary_key.legacy_key_id().to_string();
        let tried = |unlock: &mut dyn FnMut(&Password) -> bool| {
            if unlock(&Password::empty()) || passwords.iter().any(unlock) {
                Ok(())
            } else {
                Err(CryptError::Locked { id: id.clone() })
            }
        };
        // A primary key may be kept elsewhere: then only what is here is unlocked.
        let primary = tried(&mut |password| key.primary_key.remove_password(password).is_ok());
        for subkey in &mut key.secret_subkeys {
            tried(&mut |password| subkey.key.remove_password(password).is_ok())?;
        }
        if key.secret_subkeys.is_empty() {
            primary?;
        }
        unlocked.push(key);
    }
    Ok(unlocked)
}

/// What can be done with a valid subkey or primary key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Encrypt,
    Sign,
}

impl Use {
    fn is_allowed_by(self, signature: &Signature) -> bool {
        let flags = signature.key_flags();
        match self {
            Self::Encrypt => flags.encrypt_storage() || flags.encrypt_comms(),
            Self::Sign => flags.sign(),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Sign => "sign",
        }
    }
}

/// The part of a key for a use: the newest valid subkey, else the primary key; `None` stands for that.
fn part(key: &SignedPublicKey, wanted: Use) -> Result<Option<PublicSubkey>, CryptError> {
    let unusable = |why| CryptError::Unusable {
        id: key.primary_key.legacy_key_id().to_string(),
        what: wanted.name(),
        why,
    };
    let revoked = key.details.revocation_signatures.iter();
    if revoked
        .into_iter()
        .any(|signature| signature.verify_key(&key.primary_key).is_ok())
    {
        return Err(unusable("it was revoked"));
    }
    let about = primary_signature(key);
    if about.is_some_and(|signature| expired(&key.primary_key, signature)) {
        return Err(unusable("it has expired"));
    }
    let mut found: Option<&SignedPublicSubKey> = None;
    let mut stale = false;
    for subkey in &key.public_subkeys {
        let Some(binding) = binding(key, subkey).filter(|binding| wanted.is_allowed_by(binding)) else {
            continue;
        };
        if expired(&subkey.key, binding) {
            stale = true;
        } else if found.is_none_or(|other| other.key.created_at() < subkey.key.created_at()) {
            found = Some(subkey);
        }
    }
    match found {
        Some(subkey) => Ok(Some(subkey.key.clone())),
        None if about.is_some_and(|signature| wanted.is_allowed_by(signature)) => Ok(None),
        None if stale => Err(unusable("its subkey for that has expired")),
        None => Err(unusable("it has no valid subkey for that")),
    }
}

/// The newest signature that says what the primary key is for.
fn primary_signature(key: &SignedPublicKey) -> Option<&Signature> {
    let users = key.details.users.iter().flat_map(|user| {
        let by_itself = |signature: &&Signature| {
            signature
                .verify_certification(&key.primary_key, pgp::types::Tag::UserId, &user.id)
                .is_ok()
        };
        user.signatures.iter().filter(by_itself)
    });
    let direct = key.details.direct_signatures.iter();
    let direct = direct.filter(|signature| signature.verify_key(&key.primary_key).is_ok());
    users.chain(direct).max_by_key(|signature| signature.created())
}

/// The newest signature that binds a subkey, unless it was revoked.
fn binding<'a>(key: &SignedPublicKey, subkey: &'a SignedPublicSubKey) -> Option<&'a Signature> {
    let valid = |signature: &&Signature| signature.verify_subkey_binding(&key.primary_key, &subkey.key).is_ok();
    let mut valid = subkey.signatures.iter().filter(valid);
    let revocation = |signature: &Signature| signature.typ() == Some(SignatureType::SubkeyRevocation);
    if valid.clone().any(revocation) {
        return None;
    }
    let newest = valid.next()?;
    Some(valid.fold(newest, |newest, other| {
        if other.created() > newest.created() {
            other
        } else {
            newest
        }
    }))
}

fn expired(key: &impl KeyDetails, signature: &Signature) -> bool {
    let lifetime = signature
        .key_expiration_time()
        .map_or(0, |lifetime| u64::from(lifetime.as_secs()));
    let end = u64::from(key.created_at().as_secs()) + lifetime;
    lifetime != 0 && end <= u64::from(Timestamp::now().as_secs())
}

/// Who can read what is written.
pub(super) struct Recipient {
    key: PublicPart,
    hidden: bool,
}

enum PublicPart {
    Primary(PublicKey),
    Subkey(PublicSubkey),
}

/// The recipients in an export of public keys.
pub(super) fn recipients(bytes: &[u8], hidden: bool) -> Result<Vec<Recipient>, CryptError> {
    let recipient = |key: SignedPublicKey| {
        let key = match part(&key, Use::Encrypt)? {
            Some(subkey) => PublicPart::Subkey(subkey),
            None => PublicPart::Primary(key.primary_key),
        };
        Ok(Recipient { key, hidden })
    };
    public(bytes)?.into_iter().map(recipient).collect()
}

impl Recipient {
    /// Writes the session key of a message for this recipient.
    pub(super) fn wrap(&self, session_key: &[u8], to: &mut dyn Write) -> Result<(), CryptError> {
        use pgp::crypto::sym::SymmetricKeyAlgorithm::AES256;
        let session_key = session_key.into();
        let mut packet = match &self.key {
            PublicPart::Primary(key) => {
                PublicKeyEncryptedSessionKey::from_session_key_v3(OsRng, &session_key, AES256, key)
            }
            PublicPart::Subkey(key) => {
                PublicKeyEncryptedSessionKey::from_session_key_v3(OsRng, &session_key, AES256, key)
            }
        }?;
        if let (true, PublicKeyEncryptedSessionKey::V3 { id, .. }) = (self.hidden, &mut packet) {
            *id = KeyId::WILDCARD;
        }
        Ok(packet.to_writer_with_header(&mut Forward(to))?)
    }
}

/// Who signs what is written.
pub(super) struct Signer {
    key: SecretPart,
}

enum SecretPart {
    Primary(Box<SecretKey>),
    Subkey(Box<SecretSubkey>),
}

impl Signer {
    pub(super) fn new(bytes: &[u8], passwords: &[Password]) -> Result<Self, CryptError> {
        let key = unlocked(bytes, passwords)?.into_iter().next();
        let key = key.ok_or(CryptError::Nothing)?;
        let key = match part(&key.to_public_key(), Use::Sign)? {
            None => SecretPart::Primary(Box::new(key.primary_key.clone())),
            Some(wanted) => {
                let id = wanted.legacy_key_id();
                let mut subkeys = key.secret_subkeys.iter();
                let subkey = subkeys.find(|subkey| subkey.key.legacy_key_id() == id);
                let subkey = subkey.ok_or(CryptError::Unusable {
                    id: id.to_string(),
                    what: "sign",
                    why: "its secret part is not in the export",
                })?;
                SecretPart::Subkey(Box::new(subkey.key.clone()))
            }
        };
        Ok(Self { key })
    }

    fn key(&self) -> &dyn SigningKey {
        match &self.key {
            SecretPart::Primary(key) => key.as_ref(),
            SecretPart::Subkey(key) => key.as_ref(),
        }
    }

    /// Writes what stands before the content, and gives what its bytes go to.
    pub(super) fn begin(&self, to: &mut dyn Write) -> Result<SignatureHasher, CryptError> {
        let key = self.key();
        let (kind, hash, algorithm) = (SignatureType::Binary, key.hash_alg(), key.algorithm());
        let mut config = SignatureConfig::v4(kind, algorithm, hash);
        config.hashed_subpackets = vec![
            Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
            Subpacket::regular(SubpacketData::SignatureCreationTime(Timestamp::now()))?,
        ];
        let issuer = Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))?;
        config.unhashed_subpackets = vec![issuer];
        let announced = OnePassSignature::v3(kind, hash, algorithm, key.legacy_key_id());
        announced.to_writer_with_header(&mut Forward(to))?;
        Ok(config.into_hasher()?)
    }

    /// Writes the signature behind the content.
    pub(super) fn finish(&self, hasher: SignatureHasher, to: &mut dyn Write) -> Result<(), CryptError> {
        let signature = hasher.sign(self.key(), &Password::empty())?;
        Ok(signature.to_writer_with_header(&mut Forward(to))?)
    }
}

/// A writer whose type is known, for those who ask for one.
struct Forward<'a>(&'a mut dyn Write);

impl Write for Forward<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}
