"""A ticket tracker in memory, a plugin of protocol 2. Written from docs/plugin-protocol.md alone: § names its sections.
It answers each call before it reads the next line (§6.3), so no call is left that could be cancelled (§9.1)."""
import hashlib, json, sys
from datetime import UTC, datetime

STATUSES = ["todo", "in_progress", "in_review", "blocked", "done", "cancelled"]
tickets, comments, made, time = {}, {}, {}, datetime.fromisoformat  # by id, oldest first; `made` by idempotency key

class Failure(Exception): pass
def need(holds, message, code="invalid", **data):  # §7.1: a word and its data, or else (§7.3) a number of JSON-RPC
    error = {"code": code} if isinstance(code, int) else {"code": -32000, "data": {"code": code, **data}}
    if not holds: raise Failure({**error, "message": message})
def keep(items, item):  # 100 items of this length fit into a frame (§2.2); what is empty is left out (§3.6)
    for name in {"title", "body"} & item.keys(): need(item[name].strip(), "it must not be empty", field=f"input.{name}")
    need(len(json.dumps(item)) <= 65536, "an item has at most 65536 characters of JSON", field="input")
    items[item["id"]] = {name: part for name, part in item.items() if part not in ("", [], {})}
    return items[item["id"]]

def query(given, who, now):
    limit, left, found = min(given.get("limit", 100), 100), given.get("cursor", str(len(tickets))), []  # §3.3, §3.4
    need(limit > 0, "a page holds at least one ticket", field="input.limit")
    need(left in map(str, range(len(tickets) + 1)), "it is no cursor of this tracker", field="input.cursor")
    for number, one in reversed(list(enumerate(tickets.values(), 1))[:int(left)]):  # newest first; each filter (§3.5)
        if (given.get("query", "").casefold() in f"{one['title']}\n{one.get('description', '')}".casefold()
                and one["status"] in (given.get("statuses") or STATUSES)
                and given.get("reporter", one["reporter"]) == one["reporter"]
                and (not given.get("assignees") or set(given["assignees"]) & set(one.get("assignees", [])))
                and time(given.get("since", one["createdAt"])) <= time(one["createdAt"])
                and time(one["createdAt"]) < time(given.get("until", "9999-12-31T00:00:00Z"))):
            if len(found) == limit: return {"items": found, "next": str(number)}
            found.append(one)
    return {"items": found}
def get(given, who, now):
    need(given["id"] in tickets, f"there is no ticket {given['id'][:60]}", "not_found")
    return tickets[given["id"]]
def create(given, who, now):
    return keep(tickets, {**given, "id": f"T-{len(tickets) + 1}", "status": "todo", "reporter": who, "createdAt": now})
def update(given, who, now):
    fields = {**get(given, who, now).get("fields", {}), **given.get("fields", {})}
    return keep(tickets, {**tickets[given["id"]], **given, "fields": fields, "updatedAt": now})
def comment(given, who, now):
    about = {"id": f"C-{len(comments) + 1}", "ticketId": get(given, who, now)["id"]}
    return keep(comments, {**given, **about, "author": who, "createdAt": now})

OPERATIONS = {  # §3.1: what the input must have, and what it may have
    "ticket.query": (query, "", "query statuses assignees reporter since until limit cursor scope metadata"),
    "ticket.get": (get, "id", ""), "ticket.create": (create, "title", "description fields metadata"),
    "ticket.update": (update, "id", "title description status assignees fields metadata"),
    "ticket.comment": (comment, "id body", "metadata")}
def answer(method, params):
    if method == "ping": return {}  # §9.2
    if method == "initialize":  # §5
        need(2 in params["versions"], "this plugin speaks version 2", "unsupported")
        return {"version": 2, "name": "tracker", "operations": [*OPERATIONS], "limits": {"callsInFlight": 1}}
    need(method in OPERATIONS, f"this tracker does not answer {method}", -32601)  # §6.4
    (function, must, may), given = OPERATIONS[method], params["input"]
    given = {"id": given} if function is get else {name: part for name, part in given.items() if part is not None}  # §3
    wrong = {*must.split()} - given.keys() | given.keys() - f"{must} {may}".split()
    need(not wrong, f"missing or not known: {', '.join(sorted(wrong))}", -32602)  # §6.4; below, §3.5
    need({*given.get("statuses", []), given.get("status", "todo")} <= {*STATUSES}, f"use {STATUSES}", "unsupported")
    need(not (given.pop("metadata", 0) or any(given.pop("scope", {}).values())), "no metadata, no scope", "unsupported")
    who, now = "{subject}@{issuer}".format(**params["context"]["actor"]["identity"]), datetime.now(UTC).isoformat()
    if function in (query, get): return function(given, who, now)
    approval = params.get("approval") or {}  # §8.1
    action = {"action": {"input": params["input"], "operation": method}, "target": approval.get("target"), "version": 1}
    text = json.dumps(action, sort_keys=True, separators=(",", ":"), ensure_ascii=False)  # §8.2, §8.3
    need(approval.get("digest") == "sha256:" + hashlib.sha256(text.encode()).hexdigest(), "not as approved", "denied")
    key = approval["idempotencyKey"]  # §8.1: every attempt of one change has the same
    return made[key] if key in made else made.setdefault(key, function(given, who, now))

out, sys.stdout = sys.stdout, sys.stderr  # §1.4
for line in sys.stdin.buffer:  # §1.5: until the host closes it
    message = json.loads(line)
    if message.get("method") == "shutdown": break  # §9.6
    if "id" not in message: continue  # §9.1, and notifications that are not known
    try: reply = {"result": answer(message["method"], message.get("params", {}))}
    except Failure as failure: reply = {"error": failure.args[0]}
    except Exception as error: reply = {"error": {"code": -32603, "message": f"failed: {type(error).__name__}"}}  # §7.3
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **reply}, allow_nan=False), file=out, flush=True)  # §2
