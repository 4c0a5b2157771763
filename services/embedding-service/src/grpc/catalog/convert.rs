//! Between the catalogue's values and the wire's.

use openapi::Risk;
use proto::catalog::v1 as pb;

use crate::catalogue::{DocumentInfo, Overlay, Stored};

pub fn document(id: &str, info: &DocumentInfo) -> pb::Document {
    pb::Document {
        document_id: id.to_owned(),
        title: info.title.clone(),
        version: info.version.clone(),
        operation_count: count(info.operations),
        callable_count: count(info.callable),
        content_hash: info.content_hash.clone(),
    }
}

pub fn summary(stored: &Stored) -> pb::OperationSummary {
    pb::OperationSummary {
        operation_id: stored.operation.id.clone(),
        content_hash: stored.operation.content_hash.clone(),
        title: stored.title.clone(),
        risk_class: risk_to_wire(stored.operation.risk).into(),
        not_callable_reason: stored.operation.not_callable.clone().unwrap_or_default(),
    }
}

pub fn overlay(request: &pb::UpsertOverlayRequest) -> Overlay {
    Overlay {
        title: None,
        aliases: request.aliases.clone(),
        examples: request.examples.clone(),
        risk: risk_from_wire(request.risk_class()),
        hidden: request.hidden,
        public: request.public,
        from_file: false,
    }
}

fn risk_to_wire(risk: Risk) -> pb::RiskClass {
    match risk {
        Risk::Safe => pb::RiskClass::Safe,
        Risk::Idempotent => pb::RiskClass::Idempotent,
        Risk::Keyed => pb::RiskClass::Keyed,
        Risk::Once => pb::RiskClass::Once,
    }
}

/// None keeps the derived class.
fn risk_from_wire(risk: pb::RiskClass) -> Option<Risk> {
    match risk {
        pb::RiskClass::Unspecified => None,
        pb::RiskClass::Safe => Some(Risk::Safe),
        pb::RiskClass::Idempotent => Some(Risk::Idempotent),
        pb::RiskClass::Keyed => Some(Risk::Keyed),
        pb::RiskClass::Once => Some(Risk::Once),
    }
}

fn count(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
