use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

fn issued() -> (String, String) {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (issued.cert.pem(), issued.signing_key.serialize_pem())
}

fn write(folder: &Path, cert: &str, key: &str) -> Files {
    let files = Files { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    fs::write(&files.cert, cert).unwrap();
    fs::write(&files.key, key).unwrap();
    files
}

fn shown(certificate: &Certificate) -> Vec<u8> {
    certificate.shown.0.load().cert.first().unwrap().to_vec()
}

#[test]
fn every_mistake_names_its_file() {
    let (cert, key) = issued();
    let (_, other_key) = issued();
    let broken_cert = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken_base64 = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    let broken_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (cert, key, file, words) in [
        ("", key.as_str(), File::Cert, "no certificate"),
        ("garbage", &key, File::Cert, "no certificate"),
        (&key, &key, File::Cert, "no certificate"),
        (broken_cert, &key, File::Cert, "cannot be used"),
        (broken_base64, &key, File::Cert, "cannot be used"),
        (&cert, "", File::Key, "no private key"),
        (&cert, &cert, File::Key, "no private key"),
        (&cert, encrypted, File::Key, "no private key"),
        (&cert, broken_key, File::Key, "cannot be used"),
        (&cert, &other_key, File::Key, "is not the key of the certificate"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let fault = check(&write(folder.path(), cert, key)).unwrap_err();
        assert_eq!(fault.file(), file, "{fault}");
        assert!(fault.to_string().contains(words), "{fault}");
    }
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), &cert, &key);
    assert_eq!(check(&files), Ok(()));
    for (file, path) in [(File::Key, &files.key), (File::Cert, &files.cert)] {
        fs::remove_file(path).unwrap();
        assert_eq!(check(&files).unwrap_err().file(), file);
    }
}

#[test]
fn a_file_without_end_is_not_read() {
    let files = Files { cert: "/dev/zero".into(), key: "/dev/zero".into() };
    assert!(matches!(check(&files), Err(Fault::Unreadable { file: File::Cert, .. })));
}

#[test]
fn what_counts_is_the_content() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = issued();
    let mut certificate = Certificate::load(write(folder.path(), &cert, &key)).unwrap();
    let first = shown(&certificate);
    assert_eq!(certificate.refresh(), Refreshed::Unchanged);
    write(folder.path(), &cert, &key);
    assert_eq!(certificate.refresh(), Refreshed::Unchanged, "the same, written again");

    let (new_cert, new_key) = issued();
    write(folder.path(), &new_cert, &key);
    assert_eq!(certificate.refresh(), Refreshed::Kept(Fault::OtherKey), "half of it is there");
    assert_eq!(certificate.refresh(), Refreshed::Unchanged, "told once");
    assert_eq!(shown(&certificate), first);
    write(folder.path(), &new_cert, &new_key);
    assert_eq!(certificate.refresh(), Refreshed::Renewed);
    assert_ne!(shown(&certificate), first);

    fs::remove_file(folder.path().join("cert.pem")).unwrap();
    assert!(matches!(certificate.refresh(), Refreshed::Kept(Fault::Unreadable { .. })));
    assert_eq!(certificate.refresh(), Refreshed::Unchanged);
    write(folder.path(), &cert, &key);
    assert_eq!(certificate.refresh(), Refreshed::Renewed);
    assert_eq!(shown(&certificate), first);
}

#[test]
fn a_swapped_link_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["one", "two"] {
        fs::create_dir(at(name)).unwrap();
        let (cert, key) = issued();
        write(&at(name), &cert, &key);
    }
    // As Kubernetes does it: the files are links into a folder that is itself a link.
    symlink("one", at("..data")).unwrap();
    symlink("..data/cert.pem", at("cert.pem")).unwrap();
    symlink("..data/key.pem", at("key.pem")).unwrap();
    let files = Files { cert: at("cert.pem"), key: at("key.pem") };
    let mut certificate = Certificate::load(files).unwrap();
    let first = shown(&certificate);
    symlink("two", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    assert_eq!(certificate.refresh(), Refreshed::Renewed);
    assert_ne!(shown(&certificate), first);
}
