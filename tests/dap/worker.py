"""Starts kvmdbg-dap as the server does for a client that it has accepted: worker.py ADAPTER SERVER-SOCKET PORT-FILE

Listens on a port of loopback, writes its number to PORT-FILE and serves one client: reads its first bytes
up to an empty line, then hands everything over.
"""

import os
import socket
import subprocess
import sys


def server_connection(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


def main():
    adapter, path, port_file, *words = sys.argv[1:]
    listener = socket.create_server(("127.0.0.1", 0))
    with open(port_file + ".new", "w", encoding="ascii") as file:
        file.write(str(listener.getsockname()[1]))
    os.rename(port_file + ".new", port_file)
    client, _ = listener.accept()
    begun = b""
    while b"\r\n\r\n" not in begun:
        begun += client.recv(4096)
    preamble = os.memfd_create("preamble")
    os.write(preamble, begun)
    lldb, control = server_connection(path), server_connection(path)
    framing = "websocket" if begun.startswith(b"GET ") else "stream"
    descriptors = [client.fileno(), preamble, lldb.fileno(), control.fileno()]
    names = ["--client", "--preamble", "--lldb", "--control"]
    command = [adapter, "--framing", framing]
    for name, descriptor in zip(names, descriptors):
        command += [name, str(descriptor)]
    process = subprocess.Popen(command + words, pass_fds=descriptors)
    for one in (client, lldb, control):
        one.close()
    sys.exit(process.wait())


main()
