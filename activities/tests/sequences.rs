//! Stored sequences on both databases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures::future::join_all;
use leadflow_activities::outreach::sequence_file;
use leadflow_activities::store::testing::each_backend;
use leadflow_workflows::domain::sequence::Sequence;
use std::collections::BTreeSet;

fn sequence(name: &str, text: &str) -> Sequence {
    let file = format!("name = \"{name}\"\n[[step]]\nsubject = \"Kegs\"\nemail = \"{text}\"\n");
    sequence_file::parse("sequence.toml", &file, None).unwrap()
}

#[tokio::test]
async fn the_same_document_is_the_same_version_and_another_one_the_next() {
    each_backend(async |store| {
        let one = store.add_sequence("default", &sequence("kegs", "a"), 1).await.unwrap();
        assert_eq!((one.version, one.created_at_ms), (1, 1));
        assert_eq!(store.add_sequence("default", &sequence("kegs", "a"), 2).await.unwrap(), one);
        let two = store.add_sequence("default", &sequence("kegs", "b"), 3).await.unwrap();
        // Back to the first text: what is added last is what the name means.
        let three = store.add_sequence("default", &sequence("kegs", "a"), 4).await.unwrap();
        let other = store.add_sequence("default", &sequence("casks", "a"), 5).await.unwrap();
        let foreign = store.add_sequence("other", &sequence("kegs", "a"), 6).await.unwrap();
        assert_eq!((two.version, three.version, other.version, foreign.version), (2, 3, 1, 1));

        assert_eq!(store.sequence("default", &one.id).await.unwrap().as_ref(), Some(&one));
        assert_eq!(store.sequence("default", &foreign.id).await.unwrap(), None);
        let all = store.sequences("default").await.unwrap();
        assert_eq!(all, [other.clone(), three.clone(), two.clone(), one.clone()]);
        for (word, expected) in [
            ("last", vec![&other]),
            ("kegs", vec![&three]),
            ("kegs@2", vec![&two]),
            (one.id.as_str(), vec![&one]),
            ("kegs@9", vec![]),
            ("kegs@x", vec![]),
            ("keg", vec![]),
            (&foreign.id, vec![]),
        ] {
            let found = store.matching_sequences("default", word).await.unwrap();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{word}");
        }
    })
    .await;
}

#[tokio::test]
async fn writers_at_once_get_versions_of_their_own() {
    each_backend(async |store| {
        let texts: Vec<Sequence> = (0..8).map(|number| sequence("kegs", &format!("text {number}"))).collect();
        let added = join_all(texts.iter().map(|text| store.add_sequence("default", text, 1))).await;
        let versions: BTreeSet<u32> = added.into_iter().map(|added| added.unwrap().version).collect();
        assert_eq!(versions, (1..=8).collect());
    })
    .await;
}
