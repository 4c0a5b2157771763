//! What servers of embedding models do wrong.

use std::time::Duration;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    answer::Step,
    bad::{error_with_200, listed},
    http,
};
use crate::serve;

listed! {
    /// One wrong answer to a request for vectors.
    BadVectors {
        /// Accepts the request and says nothing.
        Hang,
        /// Closes the connection unanswered (needs [`super::Server::serve`]).
        Close,
        /// 401.
        Unauthorized,
        /// 429 with `Retry-After: 1`.
        BusySeconds,
        /// 500.
        ServerError,
        /// 200 with an error object.
        ErrorWith200,
        /// 200 with no bytes.
        EmptyBody,
        /// Half of the body, then the end.
        Truncated,
        /// Half of the body, then a broken connection.
        Cut,
        /// No `data`.
        NoData,
        /// The last vector is missing.
        OneMissing,
        /// A vector for no text.
        OneTooMany,
        /// All vectors are one number shorter.
        Shorter,
        /// The last vector is one number shorter.
        Unequal,
        /// A number is null, as NaN is written.
        Null,
        /// A number is too large for 32 bits.
        Infinite,
        /// A vector of zeros.
        Zero,
        /// A vector without numbers.
        Empty,
        /// Base64 that was not asked for.
        Base64,
        /// All have index 0.
        SameIndex,
        /// An index beyond the texts.
        WildIndex,
        /// In another order, by index: sound.
        Shuffled,
        /// No index: sound.
        NoIndex,
        /// No usage: sound.
        NoUsage,
    }
}

/// Spoilt vectors.
pub(super) fn answer(bad: BadVectors, mut body: Value) -> Response {
    let last = |body: &mut Value, change: &dyn Fn(&mut Vec<Value>)| {
        let vector = body["data"].as_array_mut().and_then(|data| data.last_mut()?["embedding"].as_array_mut());
        if let Some(vector) = vector {
            change(vector);
        }
    };
    let data = |body: &mut Value, change: &dyn Fn(&mut Vec<Value>)| {
        if let Some(data) = body["data"].as_array_mut() {
            change(data);
        }
    };
    match bad {
        BadVectors::Hang => return http::silence(),
        BadVectors::Close => return serve::cut(),
        BadVectors::Unauthorized => return http::refuse(401, None),
        BadVectors::BusySeconds => return http::refuse(429, Some(1)),
        BadVectors::ServerError => return http::refuse(500, None),
        BadVectors::ErrorWith200 => {
            return error_with_200(json!({"message": "Internal error", "type": "server_error"}));
        }
        BadVectors::EmptyBody => return StatusCode::OK.into_response(),
        BadVectors::Truncated | BadVectors::Cut => {
            let text = body.to_string();
            let mut steps = vec![Step::Bytes(Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]))];
            steps.extend((bad == BadVectors::Cut).then_some(Step::Cut));
            return super::answer::body("application/json", steps, Duration::ZERO);
        }
        BadVectors::NoData => drop(body.as_object_mut().map(|map| map.shift_remove("data"))),
        BadVectors::NoUsage => drop(body.as_object_mut().map(|map| map.shift_remove("usage"))),
        BadVectors::OneMissing => data(&mut body, &|data| drop(data.pop())),
        BadVectors::OneTooMany => data(&mut body, &|data| {
            let mut more = data.last().cloned().unwrap_or_default();
            more["index"] = json!(data.len());
            data.push(more);
        }),
        BadVectors::Shorter => data(&mut body, &|data| {
            data.iter_mut().for_each(|item| drop(item["embedding"].as_array_mut().map(Vec::pop)));
        }),
        BadVectors::Unequal => last(&mut body, &|vector| drop(vector.pop())),
        BadVectors::Null => last(&mut body, &|vector| vector[0] = Value::Null),
        BadVectors::Infinite => last(&mut body, &|vector| vector[0] = json!(1e300)),
        BadVectors::Zero => last(&mut body, &|vector| vector.fill(json!(0.0))),
        BadVectors::Empty => last(&mut body, &|vector| vector.clear()),
        BadVectors::Base64 => data(&mut body, &|data| {
            data.iter_mut().for_each(|item| item["embedding"] = json!("AACAPwAAgD8="));
        }),
        BadVectors::SameIndex => data(&mut body, &|data| data.iter_mut().for_each(|item| item["index"] = json!(0))),
        BadVectors::WildIndex => data(&mut body, &|data| {
            data.iter_mut().for_each(|item| item["index"] = json!(u64::MAX));
        }),
        BadVectors::Shuffled => data(&mut body, &|data| data.reverse()),
        BadVectors::NoIndex => data(&mut body, &|data| {
            data.iter_mut().for_each(|item| drop(item.as_object_mut().map(|map| map.shift_remove("index"))));
        }),
    }
    Json(body).into_response()
}
