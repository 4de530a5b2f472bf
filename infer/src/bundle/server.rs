//! What runs the server over a bundle: a container, and a unit of systemd.

/// The recipe of the image.
pub const DOCKERFILE: &str = "Dockerfile";
/// The container, with what it may do.
pub const COMPOSE: &str = "compose.yaml";
/// The unit.
pub const UNIT: &str = "ectopy.service";
/// The pinned wheel that ONNX Runtime is taken from.
pub const RUNTIME: &str = "onnxruntime.txt";
/// The program.
pub const PROGRAM: &str = "infer";

/// The wheels that set-up fetches.
const WHEELS: &str = include_str!("../../../setup/libraries.txt");

/// The files, for a model of this name.
pub fn files(name: &str) -> [(&'static str, String); 4] {
    [
        (
            DOCKERFILE,
            include_str!("Dockerfile.in").replace("{name}", name),
        ),
        (
            COMPOSE,
            include_str!("compose.yaml.in").replace("{name}", name),
        ),
        (
            UNIT,
            include_str!("ectopy.service.in").replace("{name}", name),
        ),
        (RUNTIME, runtime()),
    ]
}

/// The wheel's lines among those of the set-up.
fn runtime() -> String {
    let lines = WHEELS
        .lines()
        .skip_while(|l| !l.starts_with("onnxruntime=="));
    let more = |line: &&str| !line.ends_with('\\');
    let mut text = String::from(
        "# ONNX Runtime, from this wheel alone; the first hash is for x86-64, the second\n# for 64-bit ARM.\n",
    );
    for line in lines {
        text += line;
        text.push('\n');
        if more(&line) {
            break;
        }
    }
    text
}
