use super::layout::{key_of, remote_name};
use super::*;

fn remote(name: &str) -> Option<String> {
    remote_name(&Key::new(name).unwrap())
}

#[test]
fn the_layout_is_that_of_the_protocol() {
    assert_eq!(remote("config").as_deref(), Some("config"));
    assert_eq!(remote("data/ab/abcd").as_deref(), Some("data/abcd"));
    assert_eq!(remote("keys/12 4").as_deref(), Some("keys/12%204"));
    for none in [
        "data/abcd",
        "data/ab/cdef",
        "data/ab/ab",
        "other/x",
        "keys/a/b",
        "configs",
        "data",
    ] {
        assert_eq!(remote(none), None, "{none}");
    }
    assert_eq!(key_of("data", "abcd"), Key::new("data/ab/abcd").ok());
    assert_eq!(key_of("locks", "x"), Key::new("locks/x").ok());
    assert_eq!(key_of("data", "a"), None);
    assert_eq!(key_of("keys", ".."), None);
    assert_eq!(
        key_of("data", "abcd.rest-server-temp682875"),
        None,
        "it is not there yet"
    );
}

#[test]
fn the_address_is_made_of_the_record() {
    let mut settings = Settings {
        host: "backup.example.org".to_owned(),
        directory: "/my repo/".to_owned(),
        user: "u".to_owned(),
        password: "hidden".into(),
        ..Settings::default()
    };
    assert_eq!(settings.url(), "https://backup.example.org/my%20repo/");
    settings.protocol = "http".to_owned();
    settings.port = 8000;
    settings.directory = String::new();
    assert_eq!(settings.url(), "http://backup.example.org:8000/");
    assert!(!format!("{settings:?}").contains("hidden"));
}
