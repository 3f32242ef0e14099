use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypto::{Kdf, Password, SealingKey};
use crate::{Error, Result};

/// A file in `keys`: the repository's key, sealed with a key made from a password.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyFile {
    /// When it was made.
    #[serde(default)]
    pub created: String,
    /// By whom.
    #[serde(default)]
    pub username: String,
    /// Where.
    #[serde(default)]
    pub hostname: String,
    kdf: String,
    #[serde(rename = "N")]
    n: u32,
    r: u32,
    p: u32,
    salt: String,
    data: String,
}

#[derive(Serialize, Deserialize)]
struct MasterJson {
    mac: MacJson,
    encrypt: Zeroizing<String>,
}

#[derive(Serialize, Deserialize)]
struct MacJson {
    k: Zeroizing<String>,
    r: Zeroizing<String>,
}

impl KeyFile {
    /// Seals `master` with `password`.
    pub fn new(master: &SealingKey, password: &Password, user: &str, host: &str, created: String) -> Result<Self> {
        let kdf = Kdf::NEW;
        let mut salt = [0; 64];
        getrandom::fill(&mut salt).map_err(Error::Random)?;
        let sealed = kdf.derive(password, &salt)?.seal(&master_json(master)?)?;
        Ok(Self {
            created,
            username: user.to_owned(),
            hostname: host.to_owned(),
            kdf: "scrypt".to_owned(),
            n: kdf.n,
            r: kdf.r,
            p: kdf.p,
            salt: BASE64.encode(&salt),
            data: BASE64.encode(&sealed),
        })
    }

    /// Opens it: the repository's key, or `None` when the password does not fit.
    pub fn open(&self, password: &Password, object: &str) -> Result<Option<SealingKey>> {
        if self.kdf != "scrypt" {
            return Err(Error::damaged(
                object,
                format!("its key derivation `{}` is not known", self.kdf),
            ));
        }
        let decode = |text: &str| {
            BASE64
                .decode(text.as_bytes())
                .map_err(|_| Error::damaged(object, "not base64"))
        };
        let key = Kdf {
            n: self.n,
            r: self.r,
            p: self.p,
        }
        .derive(password, &decode(&self.salt)?)?;
        let mut sealed = Zeroizing::new(decode(&self.data)?);
        let Ok(json) = key.open_in_place(&mut sealed) else {
            return Ok(None);
        };
        let master = read_master(json).ok_or_else(|| Error::damaged(object, "its content is no key"))?;
        Ok(Some(master))
    }
}

fn master_json(master: &SealingKey) -> Result<Zeroizing<Vec<u8>>> {
    let (encrypt, k, r) = master.parts();
    let text = |bytes: &[u8]| Zeroizing::new(BASE64.encode(bytes));
    let json = MasterJson {
        mac: MacJson { k: text(k), r: text(r) },
        encrypt: text(encrypt),
    };
    let bytes = serde_json::to_vec(&json).map_err(|error| Error::damaged("a key", error.to_string()))?;
    Ok(Zeroizing::new(bytes))
}

fn read_master(json: &[u8]) -> Option<SealingKey> {
    let json: MasterJson = serde_json::from_slice(json).ok()?;
    let part = |text: &str| BASE64.decode(text.as_bytes()).ok().map(Zeroizing::new);
    let (encrypt, k, r) = (part(&json.encrypt)?, part(&json.mac.k)?, part(&json.mac.r)?);
    let key = SealingKey::from_parts(*encrypt.first_chunk()?, *k.first_chunk()?, *r.first_chunk()?);
    (encrypt.len() == 32 && k.len() == 16 && r.len() == 16).then_some(key)
}
