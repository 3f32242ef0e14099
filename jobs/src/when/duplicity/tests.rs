//! What duplicity 0.8.22's own parser makes of each text at 14 November 2023, 22:13:20 UTC.

use std::process::{Command, Stdio};

use super::*;

const NOW: i64 = 1_700_000_000;
const ZONES: [&str; 3] = ["UTC", "Europe/Berlin", "America/St_Johns"];
/// Refused in every zone.
const NONE: [Option<i64>; 3] = [None; 3];

/// A text, and what it means in each of the zones.
type Row = (&'static str, [Option<i64>; 3]);

/// What means the same here.
const SAME: &[Row] = &[
    ("now", [Some(1_700_000_000), Some(1_700_000_000), Some(1_700_000_000)]),
    ("0", [Some(0), Some(0), Some(0)]),
    ("90", [Some(90), Some(90), Some(90)]),
    (
        "1700000000",
        [Some(1_700_000_000), Some(1_700_000_000), Some(1_700_000_000)],
    ),
    ("20231114", [Some(20_231_114), Some(20_231_114), Some(20_231_114)]),
    (
        "2023-11-14T10:20:30Z",
        [Some(1_699_957_230), Some(1_699_957_230), Some(1_699_957_230)],
    ),
    (
        "2023-11-14T10:20:30",
        [Some(1_699_957_230), Some(1_699_953_630), Some(1_699_969_830)],
    ),
    (
        "2023-11-14T10:20:30+01:00",
        [Some(1_699_953_630), Some(1_699_953_630), Some(1_699_953_630)],
    ),
    (
        "2023-11-14T10:20:30-05:00",
        [Some(1_699_975_230), Some(1_699_975_230), Some(1_699_975_230)],
    ),
    (
        "2023-11-14T10:20:30+05:30",
        [Some(1_699_937_430), Some(1_699_937_430), Some(1_699_937_430)],
    ),
    (
        "2023-07-14T10:20:30+02:00",
        [Some(1_689_322_830), Some(1_689_322_830), Some(1_689_322_830)],
    ),
    (
        "2023-11-14T10:20:61Z",
        [Some(1_699_957_261), Some(1_699_957_261), Some(1_699_957_261)],
    ),
    ("2023-11-14T10:20", NONE),
    ("2023-11-14 10:20:30", NONE),
    (
        "20231114T102030Z",
        [Some(1_699_957_230), Some(1_699_957_230), Some(1_699_957_230)],
    ),
    ("20231114t102030z", NONE),
    (
        "20230714T102030Z",
        [Some(1_689_330_030), Some(1_689_330_030), Some(1_689_330_030)],
    ),
    ("1s", [Some(1_699_999_999), Some(1_699_999_999), Some(1_699_999_999)]),
    ("90s", [Some(1_699_999_910), Some(1_699_999_910), Some(1_699_999_910)]),
    ("1m", [Some(1_699_999_940), Some(1_699_999_940), Some(1_699_999_940)]),
    ("5m", [Some(1_699_999_700), Some(1_699_999_700), Some(1_699_999_700)]),
    ("1h", [Some(1_699_996_400), Some(1_699_996_400), Some(1_699_996_400)]),
    ("36h", [Some(1_699_870_400), Some(1_699_870_400), Some(1_699_870_400)]),
    ("1D", [Some(1_699_913_600), Some(1_699_913_600), Some(1_699_913_600)]),
    ("15D", [Some(1_698_704_000), Some(1_698_704_000), Some(1_698_704_000)]),
    ("2W", [Some(1_698_790_400), Some(1_698_790_400), Some(1_698_790_400)]),
    ("3M", [Some(1_692_224_000), Some(1_692_224_000), Some(1_692_224_000)]),
    ("1Y", [Some(1_668_464_000), Some(1_668_464_000), Some(1_668_464_000)]),
    ("1D12h", [Some(1_699_870_400), Some(1_699_870_400), Some(1_699_870_400)]),
    (
        "1Y2M3W4D5h6m7s",
        [Some(1_661_101_633), Some(1_661_101_633), Some(1_661_101_633)],
    ),
    ("1d", NONE),
    ("1H", NONE),
    ("1D 12h", NONE),
    ("1.5D", NONE),
    ("-1D", NONE),
    ("D", NONE),
    ("1DD", NONE),
    (
        "2023-11-14",
        [Some(1_699_920_000), Some(1_699_916_400), Some(1_699_932_600)],
    ),
    (
        "2023/11/14",
        [Some(1_699_920_000), Some(1_699_916_400), Some(1_699_932_600)],
    ),
    (
        "2023/1/4",
        [Some(1_672_790_400), Some(1_672_786_800), Some(1_672_803_000)],
    ),
    (
        "2023-1-4",
        [Some(1_672_790_400), Some(1_672_786_800), Some(1_672_803_000)],
    ),
    (
        "11/14/2023",
        [Some(1_699_920_000), Some(1_699_916_400), Some(1_699_932_600)],
    ),
    (
        "1/4/2023",
        [Some(1_672_790_400), Some(1_672_786_800), Some(1_672_803_000)],
    ),
    (
        "11-14-2023",
        [Some(1_699_920_000), Some(1_699_916_400), Some(1_699_932_600)],
    ),
    (
        "1-4-2023",
        [Some(1_672_790_400), Some(1_672_786_800), Some(1_672_803_000)],
    ),
    ("14/11/2023", NONE),
    ("2023-13-01", NONE),
    (
        "20231114Z",
        [Some(1_699_920_000), Some(1_699_916_400), Some(1_699_932_600)],
    ),
    ("yesterday", NONE),
    ("Now", NONE),
    ("monday", NONE),
    ("1970-01-02", [Some(86_400), Some(82_800), Some(99_000)]),
    (
        "1901-01-01",
        [Some(-2_177_452_800), Some(-2_177_456_400), Some(-2_177_440_148)],
    ),
    (
        "2099-12-31",
        [Some(4_102_358_400), Some(4_102_354_800), Some(4_102_371_000)],
    ),
    ("2023-11-14T25:20:30Z", NONE),
    ("2023-11-14T10:60:30Z", NONE),
    (
        "99999999999",
        [Some(99_999_999_999), Some(99_999_999_999), Some(99_999_999_999)],
    ),
    ("", NONE),
    ("2023-11-14T10:20:30+1:00", NONE),
    (
        "2023-11-14T10:20:30+14:00",
        [Some(1_699_906_830), Some(1_699_906_830), Some(1_699_906_830)],
    ),
    ("0D", [Some(1_700_000_000), Some(1_700_000_000), Some(1_700_000_000)]),
    (
        "00015D",
        [Some(1_698_704_000), Some(1_698_704_000), Some(1_698_704_000)],
    ),
    (
        "9999Y",
        [Some(-313_628_464_000), Some(-313_628_464_000), Some(-313_628_464_000)],
    ),
];

/// What means something else here: what duplicity takes it for, and what it is here.
const DELIBERATE: &[(Row, [Option<i64>; 3])] = &[
    (
        (
            "2023-11-14T10:20:30-03:30",
            [Some(1_699_966_230), Some(1_699_966_230), Some(1_699_966_230)],
        ),
        [Some(1_699_969_830), Some(1_699_969_830), Some(1_699_969_830)],
    ),
    (
        (
            "2023-07-14T10:20:30",
            [Some(1_689_330_030), Some(1_689_326_430), Some(1_689_342_630)],
        ),
        [Some(1_689_330_030), Some(1_689_322_830), Some(1_689_339_030)],
    ),
    (
        (
            "2023-02-31",
            [Some(1_677_801_600), Some(1_677_798_000), Some(1_677_814_200)],
        ),
        NONE,
    ),
    (
        (
            "2023-07-14",
            [Some(1_689_292_800), Some(1_689_289_200), Some(1_689_305_400)],
        ),
        [Some(1_689_292_800), Some(1_689_285_600), Some(1_689_301_800)],
    ),
    (("1970-01-01T00:00:00Z", NONE), [Some(0), Some(0), Some(0)]),
    (
        ("2100-01-01", NONE),
        [Some(4_102_444_800), Some(4_102_441_200), Some(4_102_457_400)],
    ),
    (
        ("1900-01-01", NONE),
        [Some(-2_208_988_800), Some(-2_208_992_400), Some(-2_208_976_148)],
    ),
    (
        ("2242-03-16", NONE),
        [Some(8_589_888_000), Some(8_589_884_400), Some(8_589_897_000)],
    ),
    (
        (
            "2023-11-14T10:20:30-00:30",
            [Some(1_699_955_430), Some(1_699_955_430), Some(1_699_955_430)],
        ),
        [Some(1_699_959_030), Some(1_699_959_030), Some(1_699_959_030)],
    ),
    (
        (
            "2023-03-26T02:30:00",
            [Some(1_679_797_800), Some(1_679_794_200), Some(1_679_810_400)],
        ),
        [Some(1_679_797_800), Some(1_679_794_200), Some(1_679_806_800)],
    ),
    (
        (
            "2023-03-26",
            [Some(1_679_788_800), Some(1_679_785_200), Some(1_679_801_400)],
        ),
        [Some(1_679_788_800), Some(1_679_785_200), Some(1_679_797_800)],
    ),
];

fn ours(text: &str) -> [Option<i64>; 3] {
    ZONES.map(|zone| {
        let zone = TimeZone::get(zone).unwrap();
        moment(text, at(NOW), &zone).map(|moment| moment.seconds)
    })
}

#[test]
fn d2_the_same_second_as_duplicity() {
    for (text, theirs) in SAME {
        assert_eq!(ours(text), *theirs, "{text}");
    }
}

#[test]
fn d2_the_deliberate_differences() {
    for ((text, theirs), here) in DELIBERATE {
        assert_eq!(ours(text), *here, "{text}");
        assert_ne!(theirs, here, "{text}");
    }
}

/// Asks the program's own module, where it is installed.
#[test]
fn d2_the_table_is_duplicitys() {
    const ASK: &str = "
import sys
from duplicity import dup_time
dup_time.setcurtime(int(sys.argv[1]))
for text in sys.argv[2:]:
    try:
        print(dup_time.genstrtotime(text))
    except dup_time.TimeException:
        print('None')
";
    let rows: Vec<&Row> = SAME.iter().chain(DELIBERATE.iter().map(|(row, _)| row)).collect();
    for (index, zone) in ZONES.iter().enumerate() {
        let mut python = Command::new("/usr/bin/python3");
        python.env("TZ", zone).args(["-c", ASK, &NOW.to_string()]);
        python.args(rows.iter().map(|(text, _)| *text)).stderr(Stdio::null());
        let Some(output) = python.output().ok().filter(|output| output.status.success()) else {
            println!("skipped: duplicity is not installed");
            return;
        };
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.lines().count(), rows.len());
        for (line, (text, theirs)) in said.lines().zip(&rows) {
            assert_eq!(line.parse().ok(), theirs[index], "{text} in {zone}");
        }
    }
}
