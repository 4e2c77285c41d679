#!/usr/bin/python3
"""A CRI client for the tests: what a kubelet says to containerd, one pod with two containers.

cri.py SOCKET IMAGE LOGDIR STATEDIR ANNOTATION=VALUE…: prints one line a fact, the test compares them. The messages used are few,
so they are encoded here by field number (as in the published runtime.v1 API) and need no generated code."""
import json
import sys
import time

import grpc


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def message(**fields):
    """f3=… is field 3: int, str, bytes, a list of those, or a dict for a map<string, string>."""
    out = b""
    for name, value in fields.items():
        number = int(name[1:])
        if isinstance(value, dict):
            value = [message(f1=k, f2=v) for k, v in value.items()]
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, int):
                out += varint(number << 3) + varint(item)
            else:
                data = item.encode() if isinstance(item, str) else item
                out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def fields(data):
    """First value of each field: bytes or int."""
    out, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            value = number()
        else:
            size = number()
            value = data[at:at + size]
            at += size
        out.setdefault(key >> 3, value)
    return out


def reported(path, event):
    return [line for line in map(json.loads, open(path)) if line["event"] == event]


def leader_pid(path):
    return next(line["pid"] for line in reported(path, "start") if line["role"] == "leader")


def wait_for(condition):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.1)
    raise TimeoutError


class Cri:
    def __init__(self, socket):
        self.channel = grpc.insecure_channel("unix://" + socket)

    def call(self, verb, **request):
        rpc = self.channel.unary_unary("/runtime.v1.RuntimeService/" + verb)
        return fields(rpc(message(**request), timeout=60))


def main():
    socket, image, logs, state = sys.argv[1:5]
    annotations = dict(word.split("=", 1) for word in sys.argv[5:])
    cri = Cri(socket)
    pod = message(f1=message(f1="pod", f2="uid1", f3="default"), f3=logs, f7=annotations,
                  f8=message(f2=message(f1=message(f1=2))))  # the node's network
    sandbox = cri.call("RunPodSandbox", f1=pod, f2="mx")[1].decode()

    def create(name, command):
        config = message(f1=message(f1=name), f2=message(f1=image), f3=command, f10=annotations, f11=name + ".log")
        identity = cri.call("CreateContainer", f1=sandbox, f2=config, f3=pod)[1].decode()
        cri.call("StartContainer", f1=identity)
        return identity

    def status(identity):
        return fields(cri.call("ContainerStatus", f1=identity)[1])

    def execute(identity, *command):
        answer = cri.call("ExecSync", f1=identity, f2=list(command), f3=20)
        return answer.get(1, b"").decode().strip(), answer.get(3, 0)

    first = create("first", ["/bin/sh", "-c", "trap 'exit 4' TERM; cat /etc/version; while :; do sleep 0.1; done"])
    second = create("second", ["/bin/sleep", "1000"])
    print("version", *execute(first, "cat", "/etc/version"))
    print("status of exec", execute(second, "sh", "-c", "exit 6")[1])
    print("states", status(first).get(3, 0), status(second).get(3, 0))
    for _ in range(100):
        try:
            text = open(logs + "/first.log").read()
        except FileNotFoundError:
            text = ""
        if text:
            break
        time.sleep(0.1)
    print("log", text.split()[-1])
    # The leader of the second crashes: the kubelet sees nothing of it. (It restarts what has stopped, as another attempt.)
    started = status(second)[5]
    print("killed", execute(second, "kill", "-9", str(leader_pid(f"{state}/{second}/out/report.jsonl")))[1])
    wait_for(lambda: reported(f"{state}/{second}/out/report.jsonl", "failover"))
    after = status(second)
    print("after the crash", after.get(3, 0), "attempt", fields(after[2]).get(2, 0), "same start", after[5] == started,
          *execute(second, "cat", "/etc/version"))
    cri.call("StopContainer", f1=first, f2=10)
    print("stopped", status(first).get(3, 0), status(first).get(7, 0))
    cri.call("StopContainer", f1=second, f2=1)
    for identity in (first, second):
        cri.call("RemoveContainer", f1=identity)
    cri.call("StopPodSandbox", f1=sandbox)
    cri.call("RemovePodSandbox", f1=sandbox)


main()
