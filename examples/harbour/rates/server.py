"""Exchange rates over HTTP/1.1 with nothing but the standard library."""
import json
import os
import random
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
RELEASE = (HERE / "VERSION").read_text().strip()
FAULT = json.loads((HERE / "fault.json").read_text())
RATES = {"USD": 1.0912, "GBP": 0.8533, "SEK": 11.2201, "JPY": 161.74}
STARTED = time.monotonic()
BROKEN = (500, "this version is broken")


def answer(path, served=0, fault=None):
    """Status and body for a path; None where no answer comes. `served`: requests answered before."""
    fault = FAULT if fault is None else fault
    kind = fault["kind"]
    if path.endswith("/up"):
        starts = kind == "slowStart" and (time.monotonic() - STARTED) * 1000 < fault["ms"]
        return (503, "not yet") if starts or kind == "badHealth" else (200, "up")
    if kind == "crashAfter" and served >= fault["requests"]:
        os._exit(1)
    if kind == "noAnswer":
        return None
    if kind == "badSmoke" and path.count("/") <= 1:
        return BROKEN
    if kind == "errors" and served >= fault.get("after", 0) and random.random() < fault["rate"]:
        return BROKEN
    if kind == "slow" and random.random() < fault.get("share", 1):
        time.sleep(fault["ms"] / 1000)
    return 200, json.dumps(RATES)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave in one packet; without this every answer waits for a delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        with self.server.under_way():
            path = self.path.split("?")[0]
            result = answer(path, self.server.served)
            if not path.endswith("/up"):
                self.server.served += 1
            while result is None:
                time.sleep(1)
            self.respond(*result)

    do_HEAD = do_GET

    def respond(self, status, body):
        data = body.encode()
        self.send_response(status)
        self.send_header("content-type", "application/json" if status == 200 else "text/plain")
        self.send_header("content-length", str(len(data)))
        self.send_header("x-app-version", os.environ.get("SLUICE_VERSION", "local"))
        self.send_header("x-app-release", RELEASE)
        if self.server.ending:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, *_args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address):
        super().__init__(address, Handler)
        self.served = 0
        self.ending = False
        self.requests = 0
        self.changed = threading.Condition()

    def under_way(self):
        """Counts a request while it is answered."""
        server = self

        class Counted:
            def __enter__(self):
                with server.changed:
                    server.requests += 1

            def __exit__(self, *_error):
                with server.changed:
                    server.requests -= 1
                    server.changed.notify_all()

        return Counted()

    def end(self):
        """No new connections, then wait for the requests under way."""
        self.ending = True
        self.shutdown()
        self.server_close()
        with self.changed:
            self.changed.wait_for(lambda: self.requests == 0)


def main():
    server = Server(("127.0.0.1", int(os.environ.get("PORT", "0"))))

    def finish():
        print("ending: no new requests, finishing those under way", flush=True)
        server.end()
        os._exit(0)

    signal.signal(signal.SIGTERM, lambda *_args: threading.Thread(target=finish).start())
    print(f"listening on {server.server_address[1]}, release {RELEASE}", flush=True)
    server.serve_forever()
    # Returns as `end` begins; that decides when the process is over.
    threading.Event().wait()


if __name__ == "__main__":
    main()
