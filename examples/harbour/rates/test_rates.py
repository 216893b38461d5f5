import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import server


class Answers(unittest.TestCase):
    def test_rates(self):
        status, body = server.answer("/rates")
        self.assertEqual(status, 200)
        self.assertIn("USD", json.loads(body))

    def test_faults_are_by_version(self):
        self.assertEqual(server.answer("/up", fault={"kind": "badHealth"})[0], 503)
        self.assertEqual(server.answer("/up", fault={"kind": "slowStart", "ms": 10**9})[0], 503)
        self.assertEqual(server.answer("/rates", fault={"kind": "errors", "rate": 1})[0], 500)
        self.assertEqual(server.answer("/rates", 1, {"kind": "errors", "rate": 1, "after": 2})[0], 200)
        self.assertEqual(server.answer("/rates", fault={"kind": "badSmoke"})[0], 500)
        self.assertIsNone(server.answer("/rates", fault={"kind": "noAnswer"}))


class Connections(unittest.TestCase):
    def test_are_kept_alive(self):
        running = server.Server(("127.0.0.1", 0))
        threading.Thread(target=running.serve_forever, daemon=True).start()
        connection = http.client.HTTPConnection(*running.server_address)
        connection.connect()
        before = connection.sock.getsockname()
        for _ in range(3):
            connection.request("GET", "/rates")
            response = connection.getresponse()
            self.assertEqual(response.status, 200)
            response.read()
        self.assertEqual(connection.sock.getsockname(), before)
        connection.close()
        running.end()

    def test_end_waits_for_the_request_under_way(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("server.py", "VERSION"):
                shutil.copy(Path(__file__).parent / name, folder)
            (Path(folder) / "fault.json").write_text('{"kind": "slow", "ms": 400}')
            env = {**os.environ, "SLUICE_VERSION": "v-test"}
            with subprocess.Popen([sys.executable, "server.py"], cwd=folder, env=env, stdout=subprocess.PIPE, text=True) as child:
                port = int(child.stdout.readline().split()[2].rstrip(","))
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("GET", "/rates")
                time.sleep(0.15)
                child.send_signal(signal.SIGTERM)
                response = connection.getresponse()
                self.assertEqual(response.status, 200)
                self.assertEqual(response.getheader("x-app-version"), "v-test")
                response.read()
                self.assertEqual(child.wait(10), 0)


if __name__ == "__main__":
    unittest.main()
