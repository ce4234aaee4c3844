"""What was measured already. A whole run takes hours; one that was interrupted goes on with the works that are missing."""

import dataclasses
import datetime
import hashlib
import pickle


class Kept:
    """The results of one build at one scale factor, measured in one way; `only` is the one system that was measured, or None."""

    def __init__(self, bench, options, only, cache):
        asked = [bench.scale, only, options.runs, options.slow_runs, options.slow_seconds, *sorted(options.without), *bench.peers.versions]
        digest = hashlib.sha256(bench.binary.read_bytes() + repr(asked).encode()).hexdigest()[:16]
        self.folder = cache / "bench-kept" / digest

    def get(self, name):
        """The result of a work, or None."""
        file = self.folder / name
        # Nobody but this program writes there.
        return pickle.loads(file.read_bytes()) if file.exists() else None

    def put(self, name, result):
        """Keeps a result, without what only a running bench can use."""
        work = dataclasses.replace(result.work, systems={}, check=None)
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / name
        half = file.with_suffix(".new")
        half.write_bytes(pickle.dumps(dataclasses.replace(result, work=work, day=datetime.date.today())))
        half.rename(file)

    def forget(self):
        """What is kept is not to be shown again."""
        for file in self.folder.glob("*"):
            file.unlink()
