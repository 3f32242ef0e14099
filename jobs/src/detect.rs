//! Which engine has written into a folder.

use std::fs;
use std::path::Path;

use crate::record::EngineName;

/// The engine whose repository is in `folder`, where that can be told.
pub(crate) fn engine_in(folder: &Path) -> Option<EngineName> {
    if folder.join("config").is_file() && folder.join("keys").is_dir() {
        return Some(EngineName::Restic);
    }
    if folder.join("backup.marker").exists() {
        return Some(EngineName::Rsync);
    }
    let mut names = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name());
    let sets: [&[u8]; 3] = [b"duplicity-full", b"duplicity-inc", b"duplicity-new-signatures"];
    let of_duplicity = |name: &[u8]| sets.iter().any(|set| name.windows(set.len()).any(|part| part == *set));
    names
        .any(|name| of_duplicity(name.as_encoded_bytes()))
        .then_some(EngineName::Duplicity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_leaves_its_mark() {
        let folder = tempfile::tempdir().unwrap();
        let is = || engine_in(folder.path());
        assert_eq!(is(), None);
        let set = folder.path().join("p-duplicity-full.20261121T194800Z.vol1.difftar.gz");
        fs::write(&set, "").unwrap();
        assert_eq!(is(), Some(EngineName::Duplicity));
        fs::write(folder.path().join("backup.marker"), "").unwrap();
        assert_eq!(is(), Some(EngineName::Rsync));
        fs::write(folder.path().join("config"), "").unwrap();
        fs::create_dir(folder.path().join("keys")).unwrap();
        assert_eq!(is(), Some(EngineName::Restic));
        assert_eq!(engine_in(&folder.path().join("absent")), None);
    }
}
