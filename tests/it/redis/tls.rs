//! `rediss://`, in builds that have it.

use crate::harness::{Folder, command, run};
use crate::redis::publishing::line;

#[cfg(not(feature = "redis-tls"))]
#[test]
fn a_build_without_tls_says_so() {
    let folder = Folder::new();
    let log = folder.write("a.log", line(1, 1, 1, "/a"));
    let mut command = command(&["analyze", log.to_str().unwrap(), "--to", "rediss://127.0.0.1"]);
    let said = run(&mut command).expect_exit(2).stderr_text();
    assert!(said.contains("--features redis-tls"), "{said}");
}

#[cfg(feature = "redis-tls")]
#[test]
fn tls_with_a_certificate_that_is_trusted() {
    needs!(redis_server());
    use std::process::Command;

    use crate::harness::needs;
    use crate::redis::content::{Kept, cells, check, expected};
    use crate::redis::server::{Server, free_port, redis_server};

    let folder = Folder::new();
    let (key, certificate) = (folder.path("key.pem"), folder.path("certificate.pem"));
    let [key, certificate] = [&key, &certificate].map(|path| path.to_str().unwrap());
    let words =
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hitmap test"];
    let mut openssl = Command::new("openssl");
    openssl.args(words).args(["-addext", "subjectAltName=IP:127.0.0.1"]);
    openssl.args([
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        key,
        "-out",
        certificate,
    ]);
    assert!(openssl.output().unwrap().status.success(), "openssl makes no certificate");
    let port = free_port().to_string();
    let server = Server::start_with(&[
        "--save",
        "",
        "--tls-port",
        &port,
        "--tls-cert-file",
        certificate,
        "--tls-key-file",
        key,
        "--tls-ca-cert-file",
        certificate,
        "--tls-auth-clients",
        "no",
    ]);
    let log = folder.write("a.log", line(1, 1, 1, "/a"));
    let log = log.to_str().unwrap();
    let url = format!("rediss://127.0.0.1:{port}?timeout=5s");
    let publish = |trusted: &str| {
        let mut command = command(&["analyze", log, "--to", &url]);
        command.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR");
        run(&mut command)
    };
    publish(certificate).expect_exit(0);
    let kept = Kept { minute_pages: 127, top_sections: 100 };
    check(&mut server.client(), &expected(&cells(&[log]), "hitmap:", kept));
    let said = publish("/etc/ssl/certs/ca-certificates.crt").expect_exit(4).stderr_text();
    assert!(said.contains("certificate"), "{said}");
}
