"""Holds image, compose.yaml, the manifests and the code together: versions, ports, variables, limits, hardening."""

import pathlib
import re
import sys

import tomllib
import yaml

PARTS = ["ingress-gateway", "embedding-service", "conversation-worker", "admin-service", "migrator"]
# Requests and limits that are promised.
LIMITS = {
    "ingress-gateway": (("512Mi", "250m"), ("2Gi", "2")),
    "conversation-worker": (("256Mi", "100m"), ("1Gi", "1")),
    "admin-service": (("256Mi", "100m"), ("512Mi", "500m")),
}
CATALOGUE = "http://embedding-service:50051"
INTERNAL = {"namespaceSelector": {"matchLabels": {"name": "internal"}}}
problems = []


def must(holds, problem):
    if not holds:
        problems.append(problem)


def main():
    workspace = tomllib.load(open("Cargo.toml", "rb"))["workspace"]["package"]
    settings = {part: tomllib.load(open(f"services/{part}/config.toml", "rb")) for part in [*PARTS, "dragoman"]}
    dockerfile(workspace)
    compose(workspace, settings)
    manifests(workspace, settings)
    scrapes(settings)
    if problems:
        sys.exit("\n".join(problems))


def dockerfile(workspace):
    text = open("deploy/Dockerfile").read()
    must(f"ARG RUST_VERSION={workspace['rust-version']}\n" in text, "Dockerfile: RUST_VERSION is not the rust-version of Cargo.toml")
    must(re.search(r"^USER 1000:1000$", text, re.M), "Dockerfile: the user is not 1000:1000")


def compose(workspace, settings):
    services = yaml.safe_load(open("compose.yaml"))["services"]
    for name, service in services.items():
        place = f"compose.yaml, {name}"
        must("mem_limit" in service, f"{place}: no memory limit")
        must(service.get("security_opt") == ["no-new-privileges:true"], f"{place}: no no-new-privileges")
        must(not service["image"].endswith(":latest") and ":" in service["image"], f"{place}: the image has no version")
        for port in service.get("ports", []):
            must(re.match(r"127\.0\.0\.1:|\$\{GATEWAY_ADDRESS:-127\.0\.0\.1\}:", port), f"{place}: port {port} is published beyond this machine")
        for variable, value in (service.get("environment") or {}).items():
            secret = re.search(r"PASSWORD|TOKEN_\d$|KEY$", variable)
            must(not secret or ":?" in str(value), f"{place}: {variable} may be missing or has a default")
        if "build" not in service:
            continue
        must(service["image"] == f"${{DRAGOMAN_IMAGE:-dragoman:{workspace['version']}}}", f"{place}: the image is not of version {workspace['version']}")
        must(service.get("read_only") and service.get("cap_drop") == ["ALL"], f"{place}: the root can be written, or capabilities are kept")
        variables(place, (service.get("environment") or {}), settings)
        if service["command"][0] in ("migrator",):
            continue
        must(service["healthcheck"]["test"][:2] == ["CMD", service["command"][0]], f"{place}: the health check asks another program")
        must(service.get("restart") == "unless-stopped", f"{place}: it is not restarted")
    catalogue("compose.yaml", {name: service.get("environment") or {} for name, service in services.items()}, settings)
    example = set(re.findall(r"^(\w+)=$", open("deploy/stack.example.env").read(), re.M))
    needed = set(re.findall(r"\$\{(\w+):\?", open("compose.yaml").read()))
    must(example == needed, f"stack.example.env: compose.yaml needs other secrets: {sorted(example ^ needed)}")
    order = lambda name: services[name].get("depends_on", {})
    for name, needs in {
        "roles": {"postgres": "service_healthy"},
        "migrate": {"roles": "service_completed_successfully", "redis": "service_healthy"},
        "embedding-service": {"migrate": "service_completed_successfully"},
        "ingress-gateway": {"migrate": "service_completed_successfully", "redis": "service_healthy", "embedding-service": "service_started"},
        "conversation-worker": {"migrate": "service_completed_successfully", "embedding-service": "service_healthy", "ingress-gateway": "service_started"},
        "admin-service": {"migrate": "service_completed_successfully", "conversation-worker": "service_started"},
    }.items():
        for other, condition in needs.items():
            must(order(name).get(other, {}).get("condition") == condition, f"compose.yaml, {name}: it does not wait for {other} ({condition})")
    redis = " ".join(services["redis"]["command"])
    must("--appendonly yes" in redis and "--maxmemory-policy noeviction" in redis, "compose.yaml, redis: appendonly yes and noeviction are needed")


def variables(place, environment, settings):
    """`PART__SECTION__KEY` sets a section that the part has."""
    prefixes = {part.upper().replace("-", "_"): part for part in settings}
    for variable in environment:
        prefix, _, rest = variable.partition("__")
        if rest:
            section = rest.split("__")[0].lower()
            known = prefix in prefixes and section in settings[prefixes[prefix]]
            must(known, f"{place}: {variable} sets nothing")


def catalogue(place, environments, settings):
    """Who asks the catalogue knows its address and has a key that is known there."""
    keys = [value for name, value in environments["embedding-service"].items() if re.fullmatch(r"EMBEDDING_SERVICE__GRPC__KEYS__\w+__KEY", name)]
    for part in asking(settings):
        prefix = part.upper().replace("-", "_")
        must(environments[part].get(f"{prefix}__CATALOG__URL") == CATALOGUE, f"{place}, {part}: the catalogue is not asked at {CATALOGUE}")
        must(environments[part].get(f"{prefix}__CATALOG__API_KEY") in keys, f"{place}, {part}: embedding-service does not know its key")


def asking(settings):
    return [part for part in PARTS if "url" in settings[part].get("catalog", {})]


def manifests(workspace, settings):
    files = [*pathlib.Path("deploy/k8s").glob("*.yaml"), *pathlib.Path("deploy/k8s/once").glob("*.yaml")]
    objects = [found for file in sorted(files) for found in yaml.safe_load_all(file.read_text()) if found]
    named = lambda kind: {found["metadata"]["name"]: found for found in objects if found["kind"] == kind}
    for found in objects:
        must(found["kind"] == "Namespace" or found["metadata"].get("namespace") == "dragoman", f"{found['kind']} {found['metadata']['name']}: not in the namespace dragoman")
        template = pod_template(found)
        if template:
            pod(found, template, workspace, settings)
    for part in PARTS:
        must(part in {**named("Deployment"), **named("StatefulSet"), **named("Job")}, f"deploy/k8s: {part} is missing")
        must(part == "migrator" or part in named("PodDisruptionBudget"), f"deploy/k8s: {part} has no PodDisruptionBudget")
        must(part == "migrator" or part in named("Service"), f"deploy/k8s: {part} has no Service")
    for part in ["embedding-service", "conversation-worker"]:
        must(named("Service")[part]["spec"].get("clusterIP") == "None", f"Service {part}: gRPC needs a headless one")
    for name, service in named("Service").items():
        ports = {port["name"]: port["containerPort"] for port in containers(named("Deployment").get(name) or named("StatefulSet")[name])[0]["ports"]}
        for port in service["spec"]["ports"]:
            must(ports.get(port["targetPort"]) == port["port"], f"Service {name}: port {port['name']} is not the container's")
    claims = named("StatefulSet")["embedding-service"]["spec"]["volumeClaimTemplates"]
    must([claim["spec"]["accessModes"] for claim in claims] == [["ReadWriteOnce"]], "StatefulSet embedding-service: one volume, ReadWriteOnce")
    embedding = named("StatefulSet")["embedding-service"]
    stores = [variable.get("value") for variable in containers(embedding)[0]["env"] if variable["name"] == "EMBEDDING_SERVICE__VECTORS__STORE"]
    must(embedding["spec"]["replicas"] == 1 or stores == ["qdrant"], "StatefulSet embedding-service: more than one replica needs EMBEDDING_SERVICE__VECTORS__STORE=qdrant, or each has collections of its own")
    gateway = named("HorizontalPodAutoscaler")["ingress-gateway"]["spec"]
    must((gateway["minReplicas"], gateway["maxReplicas"]) == (1, 3), "ingress-gateway: 1 to 3 replicas")
    must(named("Deployment")["admin-service"]["spec"]["replicas"] == 1, "admin-service: 1 replica")
    must(named("CronJob")["backup"]["spec"]["schedule"] == "0 3 * * *", "CronJob backup: not at 03:00")
    for name, deployment in named("Deployment").items():
        must(("replicas" in deployment["spec"]) == (name == "admin-service"), f"Deployment {name}: replicas are the autoscaler's")
    scaled = named("ScaledObject")["conversation-worker"]["spec"]
    must(scaled["scaleTargetRef"]["name"] in named("Deployment"), "ScaledObject: its target is not there")
    policies = named("NetworkPolicy")
    deny = policies.get("default-deny", {}).get("spec")
    must(deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}, "NetworkPolicy default-deny: it has to select everything and allow nothing")
    must([rule.get("from") for rule in policies["admin-service"]["spec"]["ingress"]] == [[INTERNAL]], "NetworkPolicy admin-service: open to others than namespaces labelled name=internal")
    named_pod = lambda name: {"podSelector": {"matchLabels": {"app.kubernetes.io/name": name}}}
    allowed = lambda rules, side, peer: any(peer in rule.get(side, []) and {"protocol": "TCP", "port": 50051} in rule["ports"] for rule in rules)
    for part in asking(settings):
        must(allowed(policies[part]["spec"].get("egress", []), "to", named_pod("embedding-service")), f"NetworkPolicy {part}: it may not call embedding-service")
        must(allowed(policies["embedding-service"]["spec"]["ingress"], "from", named_pod(part)), f"NetworkPolicy embedding-service: {part} may not call it")
    qdrant = {"protocol": "TCP", "port": 6334}
    must(any(qdrant in rule["ports"] for rule in policies["embedding-service"]["spec"]["egress"]), "NetworkPolicy embedding-service: it may not call Qdrant")
    pods = {**named("Deployment"), **named("StatefulSet")}
    catalogue("deploy/k8s", {name: {variable["name"]: str(variable.get("value", variable.get("valueFrom"))) for variable in containers(found)[0].get("env", [])} for name, found in pods.items()}, settings)
    must(any(port["port"] == 53 for port in policies["dns"]["spec"]["egress"][0]["ports"]), "NetworkPolicy dns: names cannot be looked up")


def pod_template(found):
    if found["kind"] == "CronJob":
        return found["spec"]["jobTemplate"]["spec"]["template"]
    return found["spec"].get("template") if found["kind"] in ("Deployment", "StatefulSet", "Job") else None


def containers(found):
    return pod_template(found)["spec"]["containers"]


def pod(found, template, workspace, settings):
    place, spec = f"{found['kind']} {found['metadata']['name']}", template["spec"]
    security = spec.get("securityContext", {})
    must(security.get("runAsNonRoot") is True and security.get("runAsUser") == 1000, f"{place}: it does not run as user 1000")
    must(security.get("seccompProfile") == {"type": "RuntimeDefault"}, f"{place}: no seccompProfile RuntimeDefault")
    must(spec.get("automountServiceAccountToken") is False, f"{place}: it gets a token of the cluster")
    must(template["metadata"]["labels"].get("app.kubernetes.io/part-of") == "dragoman", f"{place}: no label part-of")
    for container in spec["containers"]:
        inner = container.get("securityContext", {})
        must(inner.get("readOnlyRootFilesystem") is True, f"{place}: the root can be written")
        must(inner.get("allowPrivilegeEscalation") is False and inner.get("capabilities") == {"drop": ["ALL"]}, f"{place}: privileges are kept")
        resources = container.get("resources", {})
        must({"memory", "cpu"} == set(resources.get("requests", {})) == set(resources.get("limits", {})), f"{place}: requests or limits are missing")
        part = container["command"][0]
        if part not in PARTS:
            continue
        must(container["image"].endswith(f"/dragoman:{workspace['version']}"), f"{place}: the image is not of version {workspace['version']}")
        variables(place, [variable["name"] for variable in container.get("env", [])], settings)
        if part in LIMITS:
            got = tuple(tuple(str(resources[kind][what]) for what in ("memory", "cpu")) for kind in ("requests", "limits"))
            must(got == LIMITS[part], f"{place}: requests and limits are {got}, promised are {LIMITS[part]}")
        if part == "migrator":
            continue
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for name, port in ports.items():
            must(settings[part][name]["listen"].endswith(f":{port}"), f"{place}: {name} listens on {settings[part][name]['listen']}, not on {port}")
        must(template["metadata"]["annotations"]["prometheus.io/port"] == str(ports["ops"]), f"{place}: another port is scraped")
        for probe, path in [("startupProbe", "/startupz"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]:
            must(container.get(probe, {}).get("httpGet") == {"path": path, "port": "ops"}, f"{place}: {probe} does not ask {path} of the operations port")


def scrapes(settings):
    jobs = yaml.safe_load(open("deploy/prometheus/prometheus.yml"))["scrape_configs"]
    for job in jobs:
        part, found = job["job_name"], job["dns_sd_configs"][0]
        wanted = int(settings[part]["ops"]["listen"].rpartition(":")[2])
        must(found["names"] == [part] and found["port"] == wanted, f"prometheus.yml, {part}: its operations port is {wanted}")
    missing = set(PARTS) - {"migrator"} - {job["job_name"] for job in jobs}
    must(not missing, f"prometheus.yml: {sorted(missing)} are not scraped")


main()
