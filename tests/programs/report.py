"""What a report (`mx run --report`) of a small program may and must say."""
import json

FORBIDDEN = {"divergence", "dropped", "crash", "failover", "hang", "refused"}
NOT_STRUCK = "no failover event: the leader was not killed, it came to no such event"
KILLED_MAY_SAY = {"failover", "crash", "dropped"}  # the leader did die


def read_report(path):
    """The report's events; ValueError or OSError when it cannot be read."""
    with open(path) as file:
        return [json.loads(line) for line in file]


def leader_events(path):
    """How many events the leader's first process had, from the `exit` line."""
    exits = [event for event in read_report(path) if event["event"] == "exit"]
    events = exits[-1]["events"]
    return events["old"] if isinstance(events, dict) else events


def check_report(path, status, allowed, killed):
    """Problems of the report at `path`, as sentences. `allowed` names events that may appear."""
    try:
        events = read_report(path)
        names = [event["event"] for event in events]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"not readable as JSON lines: {error!r}"]
    may_say = set(allowed) | (KILLED_MAY_SAY if killed else set())
    problems = [f"unexpected {json.dumps(event)}" for event in events
                if event["event"] in FORBIDDEN - may_say]
    if killed and "failover" not in names:
        problems.append("no failover event, though the leader was killed" if "crash" in names else NOT_STRUCK)
    for version in ("old", "new"):
        if not any(e["event"] == "start" and e.get("version") == version for e in events):
            problems.append(f"no start event of version {version}")
    statuses = [event.get("status") for event in events if event["event"] == "exit"]
    if len(statuses) != 1:
        problems.append(f"{len(statuses)} exit events instead of one")
    elif statuses[0] != status:
        problems.append(f"the exit event says status {statuses[0]}, mx exited with {status}")
    return problems
