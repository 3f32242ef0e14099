use super::*;

fn address(url: &str, directory: &str) -> Address {
    let settings = Settings {
        url: url.to_owned(),
        directory: directory.to_owned(),
        ..Settings::default()
    };
    Address::of(&settings).unwrap().0
}

#[test]
fn addresses_may_be_escaped_or_not() {
    for url in [
        "https://dav.example.org/my%20files/",
        "https://dav.example.org/my files",
        "https://dav.example.org//my%20files/./?x#y",
    ] {
        let address = address(url, "");
        assert_eq!(address.url(b""), "https://dav.example.org/my%20files/");
        assert_eq!(
            address.url(b"data/a#b"),
            "https://dav.example.org/my%20files/data/a%23b"
        );
    }
    let below = address("http://h:81", "/server1/");
    assert_eq!(below.url(b"x"), "http://h:81/server1/x");
    assert_eq!(below.upwards().collect::<Vec<_>>(), ["http://h:81/server1/"]);
    let deep = address("http://h/a/b", "c");
    assert_eq!(
        deep.upwards().collect::<Vec<_>>(),
        ["http://h/a/b/c/", "http://h/a/b/", "http://h/a/"]
    );
}

#[test]
fn a_login_in_the_address_is_taken_out_of_it() {
    let mut settings = Settings {
        url: "https://us%40er:p%3Ass@dav.example.org/x".to_owned(),
        ..Settings::default()
    };
    let (address, login, password) = Address::of(&settings).unwrap();
    assert_eq!(
        (address.url(b"").as_str(), login.as_str(), password.reveal()),
        ("https://dav.example.org/x/", "us@er", "p:ss")
    );
    settings.login = "other".to_owned();
    assert_eq!(Address::of(&settings).unwrap().1, "other");
}

#[test]
fn what_is_no_address_is_refused() {
    for url in ["", "dav.example.org/x", "ftp://h/x", "https://", "https:///x"] {
        let settings = Settings {
            url: url.to_owned(),
            ..Settings::default()
        };
        assert!(Address::of(&settings).is_err(), "{url}");
    }
}
