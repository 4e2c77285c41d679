#!/usr/bin/python3
"""Validates the manifests here against the parts of Kubernetes' published schema that they use: every
member must be known, required ones present, types right. Exit status 1 names the file and the path."""
import glob
import os
import sys

import jsonschema
import yaml


def obj(required=(), **props):
    return {"type": "object", "properties": props, "required": list(required), "additionalProperties": False}


STRING = {"type": "string", "minLength": 1}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
BOOL = {"type": "boolean"}
INT = {"type": "integer"}


def listof(item):
    return {"type": "array", "items": item, "minItems": 1}


META = obj(["name"], name={"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}, namespace=STRING,
           labels=TEXTS, annotations=TEXTS)
SECURITY = obj(runAsUser=INT, runAsGroup=INT, allowPrivilegeEscalation=BOOL, readOnlyRootFilesystem=BOOL,
               capabilities=obj(drop=listof(STRING), add=listof(STRING)))
CONTAINER = obj(["name", "image"], name=STRING, image=STRING, command=listof(STRING), args=listof(STRING),
                ports=listof(obj(["containerPort"], containerPort=INT)), securityContext=SECURITY,
                volumeMounts=listof(obj(["name", "mountPath"], name=STRING, mountPath=STRING, readOnly=BOOL)),
                readinessProbe=obj(exec=obj(command=listof(STRING))), resources=obj(limits=TEXTS))
VOLUME = obj(["name"], name=STRING, emptyDir={"type": "object"},
             hostPath=obj(["path"], path=STRING, type={"enum": ["Directory", "DirectoryOrCreate", "File"]}),
             image=obj(["reference"], reference=STRING, pullPolicy={"enum": ["Always", "IfNotPresent", "Never"]}))
POD = obj(["containers"], runtimeClassName=STRING, containers=listof(CONTAINER), initContainers=listof(CONTAINER),
          volumes=listof(VOLUME), nodeSelector=TEXTS, automountServiceAccountToken=BOOL)
TEMPLATE = obj(["metadata", "spec"], metadata=obj(labels=TEXTS, annotations=TEXTS), spec=POD)
SELECTOR = obj(["matchLabels"], matchLabels=TEXTS)


def top(api, kind, **props):
    return obj(["apiVersion", "kind", "metadata", *[p for p in props if p != "scheduling"]],
               apiVersion={"const": api}, kind={"const": kind}, metadata=META, **props)


SCHEMAS = {
    "RuntimeClass": top("node.k8s.io/v1", "RuntimeClass", handler=STRING, scheduling=obj(nodeSelector=TEXTS)),
    "Deployment": top("apps/v1", "Deployment",
                      spec=obj(["selector", "template"], replicas=INT, selector=SELECTOR, template=TEMPLATE)),
    "DaemonSet": top("apps/v1", "DaemonSet", spec=obj(["selector", "template"], selector=SELECTOR, template=TEMPLATE)),
}


def check(document):
    jsonschema.validate(document, SCHEMAS[document["kind"]])
    template = document.get("spec", {}).get("template")
    if template:
        wanted = document["spec"]["selector"]["matchLabels"]
        assert wanted.items() <= template["metadata"]["labels"].items(), "the selector does not match the template"
        volumes = {volume["name"] for volume in template["spec"].get("volumes", [])}
        for container in template["spec"]["containers"] + template["spec"].get("initContainers", []):
            for mount in container.get("volumeMounts", []):
                assert mount["name"] in volumes, "no volume " + mount["name"]


bad = 0
for file in sys.argv[1:] or sorted(glob.glob(os.path.dirname(os.path.abspath(__file__)) + "/*.yaml")):
    with open(file) as text:
        for document in yaml.safe_load_all(text):
            try:
                check(document)
            except (jsonschema.ValidationError, AssertionError, KeyError) as error:
                print(f"{file}: {getattr(error, 'json_path', '')} {str(error).splitlines()[0]}")
                bad = 1
sys.exit(bad)
