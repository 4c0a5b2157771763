"""Prints the objects whose apiVersion begins with a prefix, as JSON: objects.py <prefix> <file> .."""

import json
import sys

import yaml

prefix, files = sys.argv[1], sys.argv[2:]
objects = [found for file in files for found in yaml.safe_load_all(open(file)) if found]
print(json.dumps([found for found in objects if found["apiVersion"].startswith(prefix)]))
