//! Writes the CustomResourceDefinitions to `crds/generated/`, one file a kind.

use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("generated");
    fs::create_dir_all(&folder)?;
    for kind in aggregator_crds::kinds() {
        fs::write(folder.join(format!("{}.yaml", kind.plural)), kind.yaml()?)?;
    }
    Ok(())
}
