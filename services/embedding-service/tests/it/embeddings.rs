use proto::embedding::v1 as pb;
use tokio_stream::StreamExt as _;
use tonic::Code;

use crate::support::*;

fn text(text: &str) -> pb::EmbedRequest {
    pb::EmbedRequest { text: text.into(), ..Default::default() }
}

#[tokio::test]
async fn vector_has_unit_length_and_comes_from_the_cache_the_second_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    let mut client = service.embedding("acme-key");
    let first = client.embed(text("free rooms tomorrow")).await.expect("a vector").into_inner();
    assert_eq!((first.dimension, first.vector.len(), first.model.as_str()), (384, 4 * 384, "lexical-hash-v1"));
    let values = first.vector.chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().expect("4 bytes")));
    assert!((values.map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-4);
    let again = client.embed(text("free rooms tomorrow")).await.expect("a vector").into_inner();
    assert!(!first.cached && again.cached);
    assert_eq!(again.vector, first.vector);
    service.stop().await;
}

#[tokio::test]
async fn bad_text_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    let other_model = pb::EmbedRequest { model: "none".into(), ..text("x") };
    for request in [text(""), text(&"x".repeat(32 * 1024 + 1)), other_model] {
        let status = service.embedding("acme-key").embed(request).await.expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument);
    }
    service.stop().await;
}

#[tokio::test]
async fn stream_answers_in_order_and_ends_at_a_bad_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    let mut client = service.embedding("acme-key");
    let texts = ["one", "two", "three", "", "five"];
    let requests = texts.map(|text| pb::EmbedBatchRequest { text: text.into(), ..Default::default() });
    let stream = client.embed_batch(tokio_stream::iter(requests)).await.expect("a stream").into_inner();
    let answers: Vec<_> = stream.collect().await;
    assert_eq!(answers.len(), 4);
    for (word, answer) in texts.iter().zip(&answers[..3]) {
        let alone = client.embed(text(word)).await.expect("a vector").into_inner();
        assert_eq!(answer.as_ref().expect("a vector").vector, alone.vector);
    }
    assert_eq!(answers[3].as_ref().expect_err("refused").code(), Code::InvalidArgument);
    service.stop().await;
}
