mod folder;
#[cfg(feature = "s3")]
mod s3;
mod shared;
