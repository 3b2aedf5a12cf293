"""A ticket tracker in memory, a plugin of protocol 2. Written from docs/plugin-protocol.md alone: § names its sections.
It answers each call before it reads the next line (§6.3), so no call is left that could be cancelled (§9.1)."""
import hashlib, json, sys
from datetime import datetime, timezone
tickets, comments, made = {}, {}, {}  # by id, oldest first; `made` has the results of changes by idempotency key

class Failure(Exception): pass
def need(holds, message, number=-32000, **data):  # §7.1 with `data`; without it (§7.3) a number of JSON-RPC
    if not holds: raise Failure({"code": number, "message": message, **({"data": data} if data else {})})
def keep(items, item):  # 100 items of this length fit into a frame (§2.2); what is empty is left out (§3.6)
    for name in {"title", "status", "body"} & item.keys():
        need(item[name].strip(), f"the {name} must not be empty", code="invalid", field=f"input.{name}")
    need(len(json.dumps(item)) <= 65536, "an item has at most 65536 characters of JSON", code="invalid", field="input")
    items[item["id"]] = {name: part for name, part in item.items() if part not in ("", [], {})}
    return items[item["id"]]

def query(given, caller, now):
    found, limit, cursor, time = [], given.get("limit", 100), given.get("cursor", str(len(tickets))), datetime.fromisoformat
    need(limit > 0, "a page holds at least one ticket", code="invalid", field="input.limit")
    need(cursor in map(str, range(len(tickets) + 1)), "no cursor of this tracker", code="invalid", field="input.cursor")
    for left, ticket in reversed(list(enumerate(tickets.values(), 1))[:int(cursor)]):  # newest first
        text, opened = f"{ticket['title']}\n{ticket.get('description', '')}", ticket["createdAt"]
        if (given.get("query", "").casefold() in text.casefold()  # §3.5: every filter of the query
                and ticket["status"] in (given.get("statuses") or [ticket["status"]])
                and given.get("reporter", ticket["reporter"]) == ticket["reporter"]
                and (not given.get("assignees") or set(given["assignees"]) & set(ticket.get("assignees", [])))
                and time(given.get("since", opened)) <= time(opened) < time(given.get("until", "9999-12-31T00:00:00Z"))):
            if len(found) == min(limit, 100): return {"items": found, "next": str(left)}  # §3.3, §3.4
            found.append(ticket)
    return {"items": found}
def get(given, caller, now):
    need(given["id"] in tickets, f"there is no ticket {given['id'][:60]}", code="not_found")
    return tickets[given["id"]]
def create(given, caller, now):
    return keep(tickets, {**given, "id": f"T-{len(tickets) + 1}", "status": "todo", "reporter": caller, "createdAt": now})
def update(given, caller, now):
    fields = {**get(given, caller, now).get("fields", {}), **given.get("fields", {})}
    return keep(tickets, {**tickets[given["id"]], **given, "fields": fields, "updatedAt": now})
def comment(given, caller, now):
    about = {"id": f"C-{len(comments) + 1}", "ticketId": get(given, caller, now)["id"]}
    return keep(comments, {**given, **about, "author": caller, "createdAt": now})

OPERATIONS = {  # §3.1: the members of each input, with `!` those that must be there
    "ticket.query": (query, "query statuses assignees reporter since until limit cursor scope metadata"),
    "ticket.get": (get, "id!"), "ticket.create": (create, "title! description fields metadata"),
    "ticket.update": (update, "id! title description status assignees fields metadata"),
    "ticket.comment": (comment, "id! body! metadata")}
def answer(method, params):
    if method == "ping": return {}  # §9.2
    if method == "initialize":  # §5
        need(2 in params["versions"], "this plugin speaks version 2", code="unsupported")
        return {"version": 2, "name": "tracker", "operations": [*OPERATIONS], "limits": {"callsInFlight": 1}}
    need(method in OPERATIONS, f"this tracker does not answer {method}", -32601)  # §6.4
    (function, members), given = OPERATIONS[method], params["input"]
    given = {name: part for name, part in ({"id": given} if function is get else given).items() if part is not None}  # §3.2, §3.6
    missing = {name[:-1] for name in members.split() if name[-1] == "!"} - given.keys()
    wrong = missing | given.keys() - members.replace("!", "").split()
    need(not wrong, f"missing or not known: {', '.join(sorted(wrong))}", -32602)  # §6.4
    beyond = given.pop("metadata", None) or any(given.pop("scope", {}).values())  # §3.5
    need(not beyond, "this tracker knows neither metadata nor scopes", code="unsupported")
    caller, now = "{subject}@{issuer}".format(**params["context"]["actor"]["identity"]), datetime.now(timezone.utc).isoformat()
    if function in (query, get): return function(given, caller, now)
    approval = params.get("approval") or {}  # §8.1
    action = {"action": {"input": params["input"], "operation": method}, "target": approval.get("target"), "version": 1}
    text = json.dumps(action, sort_keys=True, separators=(",", ":"), ensure_ascii=False)  # §8.2, §8.3
    digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    need(approval.get("digest") == digest, "this is not the change that was approved", code="denied")
    key = approval["idempotencyKey"]  # §8.1: every attempt of one change has the same
    return made[key] if key in made else made.setdefault(key, function(given, caller, now))

out, sys.stdout = sys.stdout, sys.stderr  # §1.4
for line in sys.stdin.buffer:  # §1.5: until the host closes it
    message = json.loads(line)
    if message.get("method") == "shutdown": break  # §9.6
    if "id" not in message: continue  # §9.1, and notifications that are not known
    try: reply = {"result": answer(message["method"], message.get("params", {}))}
    except Failure as failure: reply = {"error": failure.args[0]}
    except Exception as error: reply = {"error": {"code": -32603, "message": f"failed: {type(error).__name__}"}}  # §7.3
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **reply}, allow_nan=False), file=out, flush=True)  # §2
