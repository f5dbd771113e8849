import com.google.protobuf.DescriptorProtos.DescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import io.apicurio.registry.serde.protobuf.ProtobufKafkaSerializer;
import java.util.HashMap;
import java.util.Map;
import java.util.function.LongFunction;
import org.apache.avro.Schema;
import org.apache.avro.SchemaBuilder;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Writes events with Apicurio's serializers. Usage: Producer BROKERS REGISTRY_URL TOPIC AVRO|PROTOBUF COUNT */
public final class Producer {
  public static void main(String[] arguments) throws Exception {
    String topic = arguments[2];
    boolean avro = arguments[3].equals("AVRO");
    Map<String, Object> settings = new HashMap<>();
    settings.put("bootstrap.servers", arguments[0]);
    settings.put("acks", "all");
    settings.put("key.serializer", StringSerializer.class);
    settings.put("value.serializer", avro ? AvroKafkaSerializer.class : ProtobufKafkaSerializer.class);
    // Apicurio's own API: its serializers do not speak Confluent's, only write like it
    settings.put("apicurio.registry.url", arguments[1]);
    settings.put("apicurio.registry.auto-register", false);
    settings.put("apicurio.registry.find-latest", true);
    settings.put("apicurio.registry.artifact.group-id", "default");
    settings.put("apicurio.registry.artifact.artifact-id", topic + "-value");
    settings.put("apicurio.registry.artifact-resolver-strategy", "io.apicurio.registry.serde.strategy.TopicIdStrategy");
    settings.put("apicurio.registry.use-id", System.getProperty("use-id", "contentId"));
    settings.put("apicurio.registry.id-handler", "io.apicurio.registry.serde.Default4ByteIdHandler");
    settings.put("apicurio.registry.serde.send-type-ref", false);
    settings.put("apicurio.registry.serde.send-indexes", true);
    settings.put("apicurio.registry.serde.validation-enabled", false);
    LongFunction<Object> event = avro ? avroEvent() : protobufEvent();
    try (KafkaProducer<String, Object> producer = new KafkaProducer<>(settings)) {
      for (long number = 0; number < Long.parseLong(arguments[4]); number++) {
        producer.send(new ProducerRecord<>(topic, "java-" + number, event.apply(number))).get();
      }
    }
  }

  private static LongFunction<Object> avroEvent() {
    Schema schema =
        SchemaBuilder.record("Order").namespace("shop").fields().requiredString("id").requiredLong("cents").endRecord();
    return number -> new GenericRecordBuilder(schema).set("id", "java-" + number).set("cents", cents(number)).build();
  }

  private static LongFunction<Object> protobufEvent() throws Exception {
    DescriptorProto.Builder order =
        DescriptorProto.newBuilder()
            .setName("Order")
            .addField(field("id", 1, FieldDescriptorProto.Type.TYPE_STRING))
            .addField(field("cents", 2, FieldDescriptorProto.Type.TYPE_INT64));
    // not the first of its file, so that the place of the message is not the short one
    FileDescriptorProto file =
        FileDescriptorProto.newBuilder()
            .setName("order.proto")
            .setPackage("shop")
            .setSyntax("proto3")
            .addMessageType(DescriptorProto.newBuilder().setName("Shipment").addField(field("id", 1, FieldDescriptorProto.Type.TYPE_STRING)))
            .addMessageType(order)
            .build();
    Descriptor descriptor =
        FileDescriptor.buildFrom(file, new FileDescriptor[0]).findMessageTypeByName("Order");
    return number ->
        DynamicMessage.newBuilder(descriptor)
            .setField(descriptor.findFieldByName("id"), "java-" + number)
            .setField(descriptor.findFieldByName("cents"), cents(number))
            .build();
  }

  private static FieldDescriptorProto field(String name, int number, FieldDescriptorProto.Type type) {
    return FieldDescriptorProto.newBuilder()
        .setName(name)
        .setNumber(number)
        .setType(type)
        .setLabel(FieldDescriptorProto.Label.LABEL_OPTIONAL)
        .build();
  }

  /** More than a double can hold exactly. */
  private static long cents(long number) {
    return (1L << 53) + number;
  }
}
