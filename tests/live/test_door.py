"""Who may come in by HTTP and WebSocket, and who may not: each attack, as raw bytes."""

import os
import re
import struct
import subprocess
import sys
import time

from check import Skip, case, equal, holds, refused
from machine import Settings
from rsp import Client
from websocket import TEXT, Door, WebSocket, until_end


def forbidden(door, request, words):
    status, answer = door.http(request)
    equal(status, 403, f"status for {request!r}")
    holds(words in answer, f"{words!r} is not in {answer!r}")
    holds("Access-Control" not in answer, "an answer lets other sites read it")


@case()
def a_page_for_whoever_asks_by_the_right_name():
    with Door() as door:
        for host in ("127.0.0.1", "localhost", "[::1]"):
            status, answer = door.http(f"GET / HTTP/1.1\r\nHost: {host}:{door.port}\r\n\r\n".encode())
            equal(status, 200, f"status by the name {host}")
            for field in ("Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
                          "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
                          "frame-ancestors 'none'", "X-Content-Type-Options: nosniff",
                          "Referrer-Policy: no-referrer"):
                holds(field + "\r\n" in answer, f"no {field} in {answer}")
            holds(door.control not in answer and door.observe not in answer, "the page tells a token")
        holds(door.control not in door.log() and door.observe not in door.log(), "the log tells a token")
        for path, token in zip(door.token_files, (door.control, door.observe), strict=True):
            equal(os.stat(path).st_mode & 0o777, 0o600, "mode of a token's file")
            holds(re.fullmatch("[0-9a-f]{64}", token), f"a token is {token!r}")
        holds(door.control != door.observe, "the tokens are the same")
        door.process.terminate()
        door.process.wait(10)
        holds(not any(os.path.exists(path) for path in door.token_files), "a token outlives its server")


@case()
def dns_rebinding():
    with Door() as door:
        for host in ("evil.example:" + door.port, "127.0.0.1", "localhost:1", "localhost6:" + door.port,
                     "0x7f.1:" + door.port, "evil.example"):
            forbidden(door, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), "no host of this server")
            for path in ("/dap", "/rsp"):
                forbidden(door, door.upgrade(path, door.control, host=host), "no host of this server")


@case()
def foreign_origins():
    with Door(arguments=["--allow-origin", "https://allowed.example"]) as door:
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "file://",
                       f"http://localhost:{door.port}.evil.example"):
            for path in ("/dap", "/rsp"):
                forbidden(door, door.upgrade(path, door.control, fields=[f"Origin: {origin}"]), "may not come here")
        for origin in ("https://allowed.example", f"http://localhost:{door.port}"):
            WebSocket(door.raw(door.upgrade("/rsp", door.control, fields=[f"Origin: {origin}"]))).close()
            forbidden(door, door.upgrade("/rsp", fields=[f"Origin: {origin}"]), "a token of this run is needed")


@case()
def no_token_or_a_wrong_one():
    with Door() as door:
        wrong = door.control[:-1] + ("0" if door.control[-1] != "0" else "1")
        for token in (None, "", wrong, door.control + "0", door.control[:32], door.control.upper() + "x"):
            for path in ("/dap", "/rsp"):
                forbidden(door, door.upgrade(path, token), "a token of this run is needed")
        forbidden(door, door.upgrade("/rsp", fields=["Authorization: Bearer " + wrong]), "a token of this run")
        WebSocket(door.raw(door.upgrade("/rsp", fields=["Authorization: Bearer " + door.control]))).close()
        equal(door.http(door.upgrade("/rsp?t=" + door.control))[0], 404, "a token in an address")


@case()
def path_traversal():
    with Door() as door:
        for path in ("/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/etc/passwd",
                     "/..", "/.", "/\\..\\", "/index.html/..", "/proc/self/environ"):
            status, answer = door.http(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\n\r\n".encode())
            equal(status, 404, f"status of {path}")
            holds("root:" not in answer, f"a file came: {answer}")
        for line, status in (("POST /", 405), ("DELETE /", 405), ("PUT /rsp", 405), ("GET *", 400),
                             ("GET http://127.0.0.1/", 400), ("CONNECT 127.0.0.1:22", 400)):
            equal(door.http(f"{line} HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\n\r\n".encode())[0], status, line)
        equal(door.http(f"GET /rsp HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\n\r\n".encode())[0], 426, "no upgrade")
        equal(door.http(b"GET / HTTP/1.1\r\nX: " + b"x" * 20000 + b"\r\n\r\n")[0], 400, "a long head")
        equal(door.http(b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 4000 + b"\r\n")[0], 400, "many fields")


@case()
def packets_smuggled_by_http():
    with Door() as door:
        client = door.connect()
        at = door["_start"]
        before = client.read(at, 4)
        write = b"M%x,4:cccccccc" % at
        packet = b"+$" + write + b"#%02x" % (sum(write) % 256)
        host = f"Host: 127.0.0.1:{door.port}\r\n".encode()
        for request in (b"GET / HTTP/1.1\r\n" + host + b"\r\n" + packet,
                        b"POST / HTTP/1.1\r\n" + host + b"Content-Length: %d\r\n\r\n" % len(packet) + packet,
                        b"POST / HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(packet) +
                        packet + b"\r\n0\r\n\r\n",
                        b"GET /" + packet + b" HTTP/1.1\r\n" + host + b"\r\n",
                        b"GET / HTTP/1.1\r\n" + host + b"X: " + packet + b"\r\n\r\n",
                        b"GET / HTTP/1.1\r\n\r\n" + packet,
                        b"GET / HTTP/1.1\n" + packet,
                        b"\r\nGET / HTTP/1.1\r\n" + host + b"\r\n" + packet,
                        door.upgrade("/rsp", door.control) + packet,
                        door.upgrade("/rsp") + packet,
                        door.upgrade("/rsp", door.control).replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n") + packet):
            with door.raw(request) as link:
                answer = until_end(link)
            holds(b"OK#" not in answer, f"{request!r} was answered {answer!r}")
        equal(client.read(at, 4), before, "the guest's code")
        equal(len(re.findall(r"client \d+: ", door.log())), 1, "clients in the log")


@case()
def packets_by_websocket():
    with Door() as door:
        link = door.websocket("/rsp", door.control)
        holds(b"Sec-WebSocket-Protocol: rsp.v1" in link.head, f"the handshake: {link.head}")
        holds(b"Extensions" not in link.head, "compression was agreed upon")
        at = door["_start"]
        equal(link.ask(b"M%x,1:90" % at), "OK", "a write")
        equal(link.ask(b"m%x,1" % at), "90", "what was written")
        large = link.ask(b"m%x,4000" % at)
        holds(len(large) > 1000, "a large answer")
        link.send(b"$m%x," % at)  # a packet in two messages, with an empty one between
        link.send(b"")
        link.send(b"1#%02x" % (sum(b"m%x,1" % at) % 256))
        equal(link.receive()[1][-6:-3], b"$90", "the answer to a packet in pieces")
        link.send(b"+$?#3f")
        link.receive()
        link.send(b"text", TEXT)
        equal(link.closed()[0], 1003, "close code after a text frame")
        link.close()
        door.wait_log("client 1 left")
        last = door.websocket("/rsp", door.control)
        equal(last.ask(b"qC")[:2], "QC", "an answer")
        door.process.terminate()
        equal(last.closed()[0], 1001, "close code when the server ends")


@case()
def messages_of_a_gibibyte():
    with Door() as door:
        link = door.websocket("/rsp", door.control)
        link.link.sendall(bytes([0x82, 0x80 | 127]) + struct.pack(">Q", 1 << 30) + b"mask")
        equal(link.closed()[0], 1009, "close code")
        link = door.websocket("/rsp", door.control)  # what it goes on to send does not cost it the answer
        link.link.sendall(bytes([0x82, 0x80 | 127]) + struct.pack(">Q", 3 << 19) + b"mask" + bytes(3 << 19))
        equal(link.closed()[0], 1009, "close code after a message and a half")
        link = door.websocket("/rsp", door.control)
        with open(f"/proc/{door.process.pid}/status", encoding="ascii") as file:
            before = int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])
        try:  # a message without end, in fragments
            for i in range(4096):
                link.link.sendall(bytes([0x02 if i == 0 else 0x00, 0x80 | 127]) + struct.pack(">Q", 65536) +
                                  b"\0" * 4 + b"$" + b"m" * 65535)
        except OSError:
            pass
        with open(f"/proc/{door.process.pid}/status", encoding="ascii") as file:
            after = int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])
        holds(after - before < 16384, f"the server grew by {after - before} KiB")
        door.wait_log("closed a connection from .*: .*\n(.*\n)*.*client 1 left")
        door.connect().close()


@case()
def a_client_whose_host_is_gone_is_noticed():
    with Door() as door:
        client = door.connect()
        time.sleep(0.3)  # all has been acknowledged
        here, there = (f":{number:04X} " for number in (int(door.port), client.wire.socket.getsockname()[1]))
        with open("/proc/net/tcp", encoding="ascii") as file:
            of_server = [line.split() for line in file if line.find(here) < line.find(there) and here in line]
        equal(len(of_server), 1, "the server's end")
        timer, ticks = of_server[0][5].split(":")
        equal(timer, "02", "TCP's keepalive timer runs")
        holds(int(ticks, 16) <= 60 * os.sysconf("SC_CLK_TCK"), f"the first probe is {ticks} ticks away")
        client.close()


def looks_only(door, ask):
    """An observer's packets change nothing."""
    at = door["_start"]
    holds(re.fullmatch("[0-9a-f]{2}", ask(b"m%x,1" % at)), "a read is refused")
    for packet in (b"M%x,1:90" % at, b"X%x,1:\x90" % at, b"Z0,%x,1" % at, b"Z1,%x,1" % at, b"P10=0000000000000000",
                   b"vKill;1"):
        answer = ask(packet)
        holds(not re.match("OK|T|S|W", answer), f"{packet!r} was answered {answer!r}")


@case()
def who_may_only_look():
    with Door(arguments=["--listen", "127.0.0.1:0,observe"]) as door:
        places = re.findall(r"listening on (\S+?)(,? to look only)?\n", door.log())
        equal([bool(look) for _, look in places], [False, True], f"the start message: {door.log()}")
        owner = door.connect()
        at = door["_start"]
        code = owner.read(at, 16)
        registers = owner.raw_registers()
        observer = Client(places[1][0])
        looks_only(door, observer.ask)
        for words in ("reset", "console x", "take"):
            said = observer.monitor(words)
            holds("may only observe" in said, f"monitor {words} of an observer: {said!r}")
        equal(owner.read(at, 16), code, "the guest's code")
        equal(owner.raw_registers(), registers, "the guest's registers")
        link = door.websocket("/rsp", door.observe)
        looks_only(door, link.ask)
        equal(owner.read(at, 16), code, "the guest's code")
        equal(owner.raw_registers(), registers, "the guest's registers")
        observer.close()
        owner.resume("c")  # observers do not stop a guest that runs
        late = Client(places[1][0], handshake=False)
        answer = late.ask("?")
        holds(answer.startswith("E"), f"? of an observer was answered {answer!r}")
        late.wire.send_raw(b"\x03")
        owner.wire.silent(0.5)
        late.close()
        equal(owner.interrupt().code, 2, "the owner's own interrupt")


@case(limit=90)
def half_open_handshakes():
    with Door() as door:
        begun = [b"", b"G", b"GET / HTTP/1.1\r\nHost: ", b"Content-Len", door.upgrade("/rsp", door.control)[:-2]]
        links = [door.raw(data) for data in begun]
        start = time.monotonic()
        for link in links:
            equal(until_end(link), b"", "an answer to half a handshake")
        took = time.monotonic() - start
        holds(9 < took < 15, f"closed after {took:.1f} s")
        door.wait_log("(it did not say all of its first words(.|\n)*){4}")
        equal(door.log().count("it said nothing"), 1, "silent ones in the log")
        equal(door.log().count("it did not say all of its first words"), 4, "half ones in the log")
        # dripping does not help
        with door.raw(b"GET / HTTP/1.1\r\n") as link:
            link.settimeout(1)
            start = time.monotonic()
            while time.monotonic() - start < 20:
                try:
                    link.sendall(b"X: x\r\n")
                    if link.recv(100) == b"":
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            holds(time.monotonic() - start < 15, "a head that drips is waited for")


@case(limit=90)
def readers_that_do_not_read():
    with Door() as door:
        link = door.websocket("/rsp", door.control)
        at = door["_start"]
        noise = os.urandom(0x1000)  # equal bytes would be sent as one
        equal(link.ask(b"M%x,%x:%s" % (at, len(noise), noise.hex().encode())), "OK", "a write")
        ask = b"m%x,%x" % (at, len(noise))
        link.link.settimeout(5)
        try:
            for _ in range(20000):
                link.send(b"$" + ask + b"#%02x" % (sum(ask) % 256))
        except OSError:
            pass
        door.wait_log("client 1 left: it is more than 67108864 bytes behind")
        door.connect().close()
        # a page that is never read
        links = [door.raw(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\n\r\n".encode()) for _ in range(20)]
        equal(door.connect().ask("qC")[:2], "QC", "an answer meanwhile")
        for link in links:
            link.close()


@case()
def too_many_connections():
    with Door() as door:
        links = [door.raw(b"G") for _ in range(64)]
        with door.raw(b"+") as link:
            equal(until_end(link), b"", "one too many")
        door.wait_log("64 connections are open")
        for link in links:
            link.close()
        time.sleep(0.2)
        door.connect().close()


ANOTHER_USER = """
import encodings.idna, os, socket, sys  # what the other user could not read later
os.setgroups([]); os.setgid(65534); os.setuid(65534)
link = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
link.settimeout(10)
link.sendall(sys.argv[2].encode())
if sys.argv[3] == "stay":
    try:
        print(link.recv(100))
    except ConnectionResetError:
        print(b"")
"""


def as_another_user(door, data, stay):
    return subprocess.run([sys.executable, "-c", ANOTHER_USER, door.port, data, "stay" if stay else "go"],
                          stdout=subprocess.PIPE, timeout=20, check=True, text=True).stdout.strip()


@case()
def other_users():
    if os.geteuid() != 0:
        raise Skip("only root can be another user")
    with Door() as door:
        at = door["_start"]
        client = door.connect()
        before = client.read(at, 1)
        packet = "M%x,1:%02x" % (at, before[0] ^ 0xff)
        packet = "+$" + packet + "#%02x" % (sum(packet.encode()) % 256)
        equal(as_another_user(door, packet, stay=True), "b''", "what another user is told")
        door.wait_log("refused 127.0.0.1:[0-9]+: it is of user 65534, not of yours")
        # once it has closed its socket, the kernel calls that root's
        door.signal(19)  # SIGSTOP: it is accepted when its owner has gone
        for _ in range(20):
            as_another_user(door, packet, stay=False)
        door.signal(18)
        door.wait_log("nobody holds its end")
        time.sleep(0.3)
        equal(client.read(at, 1), before, "what another user has written")
        equal(len(re.findall(r"client \d+: ", door.log())), 1, f"clients in the log {door.log()}")
    with Door(arguments=["--any-user"]) as door:
        holds("QC" in as_another_user(door, "$qC#b4", stay=True), "--any-user lets nobody in")


@case()
def a_unix_socket_speaks_all():
    with Door(listen="unix:" + os.path.join(os.environ.get("TMPDIR", "/tmp"), f"kvmdbg-door-{os.getpid()}.sock")) as door:
        equal(door.http(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")[0], 200, "the page")
        forbidden(door, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "no host of this server")
        link = WebSocket(door.raw(door.upgrade("/rsp", door.control, host="localhost")))
        equal(link.ask(b"qC")[:2], "QC", "an answer")
        link.close()
        door.connect().close()


@case()
def who_did_it():
    audit = os.path.join(Settings.scratch, f"audit-{os.getpid()}")
    with Door(arguments=["--audit", audit, "--listen", "127.0.0.1:0,observe"]) as door:
        equal(os.stat(audit).st_mode & 0o777, 0o600, "mode of the audit file")
        client = door.connect()
        at = door["_start"]
        client.read(at, 16)
        code = client.read(at, 1)
        client.write(at, code)
        client.set_register("rax", 5)
        client.insert(1, at + 1)
        client.remove(1, at + 1)
        client.step()
        observer = Client(re.findall(r"listening on (\S+),", door.log())[0])
        refused(lambda: observer.write(at, b"\x90"), "an observer's write")
        client.resume("c")
        client.interrupt()
        with open(audit, encoding="utf-8") as file:
            lines = file.read().splitlines()
        owner, looks = (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ client %d \(gdb from 127\.0\.0\.1:\d+\): " % i for i in (1, 2))
        expected = [owner + rf"write_memory {at:#x}, 1 bytes: ok", owner + r"write_register \d+ of vCPU 0: ok",
                    owner + rf"insert_point .*{at + 1:#x}.*: ok", owner + rf"remove_point .*{at + 1:#x}.*: ok",
                    owner + "resume step: ok", looks + f"write_memory {at:#x}, 1 bytes: .*may only observe.*",
                    owner + "resume run: ok", owner + "interrupt: ok"]
        for line, want in zip(lines, expected, strict=False):
            holds(re.fullmatch(want, line), f"{line!r} is not {want!r}")
        equal(len(lines), len(expected), f"lines of {lines}")
