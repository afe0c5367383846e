"""Publishes an application's events to <name>.live. Reads one JSON object a line from standard input:

    {"key": {"country": {"S": "AD"}, "cityId": {"N": "1"}}, "item": {...}}    the row is now this item
    {"key": {...}, "item": null}                                              the row is gone
    {"key": {...}, "item": null, "op": "tombstone"}                           dead, though the old table may still hold it

Usage: publish.py BROKERS TOPIC
"""

import json
import sys

from confluent_kafka import Producer

producer = Producer({
    "bootstrap.servers": sys.argv[1],
    # Java's default partitioner: all changes of a row go to one partition, the one that its key belongs to.
    "partitioner": "murmur2_random",
    # The offset orders the changes of a row, so a retry of this client must not become a newer change.
    "enable.idempotence": True,
    "compression.type": "zstd",
    "linger.ms": 5,
})
failed = []


def compact(value):
    # The key's text decides its partition: no white space, nothing escaped that need not be.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def delivered(error, _message):
    if error is not None:
        failed.append(str(error))


for line in sys.stdin:
    event = json.loads(line)
    item = event.get("item")
    headers = [("op", event["op"])] if "op" in event else []
    while True:
        try:
            producer.produce(
                sys.argv[2], key=compact(event["key"]), value=None if item is None else compact(item),
                headers=headers, on_delivery=delivered)
            break
        except BufferError:  # the queue is full: wait for acknowledgements
            producer.poll(0.1)
    producer.poll(0)

producer.flush()
if failed:
    sys.exit("not delivered: " + failed[0])
