"""A download ends in time whatever the server does, and leads only where it may."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmvideo.deadline import deadline
from mmvideo.errors import DownloadRefused, MediaNotFound, TimeLimitExceeded
from mmvideo.media import MediaLimits, open_source
from mmvideo.media.addresses import is_public
from mmvideo.media.download import download

OK = b"HTTP/1.1 200 OK\r\n"


class Server:
    """Accepts connections, keeps what was asked, and lets a function misbehave on each."""

    def __init__(self, behave: Callable[[socket.socket], None], *, reads: bool = True) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.asked: list[bytes] = []
        self._behave, self._reads, self._open = behave, reads, True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while self._open:
            try:
                peer, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with contextlib.suppress(OSError), peer:
            if self._reads:
                self.asked.append(peer.recv(65536))
            self._behave(peer)

    def close(self) -> None:
        self._open = False
        self.listening.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(behave: Callable[[socket.socket], None], **options) -> Server:
        servers.append(Server(behave, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def no_file_left(tmp_path, monkeypatch) -> Iterator[None]:
    """Nothing that was half downloaded stays."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert [path for path in tmp_path.iterdir() if path.name.startswith("mmvideo-")] == []


def drip(start: bytes, piece: bytes, pause: float = 0.05) -> Callable[[socket.socket], None]:
    """Send something, and then the same piece again and again for 20 s."""

    def behave(peer: socket.socket) -> None:
        peer.sendall(start)
        for _ in range(int(20 / pause)):
            peer.sendall(piece)
            time.sleep(pause)
    return behave


def flood(start: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    """Send something, and then the same piece as fast as it is taken."""

    def behave(peer: socket.socket) -> None:
        peer.sendall(start)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            peer.sendall(piece)
    return behave


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SLOW = {
    "silence": drip(b"", b""), "status line": drip(b"HTTP/1.1 2", b"0"), "header": drip(OK + b"X-Slow: ", b"x"),
    "headers": drip(OK, b"X-Y: z\r\n", 0.3), "100 Continue": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "flood of 100 Continue": flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "body": drip(OK + b"Content-Length: 100000\r\n\r\n", b"x"), "body without length": drip(OK + b"\r\n", b"x"),
    "chunk size": drip(CHUNKED, b"0"), "chunk": drip(CHUNKED + b"fffff\r\n", b"x"),
    "chunks": drip(CHUNKED, b"1\r\nx\r\n"),
    "trailers": drip(CHUNKED + b"1\r\nx\r\n0\r\n", b"X-Y: z\r\n"),
    "flood of trailers": flood(CHUNKED + b"1\r\nx\r\n0\r\n", b"X-Y: z\r\n" * 1000),
    "redirect with a body": drip(b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n", b"x"),
    "error with a body": drip(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9999\r\n\r\n", b"x"),
}


@pytest.mark.parametrize("what", SLOW)
def test_max_seconds_bounds_the_whole_download(what: str, serve) -> None:
    server = serve(SLOW[what])
    begun = time.monotonic()
    with pytest.raises((DownloadRefused, MediaNotFound)) as caught:
        download(f"http://127.0.0.1:{server.port}/film.mp4", limits=MediaLimits(max_seconds=1.0, max_redirects=3))
    assert time.monotonic() - begun < 2.0
    if "redirect" not in what and "error" not in what:
        assert "max_seconds" in str(caught.value) or "flood" in what
    assert server.asked[0].startswith(b"GET /film.mp4 HTTP/1.1\r\n")


@pytest.mark.parametrize("what", ["silence", "headers", "body", "chunks", "flood of trailers"])
def test_the_time_limit_of_a_call_bounds_its_download(what: str, serve) -> None:
    server = serve(SLOW[what])
    begun = time.monotonic()
    with pytest.raises(TimeLimitExceeded), deadline(0.5):
        open_source(f"http://127.0.0.1:{server.port}/film.mp4")
    assert 0.4 < time.monotonic() - begun < 1.5


@pytest.mark.parametrize("start", [b"", b"\x16\x03\x03\x3f\x00", b"\x16\x03\x03\x00\x01"])
def test_max_seconds_bounds_a_tls_handshake(start: bytes, serve) -> None:
    server = serve(drip(start, b"x" if len(start) == 5 and start[3] else b""))
    begun = time.monotonic()
    with pytest.raises(DownloadRefused, match="max_seconds"):
        download(f"https://127.0.0.1:{server.port}/film.mp4", limits=MediaLimits(max_seconds=1.0))
    assert time.monotonic() - begun < 2.0


def test_max_seconds_bounds_the_look_up_and_the_connection(serve, monkeypatch) -> None:
    def look_up(host: str, port: int, **_: object) -> list:
        if host == "slow.example":
            time.sleep(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    # a full backlog: the kernel answers no further connection
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        held = [socket.socket() for _ in range(8)]
        for one in held:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        real = socket.socket.connect_ex
        monkeypatch.setattr(socket.socket, "connect_ex", lambda peer, _: real(peer, full.getsockname()))
        for host in ("slow.example", "full.example"):
            begun = time.monotonic()
            with pytest.raises(DownloadRefused, match="max_seconds"):
                download(f"http://{host}/film.mp4", limits=MediaLimits(max_seconds=1.0))
            assert time.monotonic() - begun < 2.0
        for one in held:
            one.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("what", ["silence", "headers", "body", "100 Continue"])
def test_a_download_that_nobody_waits_for_ends_at_once(scheme: str, what: str, serve) -> None:
    server, gone = serve(SLOW[what]), threading.Event()
    threading.Timer(0.5, gone.set).start()
    begun = time.monotonic()
    with pytest.raises((DownloadRefused, MediaNotFound)):  # not found: what is sent is no TLS
        download(f"{scheme}://127.0.0.1:{server.port}/x", limits=MediaLimits(max_seconds=15.0, stop=gone.is_set))
    assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_download_at_once(signal_number: int, serve, tmp_path) -> None:
    server = serve(SLOW["headers"])
    program = (f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
               f"from mmvideo.media.download import download; print('ready', flush=True)\n"
               f"download('http://127.0.0.1:{server.port}/x')")
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             env={**os.environ, "TMPDIR": str(tmp_path)}, text=True)
    assert child.stdout.readline() == "ready\n"
    while not server.asked:
        time.sleep(0.02)
    child.send_signal(signal_number)
    begun = time.monotonic()
    child.wait(10)
    assert time.monotonic() - begun < 3.0


def test_more_bytes_than_allowed_are_not_read(serve) -> None:
    limits = MediaLimits(max_bytes=10_000, max_seconds=20.0)
    for what in ("flood of 100 Continue", "flood of trailers"):
        server = serve(SLOW[what])
        begun = time.monotonic()
        with pytest.raises(DownloadRefused, match="max_bytes"):
            download(f"http://127.0.0.1:{server.port}/x", limits=limits)
        assert time.monotonic() - begun < 10.0
    for head in (b"Content-Length: 10001\r\n\r\n", b"\r\n"):
        server = serve(flood(OK + head, b"x" * 5000))
        with pytest.raises(DownloadRefused, match="max_bytes"):
            download(f"http://127.0.0.1:{server.port}/x", limits=limits)


def film(peer: socket.socket) -> None:
    peer.sendall(OK + b"Content-Length: 4\r\n\r\nfilm")


def test_a_name_is_looked_up_once_and_kept_in_the_request(serve, monkeypatch) -> None:
    server, looked_up = serve(film), []

    def look_up(host: str, port: int, **_: object) -> list:
        looked_up.append(host)
        address = "127.0.0.1" if len(looked_up) == 1 else "192.0.2.1"  # the answer changes: DNS rebinding
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr("mmvideo.media.connection.is_public", lambda address: address == "127.0.0.1")
    path = download(f"http://films.example:{server.port}/a%20b/ü c.mp4?q=ä b#there", limits=MediaLimits(
        private_addresses=False, max_seconds=5.0))
    assert path.read_bytes() == b"film"
    path.unlink()
    assert looked_up == ["films.example"]
    head = server.asked[0].decode()
    assert head.startswith("GET /a%20b/%C3%BC%20c.mp4?q=%C3%A4%20b HTTP/1.1\r\n")
    assert f"\r\nHost: films.example:{server.port}\r\n" in head


def test_tls_asks_for_the_name_and_not_for_the_address(serve, monkeypatch, tmp_path) -> None:
    certificate = make_certificate(tmp_path, "films.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    names = []
    context.sni_callback = lambda _, name, __: names.append(name)

    def secure(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as inner:
            inner.recv(65536)
            film(inner)

    server = serve(secure, reads=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **_: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))])
    path = download(f"https://films.example:{server.port}/x", limits=MediaLimits(max_seconds=5.0))
    assert path.read_bytes() == b"film"
    path.unlink()
    assert names == ["films.example"]
    with pytest.raises(MediaNotFound, match="certificate"):
        download(f"https://other.example:{server.port}/x", limits=MediaLimits(max_seconds=5.0))


def make_certificate(folder: Path, name: str) -> Path:
    """Make a key and a certificate that vouches for itself."""
    import datetime

    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(1).not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(key, hashes.SHA256()))
    pem = serialization.Encoding.PEM
    path = folder / "certificate.pem"
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
                     + made.public_bytes(pem))
    return path


@pytest.mark.parametrize("host", [
    "127.0.0.1", "localhost", "127.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "[::1]", "0", "0.0.0.0",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]", "127.0.0.1.", "LOCALHOST", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]", "192.0.0.192"])
def test_no_private_address_is_connected_to(host: str, serve, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # it would look the name up itself
    server = serve(film)
    with pytest.raises((DownloadRefused, MediaNotFound)) as caught:
        download(f"http://{host}:{server.port}/x", limits=MediaLimits(private_addresses=False, max_seconds=5.0))
    assert "private_addresses" in str(caught.value) or "not known" in str(caught.value)
    assert server.asked == []


def test_a_redirect_leads_to_no_private_address(serve, monkeypatch) -> None:
    inner = serve(film)
    outer = serve(lambda peer: peer.sendall(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
                                            b"Location: http://inner.example:%d/x\r\n\r\n" % inner.port))
    addresses = {"outer.example": "127.0.0.1", "inner.example": "127.0.0.2"}
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **_: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (addresses[host], port))])
    monkeypatch.setattr("mmvideo.media.connection.is_public", lambda address: address == "127.0.0.1")
    with pytest.raises(DownloadRefused, match=r"inner\.example.*private_addresses"):
        download(f"http://outer.example:{outer.port}/x", limits=MediaLimits(private_addresses=False, max_seconds=5.0))
    assert outer.asked
    assert inner.asked == []


def test_a_proxy_is_used_and_waited_for_no_longer_than_allowed(serve, monkeypatch) -> None:
    proxy, slow = serve(film), serve(drip(b"HTTP/1.1 200 OK\r\n", b"X-Y: z\r\n", 0.1))
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{slow.port}")
    path = download("http://films.example/x", limits=MediaLimits(max_seconds=5.0))
    path.unlink()
    assert proxy.asked[0].startswith(b"GET http://films.example/x HTTP/1.1\r\n")
    begun = time.monotonic()
    with pytest.raises(DownloadRefused, match="max_seconds"):
        download("https://films.example/x", limits=MediaLimits(max_seconds=1.0))
    assert time.monotonic() - begun < 2.0
    assert slow.asked[0].startswith(b"CONNECT films.example:443 HTTP/1.")


PUBLIC = ("1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001:800::200e")
_NOT_PUBLIC = """
0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254 172.16.0.1 192.0.0.1 192.0.0.192
192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 233.252.0.1 239.255.255.250 240.0.0.1
255.255.255.255 :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b::8.8.8.8
64:ff9b:1::1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::
2002:808:808::1 3fff::1 4000::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 fe80::1%lo fec0::1 ff02::1 ff0e::1 localhost 1.1.1
0x01010101
"""


def test_public_addresses() -> None:
    assert [address for address in PUBLIC if not is_public(address)] == []
    assert [address for address in ["", *_NOT_PUBLIC.split()] if is_public(address)] == []


@pytest.mark.parametrize("address", [
    "http://[", "http://h:abc/", "http:///x", "http://a b/", "http://\ud800/", "http://a..b/", "http://127.0.0.1:9/\ud800",
    "http://127.0.0.1:70000/", "http://user:pw@127.0.0.1:9/", f"http://{'a' * 300}/", "http://127.0.0.1:9/ü é",
    "https://127.0.0.1:9/", "http://nowhere.invalid/x"])
def test_an_address_that_leads_nowhere_is_not_found(address: str) -> None:
    with pytest.raises(MediaNotFound):
        download(address, limits=MediaLimits(max_seconds=10.0))
