//! Vectors in order, in batches, checked.

use std::time::Duration;

use llm::{Embedder, EmbedderConfig, EmbedderLimits, LlmError, Provider, Retry};
use simulator::model::{BadVectors as Bad, vector};

use crate::{KEY, Running};

fn embedder(provider: Provider, limits: EmbedderLimits) -> Embedder {
    let retry = Retry { attempts: 1, ..Retry::default() };
    Embedder::new(EmbedderConfig { limits, retry, ..EmbedderConfig::new(provider) }).expect("a client")
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("operation number {at} lists vehicles")).collect()
}

#[tokio::test]
async fn vectors_come_in_the_order_of_the_texts_over_all_batches() {
    let running = Running::openai().await;
    let limits = EmbedderLimits { max_batch_texts: 4, ..EmbedderLimits::default() };
    let texts = texts(10);
    for provider in [running.provider(KEY, "text-embedding-3-small"), running.azure(KEY, "2024-10-21", "embeddings")] {
        running.server.forget_requests();
        let embedded = embedder(provider, limits).embed(&texts).await.expect("vectors");
        let own: Vec<Vec<f32>> = texts.iter().map(|text| vector(text, 256)).collect();
        assert_eq!(embedded.vectors, own);
        assert_eq!((embedded.requests, embedded.usage.estimated), (3, false));
        assert!(embedded.usage.input_tokens > 50);
        assert_eq!((running.server.embedding_requests().len(), running.server.embedded_inputs()), (3, 10));
    }
}

#[tokio::test]
async fn a_shorter_dimension_is_asked_for_and_checked() {
    let running = Running::openai().await;
    let provider = running.provider(KEY, "text-embedding-3-small");
    let config = EmbedderConfig { dimensions: Some(64), ..EmbedderConfig::new(provider.clone()) };
    let vectors = Embedder::new(config).expect("a client").embed(&texts(2)).await.expect("vectors").vectors;
    assert!(vectors.iter().all(|vector| vector.len() == 64));
    let config = EmbedderConfig { dimensions: Some(9_999), ..EmbedderConfig::new(provider) };
    let error = Embedder::new(config).expect("a client").embed(&texts(2)).await.expect_err("refused");
    assert!(matches!(error, LlmError::Refused { status: 400, .. }), "{error:?}");
}

#[tokio::test]
async fn nothing_and_empty_texts_send_nothing() {
    let running = Running::openai().await;
    let embedder = embedder(running.provider(KEY, "text-embedding-3-small"), EmbedderLimits::default());
    assert!(embedder.embed(&[]).await.expect("nothing").vectors.is_empty());
    let error = embedder.embed(&["a".to_owned(), " ".to_owned()]).await.expect_err("refused");
    assert!(error.to_string().contains("text 1 is empty"), "{error}");
    assert_eq!(running.server.embedding_requests().len(), 0);
}

#[tokio::test]
async fn long_texts_are_embedded_by_their_beginning() {
    let running = Running::openai().await;
    let limits = EmbedderLimits { max_text_chars: 5, ..EmbedderLimits::default() };
    let embedder = embedder(running.provider(KEY, "text-embedding-3-small"), limits);
    embedder.embed(&["žžžžžžžž".to_owned()]).await.expect("a vector");
    assert_eq!(running.server.embedding_requests()[0].inputs, ["žžžžž"]);
}

fn expected(bad: Bad) -> &'static str {
    match bad {
        Bad::Hang | Bad::Close | Bad::ServerError | Bad::Cut => "away",
        Bad::Unauthorized => "refused",
        Bad::BusySeconds => "busy",
        Bad::ErrorWith200
        | Bad::EmptyBody
        | Bad::Truncated
        | Bad::NoData
        | Bad::OneMissing
        | Bad::OneTooMany
        | Bad::Unequal
        | Bad::Shorter
        | Bad::Null
        | Bad::Infinite
        | Bad::Zero
        | Bad::Empty
        | Bad::Base64
        | Bad::SameIndex
        | Bad::WildIndex => "nonsense",
        Bad::Shuffled | Bad::NoIndex | Bad::NoUsage => "sound",
    }
}

#[tokio::test]
async fn every_wrong_vector_is_told_and_none_gets_through() {
    let running = Running::openai().await;
    let provider = running.provider(KEY, "text-embedding-3-small");
    let patient = embedder(provider.clone(), EmbedderLimits::default());
    let hasty = embedder(provider, EmbedderLimits { whole: Duration::from_millis(500), ..EmbedderLimits::default() });
    let texts = texts(3);
    let own = patient.embed(&texts).await.expect("vectors").vectors;
    for &bad in Bad::ALL {
        running.server.behave();
        running.server.embed_badly(bad, 1);
        let embedder = if bad == Bad::Hang { &hasty } else { &patient };
        let found = embedder.embed(&texts).await;
        let class = found.as_ref().map_or_else(LlmError::class, |_| "sound");
        assert_eq!(class, expected(bad), "{bad:?} {found:?}");
        assert!(found.is_err() || found.is_ok_and(|found| found.vectors == own), "{bad:?}");
    }
}

#[tokio::test]
async fn busy_endpoints_are_asked_again() {
    let running = Running::openai().await;
    let provider = running.provider(KEY, "text-embedding-3-small");
    let embedder = Embedder::new(EmbedderConfig::new(provider)).expect("a client");
    for bad in [Bad::BusySeconds, Bad::ServerError, Bad::Close, Bad::Cut] {
        running.server.embed_badly(bad, 1);
        assert_eq!(embedder.embed(&texts(2)).await.expect("vectors").requests, 2, "{bad:?}");
    }
    embedder.probe(Duration::from_secs(10)).await.expect("there");
}
