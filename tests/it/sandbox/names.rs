//! Two previews of one file on one docker, in any mode: no name of the file makes one the other's.

use super::bench::Preview;
use crate::local::compose::{docker, has_docker, page, unused_port};
use previewbot::domain::error::ErrorKind;
use previewbot::domain::ports::ComputePort as _;

/// Everything in it has a fixed name or address.
const FILE: &str = "
services:
  web:
    build: {context: ., tags: ['test-shop:dev']}
    image: test-shop:latest
    container_name: the-only-web
    hostname: web
    init: true
    command: httpd -f -p 80 -h /www
    ports: ['18090:80']
    networks: [back]
    volumes: ['data:/data']
  worker:
    image: test-shop
    init: true
    command: sleep 1000
    network_mode: container:the-only-web
    volumes_from: ['container:the-only-web:ro']
    depends_on: [web]
  client:
    image: previewbot-test/busybox:local
    init: true
    command: sleep 1000
    networks: [back]
    external_links: ['the-only-web:shop']
networks:
  back:
    name: the-only-network
    driver_opts: {com.docker.network.bridge.name: br-only}
    ipam: {config: [{subnet: 10.213.47.0/24}]}
volumes:
  data: {name: the-only-volume}
";

async fn preview(name: &'static str, text: &str) -> Preview {
    let preview = Preview::new(name, None).await;
    preview.write("Dockerfile", "FROM previewbot-test/busybox:local\nCOPY page /www/page\n");
    preview.write("page", text);
    preview
}

fn images() -> Vec<String> {
    let listed = docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]);
    listed.lines().filter(|name| name.starts_with("test-shop")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_previews_with_the_same_names_live_beside_each_other() {
    if !has_docker() {
        return;
    }
    let (one, two) = (preview("pr-1", "one").await, preview("pr-2", "two").await);
    let (port, other) = (unused_port(), unused_port());
    one.start(FILE, port).await.unwrap();
    two.start(FILE, other).await.unwrap();
    assert_eq!((page(port).as_deref(), page(other).as_deref()), (Some("one"), Some("two")));
    for (preview, text) in [(&one, "one"), (&two, "two")] {
        // The worker runs the image that its own preview built, beside its own web.
        let container = preview.inspect("worker", "{{.Id}}");
        assert_eq!(docker(&["exec", &container, "cat", "/www/page"]), text);
        assert_eq!(docker(&["exec", &container, "wget", "-q", "-O-", "http://127.0.0.1/page"]), text);
        let client = preview.inspect("client", "{{.Id}}");
        assert_eq!(docker(&["exec", &client, "wget", "-q", "-O-", "http://shop/page"]), text);
    }
    assert_eq!(images(), [""; 0]);

    one.compute.destroy("pr-1", &one.info).await.unwrap();
    assert_eq!(one.made(), [""; 0], "no container, network, volume or image");
    assert_eq!(page(other).as_deref(), Some("two"));
    two.compute.destroy("pr-2", &two.info).await.unwrap();
    assert_eq!(two.made(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_one_could_have_is_refused_and_what_is_shared_must_be_there() {
    if !has_docker() {
        return;
    }
    let preview = Preview::new("pr-3", None).await;
    let image = "previewbot-test/busybox:local";
    for (file, says) in [
        (
            format!(
                "services: {{web: {{image: '{image}', networks: {{back: {{ipv4_address: 10.213.48.5}}}}}}}}\n\
                 networks: {{back: {{ipam: {{config: [{{subnet: 10.213.48.0/24}}]}}}}}}\n"
            ),
            "services.web.networks.back.ipv4_address: two previews",
        ),
        (
            format!(
                "services: {{web: {{image: '{image}', networks: [there]}}}}\n\
                 networks: {{there: {{external: true, name: not-there}}}}\n"
            ),
            "network not-there not found",
        ),
        (
            format!(
                "services: {{web: {{image: '{image}', volumes: ['there:/x']}}}}\n\
                 volumes: {{there: {{external: true, name: not-there}}}}\n"
            ),
            "external volume \"not-there\" not found",
        ),
    ] {
        let error = preview.start(&file, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(says), "{error}");
    }
    preview.compute.destroy("pr-3", &preview.info).await.unwrap();
}
