//! The image of the control plane: what its files name is there. That it builds is not tested here: that takes a network.

use crate::{read, root};

/// The words of the first line that begins so.
fn words(text: &str, start: &str) -> Vec<String> {
    let line = text.lines().map(str::trim).find(|line| line.starts_with(start));
    line.unwrap_or_else(|| panic!("no line begins with {start}")).split_whitespace().map(str::to_owned).collect()
}

fn after(words: &[String], flag: &str) -> String {
    words.iter().skip_while(|word| *word != flag).nth(1).unwrap().clone()
}

#[test]
fn the_image_is_built_from_an_example_and_features_that_there_are() {
    let (dockerfile, manifest) = (read("examples/Dockerfile"), read("examples/Cargo.toml"));
    let build = words(&dockerfile, "RUN cargo build");
    assert!(build.contains(&"--locked".to_owned()) && root().join("Cargo.lock").exists());
    let (example, features) = (after(&build, "--example"), after(&build, "--features"));
    assert!(manifest.contains(&format!("path = \"{example}.rs\"\nrequired-features = [\"{features}\"]")), "{build:?}");
    assert!(read("Cargo.toml").contains("default-members = [\"examples\"]"), "features are those of this crate");

    let copied = words(&dockerfile, "COPY --from=build /source");
    assert!(copied[2].ends_with(&format!("target/release/examples/{example}")), "{copied:?}");
    assert!(dockerfile.contains(&format!("ENTRYPOINT [\"{}\"]", copied[3])));
    let user = words(&dockerfile, "USER");
    assert!(user[1].split(':').all(|id| id.parse::<u32>().unwrap() > 0), "it is not root");

    let rust = words(&read("Cargo.toml"), "rust-version")[2].trim_matches('"').to_owned();
    assert_eq!(words(&dockerfile, "FROM")[1], format!("rust:{rust}-alpine"));
    let ignored = read(".dockerignore");
    assert!(ignored.lines().any(|line| line == "target") && ignored.lines().any(|line| line == ".git"));
}

#[test]
fn the_compose_file_sets_variables_that_the_server_reads() {
    let (compose, server) = (read("examples/compose.yaml"), read("examples/control_plane.rs"));
    assert!(compose.contains("{ context: .., dockerfile: examples/Dockerfile }"));
    let variables = compose.lines().filter_map(|line| line.trim().split_once(": ")).map(|(name, _)| name);
    let variables: Vec<_> = variables.filter(|name| name.starts_with("OPSORCH_")).collect();
    assert!(variables.len() > 4, "{variables:?}");
    for name in variables {
        let is_of_a_provider = name.ends_with("_PROVIDER") || name.ends_with("_CONFIG");
        assert!(is_of_a_provider || server.contains(&format!("\"{name}\"")), "{name}");
    }
    let kinds: Vec<_> = opsorch_providers::registry().kinds().collect();
    for line in compose.lines().filter(|line| line.contains("_PROVIDER: ")) {
        let kind = line.split_once(": ").unwrap().1;
        assert!(kinds.contains(&kind), "{line}");
    }
}
