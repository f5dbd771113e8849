import json, os
from confluent_kafka import Producer

settings = json.load(open(os.environ["SERVICE_BINDING_ROOT"] + "/kafka/librdkafka.json"))
producer = Producer(settings)
orders = [("order.created", 250), ("order.created", 90), ("order.created", 120), ("order.shipped", 300), ("order.created", 101)]
for number, (kind, amount) in enumerate(orders, 1):
    headers = {"ce_specversion": "1.0", "ce_id": f"order-{number}", "ce_source": "/web", "ce_type": kind}
    headers["content-type"] = "application/json"
    producer.produce(os.environ["KAFKA_TOPICS"], json.dumps({"amount": amount}), headers=headers)
print(f"{len(orders)} events written, {producer.flush(10)} of them not acknowledged")
