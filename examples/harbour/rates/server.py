"""Exchange rates over HTTP/1.1 with nothing but the standard library."""
import json
import os
import random
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
RELEASE = (HERE / "VERSION").read_text().strip()
FAULT = json.loads((HERE / "fault.json").read_text())
RATES = {"USD": 1.0912, "GBP": 0.8533, "SEK": 11.2201, "JPY": 161.74}
STARTED = time.monotonic()


def answer(path):
    """Status and body for a path."""
    if path.endswith("/up"):
        if FAULT["kind"] == "badHealth" or (FAULT["kind"] == "slowStart" and (time.monotonic() - STARTED) * 1000 < FAULT["ms"]):
            return 503, "not yet"
        return 200, "up"
    if FAULT["kind"] == "errors" and random.random() < FAULT["rate"]:
        return 500, "this version is broken"
    if FAULT["kind"] == "badSmoke" and path.rstrip("/") == "/rates":
        return 500, "smoke"
    if FAULT["kind"] == "slow" and random.random() < FAULT.get("share", 1):
        time.sleep(FAULT["ms"] / 1000)
    return 200, json.dumps(RATES)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave in one packet; without this every answer waits for a delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        with self.server.counting:
            self.server.under_way += 1
        try:
            status, body = answer(self.path.split("?")[0])
            data = body.encode()
            self.send_response(status)
            self.send_header("content-type", "application/json" if status == 200 else "text/plain")
            self.send_header("content-length", str(len(data)))
            self.send_header("x-app-version", os.environ.get("SLUICE_VERSION", "local"))
            self.send_header("x-app-release", RELEASE)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)
            self.wfile.flush()
        finally:
            with self.server.counting:
                self.server.under_way -= 1

    do_HEAD = do_GET

    def log_message(self, *_args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address):
        super().__init__(address, Handler)
        self.under_way = 0
        self.counting = threading.Lock()


def main():
    server = Server(("127.0.0.1", int(os.environ.get("PORT", "0"))))

    def end(_signal, _frame):
        def finish():
            server.shutdown()
            while server.under_way > 0:
                time.sleep(0.01)
            os._exit(0)

        threading.Thread(target=finish).start()

    signal.signal(signal.SIGTERM, end)
    print(f"listening on {server.server_address[1]}, release {RELEASE}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
