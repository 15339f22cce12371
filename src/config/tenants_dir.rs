//! The folder of tenants: one YAML file each, its name the tenant's id.

use std::path::{Path, PathBuf};

use super::decode::Spanned;
use super::load::{Reader, whole, why};
use super::written::{FromText, Tenant, TenantFile, Text};
use super::yaml::Environment;
use crate::types::TenantId;

/// What a folder of tenants holds.
#[derive(Default)]
pub(super) struct TenantsDir {
    pub path: Option<PathBuf>,
    /// Its files with the numbers of their sources, in the order of their names.
    pub files: Vec<(u32, PathBuf)>,
    /// What could be read of them.
    pub tenants: Vec<Tenant>,
}

/// Reads a folder of tenants. What is wrong in a file is reported in that file.
pub(super) fn read(
    reader: &mut Reader,
    written: &Spanned<String>,
    folder: &Path,
    environment: &Environment<'_>,
) -> TenantsDir {
    let path = folder.join(&written.value);
    let files = match files_in(&path) {
        Ok(files) => files,
        Err(error) => {
            let shown = &written.value;
            reader
                .findings
                .error(
                    "missing-file",
                    written.mark,
                    format!("the folder `{shown}` can't be read: {}", why(&error)),
                )
                .hint("paths are relative to the folder of the file that names them");
            return TenantsDir { path: Some(path), ..TenantsDir::default() };
        }
    };
    let mut directory = TenantsDir { path: Some(path), ..TenantsDir::default() };
    for file in files {
        let number = reader.findings.sources.len();
        directory.tenants.extend(read_file(reader, &file, environment));
        directory.files.push((number, file));
    }
    directory
}

/// The YAML files of a folder. Others, such as what editors leave behind, are not looked at.
fn files_in(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_yaml = file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_yaml && !hidden && !file.is_dir() {
            files.push(file);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn read_file(reader: &mut Reader, file: &Path, environment: &Environment<'_>) -> Option<Tenant> {
    let name = file.display().to_string();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            let mark = reader.findings.sources.add_unreadable(&name);
            reader.findings.error("missing-file", mark, format!("the file can't be read: {}", why(&error)));
            return None;
        }
    };
    let number = reader.findings.sources.len();
    let root = reader.read(&text, &name)?;
    if root.is_null() || root.is_empty() {
        // Most likely it is being written right now. A tenant without a plan has no limits, so
        // that nothing must not stand for one.
        reader
            .findings
            .error("invalid-value", whole(number), "the file is empty")
            .hint("write at least the tenant's `plan:`, or remove the file");
        return None;
    }
    let stem = file.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let id = TenantId::from_text(&stem)
        .map_err(|message| {
            let message = format!("the name of this file is no tenant's: {message}");
            reader.findings.error("invalid-value", whole(number), message);
        })
        .ok();
    let tenant: TenantFile = reader.decode(root, environment)?;
    let id = id?;
    let mark = match &tenant.id {
        Some(written) => {
            if written.value.0 != id {
                let message = format!("the id `{}` is not the file's name, which is `{id}`", written.value.0);
                reader
                    .findings
                    .error("invalid-value", written.mark, message)
                    .hint("rename the file, or remove `id`");
            }
            written.mark
        }
        None => whole(number),
    };
    Some(tenant.with_id(Spanned { value: Text(id), mark, key: mark }))
}
