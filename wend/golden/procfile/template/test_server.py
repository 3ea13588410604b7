import threading
import unittest
import urllib.request
from http.server import ThreadingHTTPServer

from server import Pages


class Served(unittest.TestCase):
    def test_pages(self):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        for path in ("/", "/healthz"):
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}") as answer:
                self.assertEqual(answer.status, 200)
