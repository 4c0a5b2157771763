//! The contract between the services, generated from `proto/`. Nothing is written by hand here.

/// All of our protos as an encoded `FileDescriptorSet`, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/dragoman.bin"));

/// `dragoman.admin`
pub mod admin {
    /// `dragoman.admin.v1`
    pub mod v1 {
        tonic::include_proto!("dragoman.admin.v1");
    }
}
/// `dragoman.catalog`
pub mod catalog {
    /// `dragoman.catalog.v1`
    pub mod v1 {
        tonic::include_proto!("dragoman.catalog.v1");
    }
}
/// `dragoman.conversation`
pub mod conversation {
    /// `dragoman.conversation.v1`
    pub mod v1 {
        tonic::include_proto!("dragoman.conversation.v1");
    }
}
/// `dragoman.embedding`
pub mod embedding {
    /// `dragoman.embedding.v1`
    pub mod v1 {
        tonic::include_proto!("dragoman.embedding.v1");
    }
}
