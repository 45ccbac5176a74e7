"""Files that are lists of other files, which no server may follow."""

from __future__ import annotations

from pathlib import Path


def contents(secret: Path) -> dict[str, bytes]:
    """Return such files, by name: HLS, concat, SDP, DASH and others, each of which names a file of this machine."""
    path = str(secret).encode()
    hls = (b"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\n%s\n"
           b"#EXT-X-ENDLIST\n")
    return {
        "list.m3u8": hls % path, "list.m3u": hls % (b"file://" + path), "list.mp4": hls % path, "list": hls % path,
        "map.m3u8": hls.replace(b"#EXTINF", b'#EXT-X-MAP:URI="%s"\n#EXTINF') % (path, path),
        "master.m3u8": b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n" + path + b"\n",
        "list.ffconcat": b"ffconcat version 1.0\nfile '%s'\n" % path,
        "concat.mp4": b"ffconcat version 1.0\nfile %s\n" % path,
        "plain.txt": b"file '%s'\n" % path,
        "call.sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
                    b"a=rtpmap:96 H264/90000\n",
        "list.mpd": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
                    b'mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4">'
                    b'<Representation id="1" bandwidth="1"><BaseURL>file://%s</BaseURL></Representation>'
                    b'</AdaptationSet></Period></MPD>' % path,
        "list.pls": b"[playlist]\nFile1=%s\nNumberOfEntries=1\n" % path,
        "list.asx": b'<asx><ref href="%s"/></asx>' % path,
    }


def playlists(secret: Path, folder: Path) -> list[Path]:
    """Write them; return their paths."""
    made = []
    for name, content in contents(secret).items():
        made.append(folder / name)
        made[-1].write_bytes(content)
    return made


__all__ = ["contents", "playlists"]
