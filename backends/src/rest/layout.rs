use engine_api::Key;

use crate::http::escape;

/// The folders of a repository.
pub(super) const FOLDERS: [&str; 5] = ["data", "index", "keys", "locks", "snapshots"];

/// The one object beside the folders.
pub(super) const CONFIG: &str = "config";

/// The path on the server, escaped; `None` for a key that the protocol has no place for.
pub(super) fn remote_name(key: &Key) -> Option<String> {
    let parts: Vec<&[u8]> = key.as_bytes().split(|&byte| byte == b'/').collect();
    let (folder, name) = match parts.as_slice() {
        [name] if *name == CONFIG.as_bytes() => return Some(CONFIG.to_owned()),
        [b"data", first_two, name] if name.len() > 2 && first_two.len() == 2 && name.starts_with(first_two) => {
            ("data", *name)
        }
        [folder, name] if *folder != b"data" => {
            let known = FOLDERS.iter().find(|known| known.as_bytes() == *folder)?;
            (*known, *name)
        }
        _ => return None,
    };
    Some(format!("{folder}/{}", escape::value(name)))
}

/// How restic's own server names what is still being uploaded, after the object's name; it lists these among the objects.
const UPLOAD: &str = ".rest-server-temp";

/// The key of the object that the server lists as `name` in `folder`; `None` for what is no object of a repository.
pub(super) fn key_of(folder: &str, name: &str) -> Option<Key> {
    if name.contains(UPLOAD) {
        return None;
    }
    let key = match (folder, name.get(..2)) {
        ("data", Some(first_two)) => Key::new(format!("data/{first_two}/{name}")),
        ("data", None) => return None,
        _ => Key::new(format!("{folder}/{name}")),
    };
    key.ok().filter(|key| remote_name(key).is_some())
}
