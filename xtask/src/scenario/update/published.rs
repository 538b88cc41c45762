//! The releases that the machine under test can fetch, and the server that it fetches them from.

use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context as _, Result};

use super::attempt::{Attempt, update};
use crate::project;
use crate::release::signature::signer::Signer;
use crate::scenario::Context;
use crate::update_release::derived::{Changes, ParameterEdit, derive, version_of};
use crate::update_release::{self, UpdateRelease};
use crate::update_server::{Files, UpdateServer};

/// The nftables table that redirects the configured address to the harness's port. It is lost at a restart.
const TABLE: &str = "ip updates";
/// The version of a bad release: newer than any commit, and older than [`NEWER`].
pub const BAD: &str = "20980101000000";
/// The version of the newer image.
pub const NEWER: &str = "20990101000000";

/// The version of an update after [`NEWER`].
pub const NEWEST: &str = "21000101000000";

/// What is published in the tests of one machine.
pub struct Published {
    pub server: UpdateServer,
    pub signer: Signer,
    /// A key that the machine does not know.
    pub stranger: Signer,
    /// The version that the machine started with.
    pub first: String,
    pub newer: UpdateRelease,
}

impl Published {
    /// A server without a release, and the newer release.
    ///
    /// # Errors
    /// No newer image, or gpg fails.
    pub fn shared(cx: &mut Context) -> Result<Rc<Self>> {
        cx.shared(|cx| {
            let newer = cx.newer.as_deref().context("there is no newer image")?;
            Ok(Published {
                server: UpdateServer::start(Files::new())?,
                signer: update_release::signer(&project::root()?)?,
                stranger: Signer::stranger()?,
                first: version_of(cx.disks.image())?,
                newer: UpdateRelease::make(newer, &cx.folder.join("newer"))?,
            })
        })
    }

    /// Publishes `files`, and runs `ollamalive update` on the machine.
    ///
    /// # Errors
    /// As [`connect`] and [`update`].
    pub fn offer(&self, cx: &mut Context, files: Files) -> Result<Attempt> {
        self.publish(cx, files)?;
        update(cx, "")
    }

    /// Publishes `files` where the machine looks for updates.
    ///
    /// # Errors
    /// As [`connect`].
    pub fn publish(&self, cx: &mut Context, files: Files) -> Result<()> {
        connect(cx, &self.server)?;
        self.server.publish(files);
        Ok(())
    }
}

/// Derives the version [`BAD`] from the image under test: the same store, hashed again, and `parameters` changed.
///
/// # Errors
/// The image cannot be derived.
pub fn worse(cx: &Context, parameters: Vec<ParameterEdit>) -> Result<PathBuf> {
    let target = cx.folder.join("worse.raw");
    let changes = Changes {
        parameters,
        rehash: true,
    };
    derive(cx.disks.image(), &target, BAD, &changes)?;
    Ok(target)
}

/// Redirects the address in the machine's configuration to the server. Needed again after each start.
///
/// # Errors
/// The configuration names an address of another form, or nftables refuses.
pub fn connect(cx: &mut Context, server: &UpdateServer) -> Result<()> {
    let url = cx.contract.update.url.clone().unwrap_or_default();
    let address = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split('/').next())
        .with_context(|| {
            format!("the machine fetches updates from {url:?}, not from http://ADDRESS/")
        })?;
    let gateway = cx.machine.lan().gateway;
    let port = server.port;
    cx.machine.succeed(&format!(
        "nft list table {TABLE} >/dev/null 2>&1 || nft 'table {TABLE} {{ chain output {{ type nat hook output priority -100; \
         ip daddr {address} tcp dport 80 dnat to {gateway}:{port}; }}; }}'"
    ))?;
    Ok(())
}
