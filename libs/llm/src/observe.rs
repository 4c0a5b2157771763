//! What is measured of a model, as the semantic conventions for generative AI say.

use std::time::Duration;

use domain::telemetry::metric;

use crate::{LlmError, Usage};

/// What is asked of whom.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// `gen_ai.operation.name`.
    pub operation: &'static str,
    /// `gen_ai.provider.name`.
    pub provider: &'static str,
    /// `gen_ai.request.model`.
    pub model: &'a str,
}

impl Asked<'_> {
    /// Measures a question that took so long and ended so.
    pub fn measure(self, took: Duration, outcome: Result<&Usage, &LlmError>) {
        let Self { operation, provider, model } = self;
        metrics::histogram!(
            metric::GEN_AI_CLIENT_OPERATION_DURATION,
            "gen_ai_operation_name" => operation,
            "gen_ai_provider_name" => provider,
            "gen_ai_request_model" => model.to_owned(),
            "error_type" => outcome.err().map_or("", LlmError::class),
        )
        .record(took);
        let Ok(usage) = outcome else { return };
        for (kind, tokens) in [("input", usage.input_tokens), ("output", usage.output_tokens)] {
            if kind == "output" && operation == "embeddings" {
                continue; // there is no such thing
            }
            #[expect(clippy::cast_precision_loss, reason = "tokens of one question are far below 2^52")]
            metrics::histogram!(
                metric::GEN_AI_CLIENT_TOKEN_USAGE,
                "gen_ai_operation_name" => operation,
                "gen_ai_provider_name" => provider,
                "gen_ai_request_model" => model.to_owned(),
                "gen_ai_token_type" => kind,
            )
            .record(tokens as f64);
        }
    }
}
