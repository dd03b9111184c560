//! What a file may say of networks, volumes, secrets and configs.

use serde_json::Value;

use super::Want;
use super::address;
use super::judge::{Judge, any, driver_options, foreign, is_empty, labels};
use super::violation::Wrong;

pub(super) fn networks(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.each(place, value, |judge, place, network| {
        judge.mapping(
            place,
            network,
            &[
                ("attachable", any),
                ("driver", |judge, place, value| driver(judge, place, value, "bridge")),
                ("driver_opts", driver_options),
                ("enable_ipv6", address::fixed),
                ("external", foreign),
                ("internal", any),
                ("ipam", ipam),
                ("labels", labels),
                ("name", any),
            ],
        );
    });
}

pub(super) fn volumes(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.each(place, value, |judge, place, volume| {
        judge.mapping(
            place,
            volume,
            &[
                ("driver", |judge, place, value| driver(judge, place, value, "local")),
                // With options, `local` mounts any folder, device or share.
                ("driver_opts", driver_options),
                ("external", foreign),
                ("labels", labels),
                ("name", any),
            ],
        );
    });
}

/// Secrets and configs: by a file of the checkout, or written out.
pub(super) fn files(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.each(place, value, |judge, place, item| {
        judge.mapping(
            place,
            item,
            &[
                ("content", any),
                ("driver", |judge, place, value| driver(judge, place, value, "")),
                ("driver_opts", driver_options),
                ("environment", foreign),
                ("external", foreign),
                ("file", |judge, place, value| {
                    let path = judge.text(place, value);
                    judge.path(place, path, Want::Something);
                }),
                ("labels", labels),
                ("name", any),
                ("template_driver", driver_options),
            ],
        );
    });
}

fn driver(judge: &mut Judge<'_>, place: &str, value: &Value, plain: &str) {
    let text = judge.text(place, value);
    if !text.is_empty() && text != plain {
        judge.refuse(place, Wrong::Driver, "only Docker's default driver can be used: remove it");
    }
}

fn ipam(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.mapping(
        place,
        value,
        &[
            ("config", |judge, place, value| {
                if !is_empty(value) {
                    judge.refuse(place, Wrong::Address, "addresses are Docker's to give: remove it");
                }
            }),
            ("driver", |judge, place, value| driver(judge, place, value, "default")),
            ("options", driver_options),
        ],
    );
}
