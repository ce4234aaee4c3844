//! Writes the CustomResourceDefinitions to `crds/generated/`, two files a kind: YAML to be read and applied, and
//! JSON to be built in.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    // Asked for at run time: a path that is compiled in may be that of another clone.
    let package =
        env::var_os("CARGO_MANIFEST_DIR").ok_or("start it by `cargo run --bin crdgen`, which says where to write")?;
    let folder = Path::new(&package).join("generated");
    fs::create_dir_all(&folder)?;
    for kind in aggregator_crds::kinds() {
        fs::write(folder.join(format!("{}.yaml", kind.plural)), kind.yaml()?)?;
        fs::write(folder.join(format!("{}.json", kind.plural)), kind.json()?)?;
    }
    Ok(())
}
