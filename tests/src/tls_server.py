"""A server of TLS on 127.0.0.1 for one test: prints its port, and serves each connection as its first argument says."""

import socket
import ssl
import sys
import threading
import time

HOW, CHAIN, KEY = sys.argv[1:4]


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(CHAIN, KEY)
    if HOW == "tls12-p384":
        made.maximum_version = ssl.TLSVersion.TLSv1_2
        made.set_ecdh_curve("secp384r1")
    elif HOW == "tls13-p256":
        made.minimum_version = ssl.TLSVersion.TLSv1_3
        made.set_ecdh_curve("prime256v1")
    elif HOW == "tls10":
        made.set_ciphers("ALL:@SECLEVEL=0")
        made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1
    made.set_alpn_protocols(["http/1.1"])
    made.sni_callback = named
    return made


SNI = {}


def named(connection, name, _):
    SNI[id(connection)] = name


def serve(plain, made):
    if HOW == "plain":
        plain.recv(100)
        plain.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\nthis is no TLS")
        plain.close()
        return
    if HOW == "gone":
        plain.recv(65536)
        plain.close()
        return
    if HOW == "silent":
        time.sleep(600)
    secure = made.wrap_socket(plain, server_side=True)
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        part = secure.recv(4096)
        if not part:
            return
        request += part
    head = b"HTTP/1.1 200 OK\r\n"
    if HOW == "cut":
        secure.sendall(head + b"\r\nhalf of i")
        plain_again = socket.socket(fileno=secure.detach())
        plain_again.shutdown(socket.SHUT_RDWR)
        plain_again.close()
        return
    if HOW == "middle":
        secure.sendall(head + b"content-length: 100\r\n\r\nhalf of i")
        secure.unwrap()
        return
    if HOW == "drip":
        for byte in head + b"content-length: 600\r\n\r\n" + b"x" * 600:
            secure.sendall(bytes([byte]))
            time.sleep(1)
        return
    if HOW == "headers":
        secure.sendall(head)
        while True:
            secure.sendall(b"x-more: and more\r\n" * 1000)
    if HOW == "flood":
        secure.sendall(head + b"content-length: 10737418240\r\n\r\n")
        while True:
            secure.sendall(b"x" * 1048576)
    if HOW == "large":
        body = bytes(number * 7 % 251 for number in range(1 << 20))
        secure.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        secure.unwrap()
        return
    told = f"{secure.version()} {SNI.get(id(secure))} {secure.selected_alpn_protocol()}\n".encode() + request
    secure.sendall(head + b"content-length: %d\r\n\r\n" % len(told) + told)
    secure.unwrap()


def one(plain, made):
    try:
        serve(plain, made)
    except OSError as error:
        # What the client has said to it, for the test that wants to know.
        print(type(error).__name__, error, file=sys.stderr, flush=True)


listening = socket.create_server(("127.0.0.1", 0))
made = context()
print(listening.getsockname()[1], flush=True)
while True:
    accepted, _ = listening.accept()
    threading.Thread(target=one, args=(accepted, made), daemon=True).start()
