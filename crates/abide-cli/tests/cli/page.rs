//! The page at `/`, as a browser would fetch it.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::node::Node;

fn fetch(node: &Node, path: &str) -> (String, String) {
    let address = node.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

#[test]
fn the_page_and_all_it_needs_are_served_under_a_strict_policy() {
    let node = Node::start();
    let (head, page) = fetch(&node, "/");
    assert!(head.starts_with("http/1.1 200") && head.contains("default-src 'none'"), "{head}");
    assert!(!head.contains("unsafe"), "{head}");
    assert!(!page.contains("<style") && !page.contains("style=\"") && !page.contains("onclick"));
    let references: Vec<_> = ["src=\"/", "href=\"/"].iter().flat_map(|start| page.split(start).skip(1)).collect();
    assert!(references.len() > 5);
    for reference in references {
        let path = format!("/{}", reference.split('"').next().unwrap());
        let (head, _) = fetch(&node, &path);
        assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
    }
    for kind in ["Counter", "Document", "Stream", "Wallet", "RateLimiter"] {
        assert!(page.contains(&format!("<h3>{kind}</h3>")), "{kind}");
    }
}

#[test]
fn the_pages_of_the_examples_are_served_under_the_same_policy() {
    let node = Node::start();
    for page in ["chat", "tic-tac-toe", "arena"] {
        let (head, _) = fetch(&node, &format!("/{page}"));
        assert!(head.contains(&format!("location: /{page}/\r\n")), "{head}");
        let (_, html) = fetch(&node, &format!("/{page}/"));
        assert!(!html.contains("<style") && !html.contains("style=\""), "{html}");
        for (file, media) in [("", "text/html"), ("app.js", "text/javascript"), ("app.css", "text/css")] {
            let (head, _) = fetch(&node, &format!("/{page}/{file}"));
            assert!(head.starts_with("http/1.1 200") && head.contains(media), "{page}/{file}: {head}");
            assert!(head.contains("default-src 'none'") && !head.contains("unsafe"), "{head}");
            assert!(file.is_empty() || html.contains(&format!("./{file}")), "{file}: {html}");
        }
    }
}

#[test]
fn every_abide_command_on_the_page_works_as_it_stands() {
    let node = Node::start();
    let (_, page) = fetch(&node, "/");
    let page = page.replace("&gt;", ">").replace("&amp;", "&");
    let blocks = page.split("<code>").skip(1).filter_map(|rest| rest.split("</code>").next());
    let commands: Vec<_> = blocks.flat_map(str::lines).filter(|line| line.starts_with("abide ")).collect();
    assert!(commands.len() >= 12, "{commands:?}");
    for command in commands.iter().filter(|command| !command.contains(" watch ") && !command.contains(" new ")) {
        let program = env!("CARGO_BIN_EXE_abide");
        let line = command.replacen("abide", &format!("'{program}' --url {}", node.url), 1);
        let done = crate::node::finish(std::process::Command::new("sh").args(["-c", &line]).current_dir(&node.folder));
        assert_eq!(done.code, 0, "{command}: {done:?}");
    }
}
