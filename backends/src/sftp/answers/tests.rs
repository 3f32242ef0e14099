use std::thread;

use engine_api::StoreErrorKind;

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn answers(budget: usize, silence: Duration) -> Arc<Answers> {
    Answers::new(budget, silence, Arc::default(), Window::fixed())
}

fn begin(answers: &Arc<Answers>, bytes: usize) -> (Awaited, u32) {
    let mut number = 0;
    let awaited = answers.begin((bytes, 0), |given| number = given).unwrap();
    (awaited, number)
}

#[test]
fn each_answer_reaches_the_one_that_asked() {
    let answers = answers(BUDGET, LONG);
    let (first, one) = begin(&answers, 10);
    let (second, two) = begin(&answers, 10);
    answers.arrived(two, vec![2]).unwrap();
    answers.arrived(one, vec![1]).unwrap();
    assert_eq!(first.wait().unwrap(), [1]);
    assert_eq!(second.wait().unwrap(), [2]);
    assert!(answers.arrived(two, vec![]).is_err(), "the same answer again");
}

#[test]
fn a_request_waits_until_there_is_room() {
    let answers = answers(BUDGET, LONG);
    let (_first, one) = begin(&answers, BUDGET);
    thread::scope(|scope| {
        let second = scope.spawn(|| answers.begin((1, 0), |_| ()).is_ok());
        thread::sleep(Duration::from_millis(30));
        assert!(!second.is_finished());
        answers.arrived(one, vec![]).unwrap();
        assert!(second.join().unwrap());
    });
}

#[test]
fn the_end_reaches_all_that_wait_and_all_that_come() {
    let answers = answers(BUDGET, LONG);
    let (first, _) = begin(&answers, 10);
    answers.end(&Problem::lost("cut"));
    answers.end(&Problem::lost("later"));
    let problem = first.wait().unwrap_err();
    assert_eq!(problem.to_string(), "the connection broke: cut");
    assert!(answers.begin((1, 0), |_| ()).is_err());
    assert!(answers.is_over());
}

#[test]
fn a_silent_server_is_given_up() {
    let answers = answers(BUDGET, Duration::from_millis(40));
    let (first, _) = begin(&answers, 10);
    let (_full, _) = begin(&answers, BUDGET - LEAST);
    assert_eq!(
        answers.begin((1, 0), |_| ()).err().unwrap().kind(),
        StoreErrorKind::Timeout
    );
    assert_eq!(first.wait().unwrap_err().kind(), StoreErrorKind::Timeout);
}
