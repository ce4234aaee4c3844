"""An image has all that its program needs, and says truly what it has."""

import hashlib
import json
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import unittest

import image


class Images(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="aggregator-image-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def unpacked(self, program, *arguments):
        """The folder with what is in the image, the image's configuration, and its layer's digest."""
        archive, root = self.folder / "image.tar", self.folder / "root"
        image.write(archive, "example.com/it:test", program, arguments)
        with tarfile.open(archive) as tar:
            (manifest,) = json.load(tar.extractfile("manifest.json"))
            self.assertEqual(manifest["RepoTags"], ["example.com/it:test"])
            config = json.load(tar.extractfile(manifest["Config"]))
            (layer,) = manifest["Layers"]
            digest = hashlib.sha256(tar.extractfile(layer).read()).hexdigest()
            with tarfile.open(fileobj=tar.extractfile(layer)) as files:
                self.assertEqual({(entry.uid, entry.gid, entry.mode) for entry in files}, {(0, 0, 0o755)})
                files.extractall(root)
        return root, config, digest

    def test_the_program_runs_with_what_is_in_the_image_alone(self):
        root, config, digest = self.unpacked(shutil.which("env"), "first", "second")
        self.assertEqual(config["rootfs"]["diff_ids"], [f"sha256:{digest}"])
        self.assertEqual(config["config"], {"Env": ["PATH=/"], "Entrypoint": ["/env", "first", "second"]})
        libraries = image.libraries(shutil.which("env"))
        (loader,) = [path for path in libraries if "/ld-linux" in path]
        (c_library,) = [path for path in libraries if "/libc.so" in path]
        found = {f"/{path.relative_to(root)}" for path in root.rglob("*") if path.is_file()}
        self.assertEqual(found, {"/env", *libraries})
        command = [f"{root}{loader}", "--library-path", pathlib.Path(f"{root}{c_library}").parent]
        done = subprocess.run([*command, root / "env", "-i", "word=1"], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "word=1\n")
        # The loader would also find the machine's own: it did not have to.
        listed = subprocess.run([*command, "--list", root / "env"], capture_output=True, text=True, check=True)
        used = {word for word in listed.stdout.split() if word.startswith("/")} - {loader}
        self.assertEqual({path for path in used if not path.startswith(f"{root}/")}, set())
        self.assertIn(f"{root}{c_library}", used)

    def test_a_program_without_libraries_stands_alone(self):
        script = self.folder / "script"
        script.write_text("#!/bin/sh\n")
        root, config, _ = self.unpacked(script)
        self.assertEqual([path.name for path in root.rglob("*")], ["script"])
        self.assertEqual(config["config"]["Entrypoint"], ["/script"])


if __name__ == "__main__":
    unittest.main()
