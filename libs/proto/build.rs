//! Compiles `proto/` with protox, so that no protoc is needed.

use std::{env, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 5] = [
    "dragoman/admin/v1/admin_service.proto",
    "dragoman/catalog/v1/catalog_service.proto",
    "dragoman/conversation/v1/conversation_service.proto",
    "dragoman/embedding/v1/embedding_service.proto",
    "dragoman/embedding/v1/vector_service.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let descriptors = protox::compile(FILES, [&root])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    std::fs::write(out.join("dragoman.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
