"""Whether each line of standard input is an event of OCSF 1.8.0, as the package ocsf-json-schema has the schema."""

import functools
import json
import sys

import jsonschema
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

VERSION = "1.8.0"
SCHEMA = OcsfJsonSchemaEmbedded(get_ocsf_schema(VERSION))


@functools.cache
def validator(class_uid, profiles):
    name = SCHEMA.lookup_class_name_from_uid(class_uid)
    return jsonschema.Draft202012Validator(SCHEMA.get_class_schema(name, list(profiles)))


def main():
    count = 0
    for number, line in enumerate(sys.stdin, 1):
        event = json.loads(line)
        metadata = event["metadata"]
        if metadata["version"] != VERSION or event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
            sys.exit(f"refused: line {number}: version or type_uid")
        for error in validator(event["class_uid"], tuple(metadata["profiles"])).iter_errors(event):
            sys.exit(f"refused: line {number}: {error.json_path}: {error.message[:200]}")
        count += 1
    print(f"accepted: {count}")


if __name__ == "__main__":
    main()
