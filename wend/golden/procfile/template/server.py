"""A page and a health check with nothing but Python: replace it by whatever listens on $PORT."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOME = (Path(__file__).parent / "home.html").read_bytes()


class Pages(BaseHTTPRequestHandler):
    def do_GET(self):
        status, kind, body = {
            "/": (200, "text/html; charset=utf-8", HOME),
            "/healthz": (200, "application/json", b'{"status": "ok"}'),
        }.get(self.path, (404, "text/plain", b"There is no page here.\n"))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("PORT", "3000"))), Pages).serve_forever()
