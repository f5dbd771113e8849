import json, os
from confluent_kafka import Producer

settings = json.load(open(os.environ["SERVICE_BINDING_ROOT"] + "/kafka/librdkafka.json"))
producer = Producer(settings)
for number in range(60):
    headers = {"ce_specversion": "1.0", "ce_id": f"order-{number}", "ce_source": "/web", "ce_type": "order.created"}
    headers["content-type"] = "application/json"
    producer.produce(os.environ["KAFKA_TOPICS"], json.dumps({"amount": number}), headers=headers)
print(f"60 events written, {producer.flush(10)} of them not acknowledged")
