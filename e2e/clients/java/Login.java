import java.io.FileReader;
import java.io.Reader;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;

/** Logs in to a Kafka and prints the id of the cluster. Usage: Login CLIENT_PROPERTIES */
public final class Login {
  public static void main(String[] arguments) throws Exception {
    Properties settings = new Properties();
    try (Reader file = new FileReader(arguments[0])) {
      settings.load(file);
    }
    settings.put("request.timeout.ms", "10000");
    settings.put("default.api.timeout.ms", "20000");
    try (Admin admin = Admin.create(settings)) {
      System.out.println(admin.describeCluster().clusterId().get());
    }
  }
}
