//! Writes the CustomResourceDefinitions, two files a kind: YAML to `crds/generated/`, to be read and applied, and JSON beside the
//! code that has it built in. For a new kind, begin with an empty one.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    // Asked for at run time: a path that is compiled in may be that of another clone.
    let package =
        env::var_os("CARGO_MANIFEST_DIR").ok_or("start it by `cargo run --bin crdgen`, which says where to write")?;
    let (manifests, built_in) =
        (Path::new(&package).join("generated"), Path::new(&package).join("src/schema/generated"));
    fs::create_dir_all(&manifests)?;
    fs::create_dir_all(&built_in)?;
    for kind in aggregator_crds::kinds() {
        fs::write(manifests.join(format!("{}.yaml", kind.plural)), kind.yaml()?)?;
        fs::write(built_in.join(format!("{}.json", kind.plural)), kind.json()?)?;
    }
    Ok(())
}
