import http.client
import json
import threading
import unittest

import server


class Rates(unittest.TestCase):
    def test_answers_rates(self):
        status, body = server.answer("/rates")
        self.assertEqual(status, 200)
        self.assertIn("USD", json.loads(body))

    def test_faults_are_by_version(self):
        before = server.FAULT
        try:
            server.FAULT = {"kind": "badHealth"}
            self.assertEqual(server.answer("/up")[0], 503)
            server.FAULT = {"kind": "errors", "rate": 1}
            self.assertEqual(server.answer("/rates")[0], 500)
        finally:
            server.FAULT = before

    def test_keeps_connections_alive(self):
        running = server.Server(("127.0.0.1", 0))
        threading.Thread(target=running.serve_forever, daemon=True).start()
        connection = http.client.HTTPConnection(*running.server_address)
        for _ in range(3):
            connection.request("GET", "/rates")
            response = connection.getresponse()
            self.assertEqual(response.status, 200)
            response.read()
        connection.close()
        running.shutdown()


if __name__ == "__main__":
    unittest.main()
