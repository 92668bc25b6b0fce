use std::{fs, path::Path};

/// `ABIDE_WRITE=1` writes what differs.
fn same(path: &Path, expected: &[u8]) {
    if std::env::var_os("ABIDE_WRITE").is_some() {
        fs::write(path, expected).unwrap();
    }
    let committed = fs::read(path).unwrap_or_default();
    assert!(
        committed == expected,
        "{} is not what proto/abide/v1/abide.proto says: run this test with ABIDE_WRITE=1, and commit",
        path.display()
    );
}

#[test]
fn the_committed_code_is_what_the_proto_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let descriptors = protox::compile(["abide/v1/abide.proto"], [root.join("proto")]).unwrap();
    let mut bare = descriptors.clone();
    bare.file.iter_mut().for_each(|file| file.source_code_info = None);
    let code = |server: bool| {
        let out = tempfile::tempdir().unwrap();
        let builder = tonic_prost_build::configure().build_transport(false);
        let builder = builder.build_server(server).build_client(!server);
        builder.out_dir(out.path()).compile_fds(descriptors.clone()).unwrap();
        fs::read(out.path().join("abide.v1.rs")).unwrap()
    };
    let folder = root.join("crates/abide-server/src/grpc");
    same(&folder.join("generated.rs"), &code(true));
    same(&root.join("crates/abide-server/tests/grpc/client.rs"), &code(false));
    same(&folder.join("abide.v1.bin"), &prost::Message::encode_to_vec(&bare));
}
