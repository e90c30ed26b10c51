"""What .ci/beside-a-gateway plays on: an API that shows what it was sent, Portico with a product before it, gateways with the
configurations of the documentation, and a caller that sends its bytes as they are."""

import base64
import hashlib
import http.client
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request

CONFIGURATIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs", "existing-gateways")
# Where everything listens and gateways call from, and where callers call from.
HERE, CALLER, ELSEWHERE = "127.0.0.1", "127.0.0.3", "127.0.0.2"
PATIENCE = 15

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Pay", "version": "1.0.0"},
    "components": {"securitySchemes": {"pay": {"type": "oauth2", "flows": {"clientCredentials": {
        "tokenUrl": "https://pay.example/token", "scopes": {"admin": "everything"},
    }}}}},
    "paths": {
        "/charges": {
            "get": {"responses": {"200": {"description": "all"}}},
            "post": {"responses": {"201": {"description": "made"}}},
        },
        "/charges/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"responses": {"200": {"description": "one"}}},
        },
        "/admin": {"get": {"security": [{"pay": ["admin"]}], "responses": {"200": {"description": "ok"}}}},
    },
}

# Of somebody, and public, as certificates are. Nobody has its key.
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBDDCBs6ADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMMBGFjbWUwIBcN
MjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMA8xDTALBgNVBAMMBGFjbWUw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASdTVSSwLfjnJ8bBU+d64UoXJ2lBlhI
xdBJET/fUIprhltwLOsHlUPJUc2TUh17rn19qVhYYT5tbe/6bbu0LEJfMAoGCCqG
SM49BAMCA0gAMEUCIEodZ7c0mqqccuvMzDis3hhYfRmJbjfBabmy7HvgaNinAiEA
xhvY52GmKcBWO0xy2inTkKZ+eSutk64CYcOjNcFs7m4=
-----END CERTIFICATE-----
"""
DER = base64.b64decode("".join(CERTIFICATE.splitlines()[1:-1]))
# In which proxies tell of certificates.
CERTIFICATE_HEADERS = (
    "Client-Cert", "Client-Cert-Chain", "SSL-Client-Cert", "X-Client-Cert", "X-Forwarded-Client-Cert", "X-Forwarded-Tls-Client-Cert",
    "X-SSL-Client-Cert",
)


def certificate_values():
    """How they tell: RFC 9440, nginx, HAProxy, Envoy."""
    text, escaped = base64.b64encode(DER).decode(), urllib.parse.quote(CERTIFICATE, safe="")
    return f":{text}:", escaped, text, f'Hash={hashlib.sha256(DER).hexdigest()};Cert="{escaped}"'


class Wrong(Exception):
    pass


def expect(seen, expected, what):
    if seen != expected:
        raise Wrong(f"{what}: {seen!r}, not {expected!r}")


def free_port():
    with socket.socket() as s:
        s.bind((HERE, 0))
        return s.getsockname()[1]


def eventually(what, look):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise Wrong(f"{what} not within {PATIENCE} s")


def listens(port):
    with socket.socket() as s:
        return s.connect_ex((HERE, port)) == 0


class Answer:
    def __init__(self, response, method):
        self.status = response.status
        self.headers = {}
        for name, value in response.getheaders():
            self.headers.setdefault(name.lower(), []).append(value)
        self.body = response.read() if method != "HEAD" else b""

    def header(self, name):
        values = self.headers.get(name, [])
        expect(len(values) <= 1, True, f"{name} once at most, in {values}")
        return values[0] if values else None

    def refused(self, status, code):
        """A refusal, whole: problem JSON with the same status and id as the head."""
        expect((self.status, self.header("content-type")), (status, "application/problem+json"), f"a {code}, {self.body!r}")
        problem = json.loads(self.body)
        expect((problem["status"], problem["code"]), (status, code), "the problem")
        expect(problem["requestId"], self.header("x-request-id"), "the request's id")
        expect(self.header("cache-control"), "no-store", "Cache-Control")
        return problem


def call(port, method, path, headers=(), body=None, source=CALLER):
    """Sends a path byte for byte."""
    connection = http.client.HTTPConnection(HERE, port, timeout=PATIENCE, source_address=(source, 0))
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        chunked = isinstance(body, list)
        if body is not None:
            connection.putheader(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
        connection.endheaders(body, encode_chunked=chunked)
        return Answer(connection.getresponse(), method)
    finally:
        connection.close()


class Api(http.server.ThreadingHTTPServer):
    """What all gateways forward to: it shows what it was sent, and keeps it."""

    daemon_threads = True

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            body = self.chunks() if self.headers.get("transfer-encoding") else self.rfile.read(int(self.headers.get("content-length") or 0))
            fields = [(name.lower(), value) for name, value in self.headers.items()]
            self.server.seen.append({"line": f"{self.command} {self.path}", "fields": fields, "bytes": len(body)})
            text = json.dumps(self.server.seen[-1]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            # A gateway in front says both of its own.
            self.send_header("X-Request-ID", "of-the-api")
            self.send_header("RateLimit", '"api";r=1;t=1')
            self.send_header("X-Portico-Denial", "RATE_LIMITED")
            self.end_headers()
            self.wfile.write(text)

        def chunks(self):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        do_GET = do_POST = do_DELETE = do_PUT = answer

        def log_message(self, *_):
            pass

    def handle_error(self, *_):
        pass

    def __init__(self):
        super().__init__((HERE, 0), self.Handler)
        self.seen = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Portico:
    def __init__(self, program, folder):
        self.environment = dict(
            os.environ,
            PORTICO_DATA_DIR=os.path.join(folder, "data"),
            PORTICO_LISTEN=f"{HERE}:0",
            PORTICO_GATEWAY_LISTEN=f"{HERE}:0",
            PORTICO_TRUSTED_PROXIES=HERE,
            PORTICO_LOG="warn",
        )
        self.program, self.log = program, os.path.join(folder, "portico.log")
        self.start()
        run = lambda *words: subprocess.run([program, *words], env=self.environment, check=True, capture_output=True, text=True).stdout
        run("staff", "add", "owner@example.com", "OWNER")
        self.token = run("token", "owner@example.com").strip()

    def start(self):
        self.process = subprocess.Popen([self.program, "serve"], stdout=open(self.log, "w"), stderr=subprocess.STDOUT, env=self.environment)
        listening = r"listening api=\S+:(\d+) gateway=\S+:(\d+)"
        line = eventually("Portico's listeners", lambda: re.search(listening, open(self.log).read()))
        self.api, self.port = int(line[1]), int(line[2])

    def believe(self, header):
        """Starts anew at the same ports, with the header in which certificates are told of."""
        self.process.terminate()
        self.process.wait()
        self.environment.update(
            PORTICO_LISTEN=f"{HERE}:{self.api}", PORTICO_GATEWAY_LISTEN=f"{HERE}:{self.port}", PORTICO_CLIENT_CERT_HEADER=header,
        )
        self.start()

    def ask(self, query, variables=None):
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(f"http://{HERE}:{self.api}/graphql", body, headers)
        answer = json.load(urllib.request.urlopen(request, timeout=PATIENCE))
        if answer.get("errors"):
            raise Wrong(f"{query}: {answer['errors']}")
        return answer["data"]

    def change(self, field, select, **given):
        kind = field[0].upper() + field[1:] + "Input"
        query = f"mutation($input: {kind}!) {{ {field}(input: $input) {{ {select} userErrors {{ message path }} }} }}"
        payload = self.ask(query, {"input": given})[field]
        if payload["userErrors"]:
            raise Wrong(f"{field}: {payload['userErrors']}")
        return payload

    def publish(self, upstream):
        made = self.change("createProduct", "product { id }", slug="pay", name="Pay", summary="Charges", basePath="pay", visibility="MEMBERS")
        self.product = made["product"]["id"]
        environment = dict(environment="PRODUCTION", backend="UPSTREAM", upstreamUrl=upstream)
        self.change("setProductEnvironment", "product { id }", productId=self.product, **environment)
        self.change("publishSpec", "spec { id }", productId=self.product, document=json.dumps(DOCUMENT), publishEndpoints=True)
        self.change("setProductStatus", "product { id }", productId=self.product, status="PUBLISHED")
        self.team = self.change("createTeam", "team { id }", name="Acme")["team"]["id"]

    def plan(self, slug, **environment):
        terms = {"environment": "PRODUCTION", "authMethod": "API_KEY", **environment}
        made = self.change(
            "createPlan", "plan { id }", productId=self.product, slug=slug, name=slug, pricing={"model": "FREE"}, hasSandbox=False,
            environments=[terms], scopes=[{"name": "admin", "grant": "RESTRICTED"}],
        )
        plan = made["plan"]["id"]
        self.change("setPlanStatus", "plan { id }", planId=plan, status="ACTIVE")
        return plan

    def key(self, plan, name, addresses=()):
        """A client of its own with an API key."""
        select = "subscription { client { id profiles { id } } }"
        client = self.change("subscribe", select, planId=plan, teamId=self.team, name=name)["subscription"]["client"]
        profile = client["profiles"][0]["id"]
        if addresses:
            self.change("updateNetworkRules", "profile { id }", profileId=profile, ipAllowlist=list(addresses))
        secret = self.change("createCredential", "issued { secret }", profileId=profile)["issued"]["secret"]
        in_force = lambda: call(self.port, "GET", "/pay/charges/in-force", [("X-API-Key", secret)], source=ELSEWHERE).status
        if "rate" not in name:
            eventually("the key in force", lambda: in_force() == 200)
        return client["id"], secret

    def certificate(self, plan):
        """A client of its own that names itself and shows the certificate."""
        select = "subscription { client { id profiles { id } } }"
        client = self.change("subscribe", select, planId=plan, teamId=self.team, name="certificates")["subscription"]["client"]
        profile = client["profiles"][0]["id"]
        self.change("createCredential", "credential { id }", profileId=profile, certificatePem=CERTIFICATE)
        return client["id"]

    def decision(self, request):
        query = "query($id: String!) { decision(requestId: $id) { allowed reason explanation entry { method path status ip } } }"
        return eventually("the call in the log", lambda: self.ask(query, {"id": request})["decision"])


class Gateway:
    """One that runs with the documentation's configuration."""

    def __init__(self, name, folder, portico, api):
        self.name, self.port = name, free_port()
        self.folder = os.path.join(folder, name)
        shutil.copytree(os.path.join(CONFIGURATIONS, name), self.folder)
        ports = {"8000": self.port, "8081": portico, "9000": api}
        for file in os.listdir(self.folder):
            path = os.path.join(self.folder, file)
            text = open(path).read()
            open(path, "w").write(re.sub(r"\b(8000|8081|9000)\b", lambda port: str(ports[port[1]]), text))
        self.log = os.path.join(folder, f"{name}.log")
        command = getattr(self, name)()
        environment = dict(os.environ, HOME=self.folder, XDG_CONFIG_HOME=self.folder, XDG_DATA_HOME=self.folder)
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=open(self.log, "w"), stderr=subprocess.STDOUT, env=environment)
        try:
            eventually(f"{name} listening", lambda: self.process.poll() is not None or listens(self.port))
            expect(self.process.poll(), None, f"{name} ended")
        except Wrong as wrong:
            self.process.kill()
            raise Wrong(f"{wrong}\n{open(self.log).read()[-3000:]}") from None

    def nginx(self):
        temporary = "".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        main = f"daemon off; pid {self.folder}/pid; error_log stderr warn; events {{}}\nhttp {{ access_log off; {temporary} include example.conf; }}\n"
        open(os.path.join(self.folder, "nginx.conf"), "w").write(main)
        return ["nginx", "-e", "stderr", "-p", self.folder, "-c", "nginx.conf"]

    def caddy(self):
        # Its administration would listen on a port of its own.
        path = os.path.join(self.folder, "Caddyfile")
        text = open(path).read()
        open(path, "w").write("{\n\tadmin off\n\tauto_https off\n}\n" + text)
        return ["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"]

    def haproxy(self):
        return ["haproxy", "-db", "-f", "haproxy.cfg"]

    def envoy(self):
        return ["envoy", "-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "2", "-l", "warn"]

    def traefik(self):
        return ["traefik", "--configfile=traefik.yaml"]

    def serves(self):
        """Whether it has taken in its whole configuration."""
        return call(self.port, "GET", "/pay/charges").status == 401
