"""Rotates, regenerates and revokes credentials on three gateways under load, and tells what calls saw of it.

No call with a secret that works may be refused, and no secret that a receipt says is ended may pass, at any gateway. Prints how
long changes took until every gateway refused the old secret: by the receipt, and as seen by calls. Takes the program and the
seconds to run; the database is PORTICO_DATABASE_URL, else an embedded one. Standard library only.
"""
import http.client, json, os, random, subprocess, sys, tempfile, threading, time

portico, seconds = os.path.abspath(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
work = tempfile.mkdtemp()
environment = dict(os.environ, PORTICO_DATA_DIR=work, PORTICO_LOG="warn", PORTICO_SECRET_KEY="under-load-under-load-under-load-!",
                   PORTICO_LISTEN="127.0.0.1:0", PORTICO_GATEWAY_LISTEN="127.0.0.1:0")
processes = []


def serve(role):
    process = subprocess.Popen([portico, "serve", "--role", role], env=environment, stdout=subprocess.PIPE, text=True)
    processes.append(process)
    line = process.stdout.readline()
    threading.Thread(target=process.stdout.read, daemon=True).start()
    return dict(part.split("=") for part in line.split()[1:])


def run(*arguments):
    return subprocess.run([portico, *arguments], env=environment, check=True, capture_output=True, text=True).stdout.strip()


class Api:
    def __init__(self, address, token):
        self.connection, self.token = http.client.HTTPConnection(address, timeout=20), token

    def mutate(self, field, kind, given, select):
        query = f"mutation($input: {kind}!) {{ {field}(input: $input) {{ {select} userErrors {{ code message }} }} }}"
        body = json.dumps({"query": query, "variables": {"input": given}})
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.token}"}
        self.connection.request("POST", "/graphql", body, headers)
        answer = json.loads(self.connection.getresponse().read())
        done = (answer.get("data") or {}).get(field)
        if answer.get("errors") or not done or done["userErrors"]:
            raise RuntimeError(f"{field}: {answer}")
        return done


def call(connection, key):
    connection.request("GET", "/ship/shipments", headers={"x-api-key": key})
    answer = connection.getresponse()
    answer.read()
    return answer.status


DOCUMENT = json.dumps({"openapi": "3.1.0", "info": {"title": "Ship", "version": "1.0"}, "paths": {"/shipments": {"get": {
    "responses": {"200": {"description": "a list", "content": {"application/json": {"example": []}}}}}}}})


def offer(provider):
    product = provider.mutate("createProduct", "CreateProductInput", {"slug": "ship", "name": "Ship", "summary": "Parcels",
                              "basePath": "ship", "visibility": "PUBLIC"}, "product { id }")["product"]["id"]
    provider.mutate("setProductEnvironment", "SetProductEnvironmentInput",
                    {"productId": product, "environment": "SANDBOX", "backend": "MOCK"}, "product { id }")
    provider.mutate("publishSpec", "PublishSpecInput",
                    {"productId": product, "document": DOCUMENT, "version": "1.0", "publishEndpoints": True}, "product { id }")
    provider.mutate("setProductStatus", "SetProductStatusInput", {"productId": product, "status": "PUBLISHED"}, "product { id }")
    environments = [{"environment": e, "authMethod": "API_KEY"} for e in ("SANDBOX", "PRODUCTION")]
    plan = provider.mutate("createPlan", "CreatePlanInput", {"productId": product, "slug": "free", "name": "Free",
                           "pricing": {"model": "FREE"}, "hasSandbox": True, "environments": environments}, "plan { id }")
    provider.mutate("setPlanStatus", "SetPlanStatusInput", {"planId": plan["plan"]["id"], "status": "ACTIVE"}, "plan { id }")
    return plan["plan"]["id"]


class Credential:
    """One credential, changed by one thread; others call with the secret that works now."""

    def __init__(self, profile):
        self.profile, self.id, self.secret = profile, None, None


ended, refused, calls, receipts, seen = [], [], [0], [], []
stop = threading.Event()


def load(gateways, credentials):
    connections = [http.client.HTTPConnection(gateway, timeout=20) for gateway in gateways]
    while not stop.is_set():
        credential, connection = random.choice(credentials), random.choice(connections)
        secret = credential.secret
        if secret is None:
            continue
        status = call(connection, secret)
        calls[0] += 1
        # Still the one that works after the call: then it worked during all of it.
        if status != 200 and credential.secret is secret:
            refused.append((status, credential.id))
        time.sleep(0.002)


def change(api, gateways, mine):
    connections = [http.client.HTTPConnection(gateway, timeout=20) for gateway in gateways]
    select = "enforcement { complete milliseconds gateways confirmed }"
    while not stop.is_set():
        credential = random.choice(mine)
        old, step = credential.secret, random.choice(["rotateSecret", "regenerateCredential", "revokeCredential", "overlap"])
        given = {"credentialId": credential.id}
        begun = time.monotonic()
        if step == "overlap":
            made = api.mutate("rotateSecret", "RotateSecretInput", given, f"issued {{ secret }} {select}")
            assert all(call(c, old) == 200 and call(c, made["issued"]["secret"]) == 200 for c in connections), "overlap"
            credential.secret = made["issued"]["secret"]
            begun = time.monotonic()
            done = api.mutate("endOverlap", "CredentialIdInput", given, select)
        elif step == "rotateSecret":
            credential.secret = None
            done = api.mutate(step, "RotateSecretInput", {**given, "overlapHours": 0}, f"issued {{ secret }} {select}")
        elif step == "regenerateCredential":
            credential.secret = None
            done = api.mutate(step, "CredentialIdInput", given, f"credential {{ id }} issued {{ secret }} {select}")
            credential.id = done["credential"]["id"]
        else:
            credential.secret = None
            done = api.mutate(step, "CredentialIdInput", given, select)
        took = time.monotonic() - begun
        receipt = done["enforcement"]
        if not receipt["complete"] or receipt["gateways"] != len(gateways):
            ended.append((step, "no complete receipt", receipt))
        for connection in connections:
            if call(connection, old) != 401:
                ended.append((step, "passed after its receipt", receipt))
        receipts.append(receipt["milliseconds"] or 1000.0)
        seen.append(took * 1000)
        if step == "revokeCredential":
            done = api.mutate("createCredential", "CreateCredentialInput", {"profileId": credential.profile},
                              f"credential {{ id }} issued {{ secret }} {select}")
            credential.id = done["credential"]["id"]
        if step != "overlap":
            credential.secret = done["issued"]["secret"]
        time.sleep(0.05)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


try:
    first = serve("all")
    gateways = [first["gateway"], serve("gateway")["gateway"], serve("gateway")["gateway"]]
    for who, role in (("provider@example.com", "OWNER"), ("partner@example.com", "VIEWER")):
        run("staff", "add", who, role)
    plan = offer(Api(first["api"], run("token", "provider@example.com")))
    token = run("token", "partner@example.com")
    partner = Api(first["api"], token)
    team = partner.mutate("createTeam", "CreateTeamInput", {"name": "Acme"}, "team { id }")["team"]["id"]
    credentials = []
    for n in range(3):
        held = partner.mutate("subscribe", "SubscribeInput", {"planId": plan, "teamId": team, "name": f"Ours {n}"},
                              "subscription { lanes { profile { id } credentials { id } } } issued { secret }")
        lane = held["subscription"]["lanes"][0]
        for m in range(2):
            credential = Credential(lane["profile"]["id"])
            if m == 0:
                credential.id, credential.secret = lane["credentials"][0]["id"], held["issued"]["secret"]
            else:
                made = partner.mutate("createCredential", "CreateCredentialInput", {"profileId": credential.profile},
                                      "credential { id } issued { secret } enforcement { complete }")
                credential.id, credential.secret = made["credential"]["id"], made["issued"]["secret"]
            credentials.append(credential)
    time.sleep(1)
    threads = [threading.Thread(target=load, args=(gateways, credentials)) for _ in range(3)]
    threads += [threading.Thread(target=change, args=(Api(first["api"], token), gateways, credentials[n::2])) for n in range(2)]
    failures = []
    threading.excepthook = lambda failed: failures.append(failed.exc_value)
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    rate = calls[0] / (time.monotonic() - begun)
    print(f"{calls[0]} calls ({rate:.0f} a second) at {len(gateways)} gateways, {len(receipts)} changes")
    print(f"refused on every gateway, by the receipt: p50 {percentile(receipts, .5):.0f} ms, p99 {percentile(receipts, .99):.0f} ms")
    print(f"from the mutation to its receipt, as the caller sees it: p50 {percentile(seen, .5):.0f} ms, p99 {percentile(seen, .99):.0f} ms")
    print(f"valid calls refused: {len(refused)}; ended secrets that passed, or receipts that are not complete: {len(ended)}")
    for wrong in [*refused[:5], *ended[:5], *failures[:5]]:
        print("WRONG", wrong)
    sys.exit(1 if refused or ended or failures or percentile(receipts, .99) >= 1000 else 0)
finally:
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()
