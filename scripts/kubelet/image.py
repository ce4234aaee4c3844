"""An image that holds one program and the libraries that it is linked with, as `docker save` would write it."""

import hashlib
import io
import json
import pathlib
import platform
import subprocess
import tarfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def libraries(program):
    """Where the program looks for its libraries, and for what loads them; none if it is static."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    if done.returncode:
        return []
    words = [line.split() for line in done.stdout.splitlines()]
    # `NAME => PATH (ADDRESS)`, `PATH (ADDRESS)`, and what the kernel has: `NAME (ADDRESS)`.
    return sorted({word for line in words for word in line if word.startswith("/")})


def write(archive, name, program, arguments=()):
    """Writes the image: the program is in its root folder, where a command is looked for, and is what it runs."""
    program = pathlib.Path(program)
    layer = pathlib.Path(f"{archive}.layer")
    write_layer(layer, {f"/{program.name}": program} | {path: path for path in libraries(program)})
    config = {
        "os": "linux",
        "architecture": ARCHITECTURES[platform.machine()],
        "config": {"Env": ["PATH=/"], "Entrypoint": [f"/{program.name}", *arguments]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(layer)}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as tar:
        add_text(tar, "manifest.json", json.dumps(manifest))
        add_text(tar, "config.json", json.dumps(config))
        tar.add(layer, "layer.tar")
    layer.unlink()


def write_layer(layer, files):
    """Files that belong to root, and that anybody may read and run, as a tar."""
    folders = {str(folder) for path in files for folder in pathlib.PurePosixPath(path).parents} - {"/"}
    with tarfile.open(layer, "w") as tar:
        for folder in sorted(folders):
            entry = tarfile.TarInfo(folder.lstrip("/"))
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for path, source in sorted(files.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            # What a link leads to stands under the link's name.
            source = pathlib.Path(source).resolve()
            entry.size, entry.mode = source.stat().st_size, 0o755
            with open(source, "rb") as content:
                tar.addfile(entry, content)


def add_text(tar, name, text):
    entry = tarfile.TarInfo(name)
    entry.size = len(text.encode())
    tar.addfile(entry, io.BytesIO(text.encode()))


def digest(path):
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
