// Reads events with registry libraries that are not ours, Confluent's own and KafkaJS's, and prints each as a line of JSON.
// Usage: node consumer.mjs BROKERS REGISTRY_URL TOPIC AVRO|PROTOBUF COUNT
import kafkajs from "kafkajs";
import confluent from "@confluentinc/schemaregistry";
import community from "@kafkajs/confluent-schema-registry";

const [brokers, url, topic, type, count] = process.argv.slice(2);
// Confluent's library asks for PROTOBUF in a compiled form (format=serialized) that other registries do not serve
const decoders = {
  AVRO: () => {
    const client = new confluent.SchemaRegistryClient({ baseURLs: [url] });
    const deserializer = new confluent.AvroDeserializer(client, confluent.SerdeType.VALUE, {});
    return (value) => deserializer.deserialize(topic, value);
  },
  PROTOBUF: () => {
    const client = new community.SchemaRegistry({ host: url });
    return (value) => client.decode(value);
  },
};
const decode = decoders[type]();

const kafka = new kafkajs.Kafka({ brokers: brokers.split(","), logLevel: kafkajs.logLevel.ERROR });
const consumer = kafka.consumer({ groupId: `node-${topic}` });
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });

// JSON has no numbers of 64 bits
const plain = (key, value) => (key.startsWith("$") ? undefined : typeof value === "bigint" ? value.toString() : value);
let left = Number(count);
await new Promise((resolve, reject) => {
  consumer.run({
    eachMessage: async ({ message }) => {
      try {
        console.log(JSON.stringify(await decode(message.value), plain));
        if (--left === 0) resolve();
      } catch (error) {
        reject(error);
      }
    },
  });
});
await consumer.disconnect();
process.exit(0);
