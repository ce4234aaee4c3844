"""Leads connections to one address on to another: what a Service is without a proxy on the node."""

import socket
import threading


def serve(address, target):
    """Accepts at the address, in threads that end with this process."""
    listener = socket.create_server(address)
    threading.Thread(target=accept, args=(listener, target), daemon=True).start()


def accept(listener, target):
    while True:
        caller, _ = listener.accept()
        try:
            called = socket.create_connection(target)
        except OSError:
            caller.close()
            continue
        for one, other in ((caller, called), (called, caller)):
            threading.Thread(target=pass_on, args=(one, other), daemon=True).start()


def pass_on(one, other):
    try:
        while received := one.recv(65536):
            other.sendall(received)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        # One end is gone: so is the other, then.
        for end in (one, other):
            end.close()
