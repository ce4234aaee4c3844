"""Bytes get through, both ways, until one end is gone."""

import socket
import threading
import unittest

import forward


class Forwarding(unittest.TestCase):
    def setUp(self):
        self.target = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.target.close)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = free.getsockname()
        forward.serve(self.address, self.target.getsockname())

    def answer(self, caller):
        with caller:
            asked = b""
            while received := caller.recv(65536):
                asked += received
            caller.sendall(asked[::-1])

    def test_what_is_asked_is_answered_by_the_target(self):
        asked = bytes(range(256)) * 4096
        with socket.create_connection(self.address) as connection:
            caller, _ = self.target.accept()
            threading.Thread(target=self.answer, args=(caller,), daemon=True).start()
            connection.sendall(asked)
            # The end of the question gets through as well: nothing is answered before.
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(30)
            answered = b""
            while received := connection.recv(65536):
                answered += received
        self.assertEqual(answered, asked[::-1])

    def test_a_target_that_is_gone_ends_the_connection_and_no_other(self):
        self.target.close()
        for _ in range(2):
            with socket.create_connection(self.address) as connection:
                connection.settimeout(30)
                self.assertEqual(connection.recv(1), b"")


if __name__ == "__main__":
    unittest.main()
