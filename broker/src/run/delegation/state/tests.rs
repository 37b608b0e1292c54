//! What is noted of uses, and what torn, strange and old files do.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rex-delegations-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        Self(path)
    }

    fn state(&self) -> State {
        State::open(&self.0).unwrap()
    }

    fn used(&self) -> String {
        fs::read_to_string(self.0.join(USED)).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn using(name: u8, payload: u8, uid: u32, expires: u64) -> Use {
    Use { name: hex(&[name; 32]), payload: hex(&[payload; 32]), uid, expires }
}

#[test]
fn t1_a_name_that_comes_back_with_another_content_or_from_another_user_is_refused() {
    let place = Place::new("replay");
    let one = using(1, 1, 1000, 500);

    assert_eq!(place.state().note(&one, 100), Ok(100));
    // As after a restart: nothing but the file is left.
    assert_eq!(place.state().note(&one, 200), Ok(200));
    let other_content = place.state().note(&using(1, 2, 1000, 500), 200).unwrap_err();
    assert!(other_content.contains("said something else"), "{other_content}");
    let other_user = place.state().note(&using(1, 1, 1001, 500), 200).unwrap_err();
    assert!(other_user.contains("user 1000 has used it"), "{other_user}");
    assert_eq!(place.used().lines().count(), 1);
    assert_eq!(place.state().note(&using(2, 2, 1001, 500), 200), Ok(200));
}

#[test]
fn t1_a_clock_that_is_set_back_brings_nothing_back() {
    let place = Place::new("clock");
    let early = using(1, 1, 1000, 500);
    place.state().note(&early, 100).unwrap();
    place.state().note(&using(2, 1, 1000, 900), 600).unwrap();

    let revived = place.state().note(&early, 100).unwrap_err();

    assert!(revived.contains("set back by 500 s"), "{revived}");
    assert_eq!(place.state().note(&using(3, 1, 1000, 900), 100), Ok(600));
}

#[test]
fn t1_a_line_that_was_cut_off_is_left_out_and_a_damaged_one_refused() {
    let place = Place::new("torn");
    place.state().note(&using(1, 1, 1000, 500), 100).unwrap();
    let whole = place.used();
    fs::write(place.0.join(USED), format!("{whole}{}", &whole[..70])).unwrap();

    assert_eq!(place.state().note(&using(1, 1, 1000, 500), 100), Ok(100));
    assert_eq!(place.used(), whole);
    for damaged in [
        "\n",
        "2 a b 1 2 3\n",
        &whole.replace("1000", "x"),
        &whole.replace("\n", " 7\n"),
        &whole[1..],
        "\u{0}\n",
    ] {
        fs::write(place.0.join(USED), format!("{damaged}{whole}")).unwrap();
        let refused = place.state().note(&using(3, 1, 1000, 500), 100).unwrap_err();
        assert!(refused.contains("line 1 is damaged"), "{damaged:?}: {refused}");
    }
}

#[test]
fn t1_files_that_others_could_have_put_there_are_refused() {
    let place = Place::new("strange");
    place.state();
    let used = place.0.join(USED);
    let noted = || place.state().note(&using(1, 1, 1000, 500), 100);
    symlink("/dev/null", &used).unwrap();
    assert!(noted().is_err());
    fs::remove_file(&used).unwrap();
    fs::write(&used, "").unwrap();
    fs::hard_link(&used, place.0.join("second")).unwrap();
    assert!(noted().unwrap_err().contains("second name"));
    fs::remove_file(place.0.join("second")).unwrap();
    fs::set_permissions(&used, fs::Permissions::from_mode(0o622)).unwrap();
    assert!(noted().unwrap_err().contains("others may write"));
    fs::remove_file(&used).unwrap();
    fs::create_dir(&used).unwrap();
    assert!(noted().is_err());
    fs::remove_dir(&used).unwrap();
    assert_eq!(noted(), Ok(100));
    fs::set_permissions(&place.0, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(State::open(&place.0).unwrap_err().contains("others may write"));
}

#[test]
fn t1_what_is_over_is_dropped_when_there_is_much_of_it() {
    let place = Place::new("compact");
    let state = place.state();
    for number in 0..=MANY as u8 {
        state.note(&using(number, 1, 1000, 200), 100).unwrap();
    }
    state.note(&using(250, 1, 1000, 9000), 150).unwrap();
    assert_eq!(place.used().lines().count(), MANY + 2);

    state.note(&using(251, 1, 1000, 9000), 300).unwrap();

    assert_eq!(place.used().lines().count(), 2);
    assert!(state.note(&using(250, 2, 1000, 9000), 300).is_err(), "what still holds is still known");
    assert_eq!(place.state().note(&using(252, 1, 1000, 9000), 100), Ok(300), "the time is still known");
}
