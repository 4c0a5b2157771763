// Checks KEDA's objects, as a JSON list on stdin, against its schemas. The schemas let unknown keys pass; here they are
// errors, and so are metadata that the scaler does not know.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const module = `${process.env.TOOL_HOME}/node_modules/@kubernetes-models/keda/keda.sh/v1alpha1/index.js`;
const kinds = await import(pathToFileURL(module));

// From the page of the scaler `redis-streams` of KEDA 2.17.
const METADATA = {
  "redis-streams": [
    "address", "host", "port", "usernameFromEnv", "passwordFromEnv", "stream", "consumerGroup", "pendingEntriesCount",
    "streamLength", "lagCount", "activationLagCount", "enableTLS", "unsafeSsl", "databaseIndex", "addressFromEnv",
    "hostFromEnv", "portFromEnv",
  ],
};

const problems = [];
const objects = JSON.parse(readFileSync(0, "utf8"));
if (!objects.some((object) => object.kind === "ScaledObject")) problems.push("there is no ScaledObject");
for (const object of objects) check(object);
if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exit(1);
}

function check(object) {
  const name = `${object.kind} ${object.metadata?.name}`;
  const Model = kinds[object.kind];
  if (!Model || object.apiVersion !== Model.apiVersion) {
    problems.push(`${name}: KEDA has no such kind in ${object.apiVersion}`);
    return;
  }
  for (const key of Object.keys(object)) {
    if (!["apiVersion", "kind", "metadata", "spec"].includes(key)) problems.push(`${name}: unknown key ${key}`);
  }
  const unread = new Set();
  try {
    const model = new Model({ metadata: object.metadata });
    model.spec = watched(object.spec, "spec", unread); // set later: the constructor copies what it gets
    model.validate();
  } catch (error) {
    problems.push(`${name}: ${error.message}`);
  }
  for (const path of unread) problems.push(`${name}: unknown key ${path}`);
  for (const trigger of object.spec.triggers ?? []) {
    const known = METADATA[trigger.type];
    if (!known) problems.push(`${name}: the metadata of ${trigger.type} are not known here`);
    for (const key of Object.keys(trigger.metadata ?? {})) {
      if (known && !known.includes(key)) problems.push(`${name}: ${trigger.type} knows no metadata ${key}`);
    }
  }
}

// A validator reads every key that its schema knows: what it never asked for is unknown to it.
function watched(value, path, unread) {
  if (value === null || typeof value !== "object") return value;
  const copy = Array.isArray(value) ? [] : {};
  for (const [key, inner] of Object.entries(value)) {
    const at = `${path}.${key}`;
    copy[key] = watched(inner, at, unread);
    if (!Array.isArray(value)) unread.add(at);
  }
  return new Proxy(copy, {
    get(target, key) {
      unread.delete(`${path}.${String(key)}`);
      return target[key];
    },
  });
}
