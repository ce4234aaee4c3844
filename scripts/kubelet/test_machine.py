"""What a kubelet has changed is found and put back, and nothing else is; control groups go with all below."""

import pathlib
import shutil
import tempfile
import unittest

import cgroups
import machine


class Folder(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="aggregator-machine-"))
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file


class States(Folder):
    def setUp(self):
        super().setUp()
        self.panic = self.write("proc/sys/kernel/panic", "0\n")
        self.write("proc/sys/vm/overcommit_memory", "0\n")
        self.kept = self.write("var/lib/kubelet/kept", "theirs")
        self.group = self.root / "cgroup/memory"
        self.group.mkdir(parents=True)

    def state(self):
        return machine.State(self.root, [self.group])

    def test_what_is_as_it_was_is_not_told(self):
        before = self.state()
        self.write("var/log/other", "of somebody else")
        self.assertEqual(before.restore(self.state()), [])

    def test_every_change_is_told_and_put_back(self):
        before = self.state()
        self.panic.write_text("10\n")
        file = self.write("var/lib/kubelet/plugins/deep/state", "new")
        link = self.root / "var/log/containers/pod.log"
        link.parent.mkdir(parents=True)
        link.symlink_to("/nowhere")
        pods = self.group / "kubepods/burstable/pod1"
        pods.mkdir(parents=True)

        changes = "\n".join(before.restore(self.state()))
        self.assertIn(f"{self.panic} was 0, and 10 afterwards", changes)
        for path in (file, file.parent, link, link.parent, self.group / "kubepods"):
            self.assertIn(f"{path} was not there", changes)
            self.assertFalse(path.exists() or path.is_symlink(), path)
        self.assertEqual(changes.count("\n") + 1, 7, changes)
        self.assertEqual(self.panic.read_text(), "0\n")
        self.assertEqual(self.kept.read_text(), "theirs")
        self.assertEqual(before.restore(self.state()), [])


class Groups(Folder):
    def test_hierarchies_of_version_1_go_before_the_one_of_version_2(self):
        lines = ["proc /proc proc rw 0 0", "cgroup2 /cg/unified cgroup2 rw 0 0"]
        mounts = self.write("mounts", "\n".join(lines) + "\n")
        unified = [pathlib.Path("/cg/unified")]
        self.assertEqual(cgroups.hierarchies(mounts), (unified, []))
        lines += ["cgroup /cg/memory cgroup rw,memory 0 0", "cgroup /cg/cpu cgroup rw,cpu 0 0"]
        mounts.write_text("\n".join(lines) + "\n")
        self.assertEqual(cgroups.hierarchies(mounts), ([pathlib.Path("/cg/memory"), pathlib.Path("/cg/cpu")], unified))

    def test_everything_below_goes_and_a_group_that_is_in_use_is_told(self):
        other = pathlib.Path(tempfile.mkdtemp(prefix="aggregator-machine-"))
        self.addCleanup(shutil.rmtree, other)
        own = cgroups.Cgroups([self.root], [other])
        own.make()
        self.assertEqual([path.name for path in self.root.iterdir()], [cgroups.NAME])
        # A container runtime makes groups in the other hierarchy as well.
        self.assertEqual(list(other.iterdir()), [])
        for place in (self.root, other):
            (place / cgroups.NAME / "kubepods/burstable/pod1").mkdir(parents=True)
        self.assertEqual(own.remove(), [])
        self.assertEqual([*self.root.iterdir(), *other.iterdir()], [])
        own.make()
        self.write(f"{cgroups.NAME}/kubepods/busy", "")
        left = own.remove(patience=0)
        self.assertEqual([line.split(": ")[0] for line in left], [f"{self.root / cgroups.NAME}/kubepods", f"{self.root / cgroups.NAME}"])

    def test_controllers_of_version_2_are_passed_on_and_taken_back(self):
        self.write("cgroup.controllers", "cpuset cpu io memory pids\n")
        passed_on = self.write("cgroup.subtree_control", "cpu memory\n")
        own = cgroups.Cgroups([self.root])
        own.make()
        self.assertEqual([controller for _, controller in own.enabled], ["cpuset", "pids"])
        self.assertEqual(passed_on.read_text(), "+pids")
        self.assertEqual(own.remove(), [])
        self.assertEqual(passed_on.read_text(), "-pids")
        self.assertEqual(own.enabled, [])

    def test_processors_of_version_1_are_those_of_the_whole_hierarchy(self):
        for name, text in (("tasks", ""), ("cpuset.cpus", "0-3\n"), ("cpuset.mems", "0\n")):
            self.write(name, text)
        cgroups.Cgroups([self.root]).make()
        self.assertEqual((self.root / cgroups.NAME / "cpuset.cpus").read_text(), "0-3\n")

    def test_a_machine_without_groups_is_told(self):
        with self.assertRaisesRegex(OSError, "no hierarchy"):
            cgroups.Cgroups([]).make()


if __name__ == "__main__":
    unittest.main()
