//! Replies that a model reads, behind the webhook's back.

use crate::{alone, program};
use leadflow_starter::history::replay;
use leadflow_tests::lab::Lab;
use leadflow_tests::scenarios::explained;
use leadflow_tests::scenarios::readings::{READINGS, play, setup};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_are_read_labelled_and_explained_and_leave_no_word_in_a_history() {
    let _alone = alone().await;
    let lab = Lab::start(setup(Some(program()))).await.unwrap();
    let readings = Box::pin(play(&lab)).await.unwrap();
    assert_eq!(readings.iter().map(|reading| reading.scenario).collect::<Vec<_>>(), READINGS.1);
    for (reading, said) in
        readings.iter().zip(["positive (", "asks for no further contact", "not read by a model (the model"])
    {
        replay(&reading.run).await.unwrap();
        let history = String::from_utf8(reading.run.clone()).unwrap();
        for word in ["Tuesday", "inbox", "bottling", &reading.reply.person] {
            assert!(!history.contains(word), "{}: {word:?} is in the history", reading.scenario);
        }
        let text = explained(&lab, &reading.lead_id).await.unwrap();
        assert!(text.contains(said), "{}: {said:?} is missing in\n{text}", reading.scenario);
    }
    lab.stop().await.unwrap();
}
